/** One result seen large, beside the reference. */

import { pictureAddress } from "./api.js";
import { byId } from "./dom.js";
import { picture } from "./tiles.js";
import { nameOf, sourceOf } from "./uploads.js";

const dialog = byId("look");
let shown = null;
let place = 0;

/** Make the buttons and keys of the view work. */
export function prepareLook() {
  byId("look-previous").addEventListener("click", () => turn(-1));
  byId("look-next").addEventListener("click", () => turn(1));
  byId("look-use").addEventListener("click", () => {
    const { id } = shown.answer.results[place];
    dialog.close();
    shown.onUse(id);
  });
  dialog.addEventListener("keydown", ({ key }) => {
    if (key === "ArrowLeft") turn(-1);
    if (key === "ArrowRight") turn(1);
  });
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // beside it
}

/** Show a result of an answer; { answer, round, onUse } as in results.js. */
export function openLook(what, at) {
  shown = what;
  place = at;
  show();
  dialog.showModal();
  byId("look-use").focus();
}

/** Close the view where what it shows is gone. */
export const closeLook = () => dialog.close();

function turn(step) {
  const next = place + step;
  if (next < 0 || next >= shown.answer.results.length) return;
  place = next;
  show();
}

function show() {
  const { answer, round } = shown;
  const { id, score, categories } = answer.results[place];
  const { reference, text } = round;
  byId("look-name").textContent = id;
  byId("look-about").textContent = [
    `Result ${place + 1} of ${answer.results.length}`,
    ...categories,
    `score ${score.toFixed(3)} (likeness in both streams, −2 to 2)`,
  ].join(" · ");
  byId("look-text").textContent = `“${text}” →`;
  byId("look-reference").replaceChildren(picture(sourceOf(reference), nameOf(reference)));
  byId("look-picture").replaceChildren(picture(pictureAddress(id), id));
  byId("look-previous").disabled = place === 0;
  byId("look-next").disabled = place === answer.results.length - 1;
}

/** The picture that a search starts from, and the ways to give one: file, camera, drop and paste. */

import { byId } from "./dom.js";
import { picture } from "./tiles.js";
import { nameOf, sourceOf } from "./uploads.js";

const box = byId("reference");
let drawn = null;

/** Make the box call `onFile(file)` with a picture that is given. */
export function prepareReference(onFile) {
  for (const id of ["upload", "camera"]) {
    byId(id).addEventListener("change", ({ target }) => {
      if (target.files.length) onFile(target.files[0]);
      target.value = ""; // so that the same file can be chosen again
    });
  }
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (!file) return; // a text goes where the cursor is
    event.preventDefault();
    onFile(file);
  });
  prepareDrop(onFile);
}

/** A file may be dropped anywhere: beside the box the browser would leave the page to show it. */
function prepareDrop(onFile) {
  const hasFile = (event) => event.dataTransfer.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    box.classList.add("awaiting");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || box.classList.remove("awaiting"));
  addEventListener("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    box.classList.remove("awaiting");
    onFile(event.dataTransfer.files[0]);
  });
}

/** Show the reference; null = none is chosen yet. */
export function showReference(reference) {
  const which = JSON.stringify(reference);
  if (which === drawn) return; // or else the picture would flicker with every move of the slider
  drawn = which;
  box.classList.toggle("empty", !reference);
  const shown = reference ? [picture(sourceOf(reference), nameOf(reference), { alt: "reference picture" })] : [];
  byId("reference-picture").replaceChildren(...shown);
  byId("reference-name").textContent = reference
    ? nameOf(reference)
    : "Choose a picture from the gallery, or drop or paste your own.";
}

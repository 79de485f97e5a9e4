/** The rounds so far as a strip: reference, text, next reference, … Each leads back to its round. */

import { byId, make } from "./dom.js";
import { picture } from "./tiles.js";
import { nameOf, sourceOf } from "./uploads.js";

const strip = byId("trail");

/** Show a trail of two rounds or more; `onReturn(round)` is called with the place of the one that is chosen. */
export function showTrail(trail, onReturn) {
  strip.hidden = trail.rounds.length < 2;
  if (strip.hidden) return;
  const steps = trail.rounds.map((round, at) => step(round, at, at === trail.at, onReturn));
  strip.firstElementChild.replaceChildren(...steps);
  strip.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function step({ reference, text }, at, isCurrent, onReturn) {
  const name = nameOf(reference);
  const said = make("span", { class: "text" }, text ? `“${text}”` : "…");
  const attributes = {
    type: "button",
    "aria-current": isCurrent ? "step" : null,
    "aria-label": `Round ${at + 1}: ${name}, ${text ? `“${text}”` : "no text yet"}`,
    click: () => onReturn(at),
  };
  return make("li", {}, make("button", attributes, picture(sourceOf(reference), name, { alt: "" }), said));
}

/** Pictures in a grid, and what stands for those that are still to come. */

import { make } from "./dom.js";

/** A picture, or its name where there is none to be had. */
export function picture(source, name, attributes = {}) {
  const blank = () => make("span", { class: "blank" }, name);
  if (!source) return blank();
  const image = make("img", { src: source, alt: name, decoding: "async", draggable: "false", ...attributes });
  image.addEventListener("error", () => image.replaceWith(blank()));
  return image;
}

/** Fill a grid with places of pictures that are being fetched. */
export function showSkeletons(grid, count) {
  const places = Array.from({ length: count }, () => make("li", { class: "skeleton", "aria-hidden": "true" }));
  grid.replaceChildren(...places);
}

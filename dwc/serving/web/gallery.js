/** The gallery to choose a picture from: a category, a part of the name, any order, and more of it. */

import { getImages, isStale, newest, pictureAddress } from "./api.js";
import { byId, counted, make, note, settled } from "./dom.js";
import { picture, showSkeletons } from "./tiles.js";

const PAGE = 60;
const TYPING = 250; // milliseconds

const grid = byId("gallery-grid");
const fetchPage = newest(getImages);

const asked = { category: null, query: "", shuffle: 1, offset: 0, limit: PAGE };
let choose = () => {};
let chosen = null;

/** Make the gallery call `onChoose(image)` with the picture that is chosen. */
export function prepareGallery(onChoose) {
  choose = onChoose;
  const typed = settled((query) => show({ query }), TYPING);
  byId("gallery-query").addEventListener("input", (event) => typed(event.target.value.trim()));
  byId("gallery-shuffle").addEventListener("click", () => show({ shuffle: asked.shuffle + 1 }));
  byId("gallery-more").addEventListener("click", () => more(asked.offset + PAGE));
}

/** Offer the categories to choose from, and fetch the first pictures. */
export function openGallery(categories) {
  const chips = [null, ...categories].map((category) =>
    make(
      "button",
      { type: "button", class: "chip", "aria-pressed": `${category === asked.category}`, click: pick },
      category ?? "All",
    ),
  );
  function pick(event) {
    const at = chips.indexOf(event.currentTarget);
    chips.forEach((chip, place) => chip.setAttribute("aria-pressed", `${place === at}`));
    show({ category: [null, ...categories][at] });
  }
  byId("gallery-categories").replaceChildren(...(categories.length > 1 ? chips : []));
  return show({});
}

/** Mark the picture that is the reference now, where it is in sight. */
export function markChosen(image) {
  chosen = image;
  for (const button of grid.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", `${button.dataset.image === image}`);
  }
}

function show(changed) {
  Object.assign(asked, changed);
  showSkeletons(grid, 12);
  return more(0);
}

async function more(offset) {
  asked.offset = offset;
  byId("gallery-state").replaceChildren();
  byId("gallery-more").hidden = true;
  try {
    const { total, images } = await fetchPage(asked);
    const tiles = images.map(tile);
    if (offset) grid.append(...tiles);
    else grid.replaceChildren(...tiles);
    if (offset) tiles[0]?.firstChild.focus();
    byId("gallery-more").hidden = offset + images.length >= total;
    byId("gallery-count").textContent = counted(total, "picture");
    if (!total) byId("gallery-state").append(note("", nothing()));
  } catch (error) {
    if (isStale(error)) return;
    if (!offset) grid.replaceChildren();
    byId("gallery-state").append(note("error", error.message, "Try again", () => more(offset)));
  }
}

function nothing() {
  if (asked.query) return `No picture’s name has “${asked.query}” in it. Names are file names without ending.`;
  return "There are no pictures here yet. Upload one of your own to search with.";
}

function tile({ id, categories }) {
  const about = [id, ...categories].join(", ");
  const button = make(
    "button",
    { type: "button", "data-image": id, "aria-pressed": `${id === chosen}`, title: about, click: () => choose(id) },
    picture(pictureAddress(id), id, { loading: "lazy" }),
  );
  return make("li", {}, button);
}

/** What was found: pictures with their scores, best first. */

import { pictureAddress } from "./api.js";
import { byId, counted, make, note, thousands } from "./dom.js";
import { openLook } from "./look.js";
import { picture, showSkeletons } from "./tiles.js";

const grid = byId("results-grid");
const hover = matchMedia("(hover: hover)");

/** Show that an answer is on its way: what was found before stays, pale. */
export function showSearching() {
  byId("results-state").replaceChildren();
  grid.setAttribute("aria-busy", "true");
  if (!grid.children.length) showSkeletons(grid, 12);
}

/** Show a sentence where the results would be. */
export function showProblem(text, again) {
  clearResults();
  byId("results-state").append(note("error", text, "Try again", again));
}

function clearResults() {
  grid.removeAttribute("aria-busy");
  grid.replaceChildren();
  byId("results-about").textContent = "";
  byId("results-hint").hidden = true;
  byId("results-more").hidden = true;
}

/** Show an answer to a round; `onUse(image)` is called with the result to go on from. */
export function showAnswer(answer, round, { images, next, onUse }) {
  grid.removeAttribute("aria-busy");
  byId("results-state").replaceChildren();
  const shownOf = `the best ${thousands(answer.results.length)} of ${counted(images, "picture")}`;
  byId("results-about").textContent = shownOf;
  byId("results-about").title = `answered in ${Math.max(1, Math.round(answer.took_ms))} ms`;
  byId("results-hint").textContent = hover.matches
    ? "Point at a picture to go on from it, or open it to see it large."
    : "Tap one to see it large and go on from it.";
  byId("results-hint").hidden = !answer.results.length;
  byId("results-more").hidden = answer.results.length < answer.asked || answer.asked >= 200;
  const shown = { answer, round, onUse };
  grid.replaceChildren(...answer.results.map((result, place) => tile(result, place, next, shown)));
  if (!answer.results.length) byId("results-state").append(note("", nothing(round)));
}

function nothing({ category }) {
  return category ? `“${category}” has no pictures to be found. Search in all categories.` : "The gallery is empty.";
}

function tile(result, place, next, shown) {
  const { id, score } = result;
  const isReference = shown.round.reference.image === id;
  const role = isReference ? "the reference" : id === next ? "next reference" : null;
  const label = `Result ${place + 1}: ${id}, score ${score.toFixed(2)}${role ? `, ${role}` : ""}`;
  const open = make(
    "button",
    { type: "button", class: "open", "data-image": id, "aria-label": label, click: () => openLook(shown, place) },
    picture(pictureAddress(id), id, { alt: "" }),
  );
  const use = make(
    "button",
    { type: "button", class: "use", "aria-label": `Use ${id} as the next reference`, click: () => shown.onUse(id) },
    "Go on from this",
  );
  const caption = make("p", {}, make("b", {}, `${place + 1}`), make("span", {}, role ?? id), make("i", {}, score.toFixed(2)));
  return make("li", { class: role ? "marked" : null, title: `${id}, score ${score.toFixed(3)} of −2 to 2` }, open, use, caption);
}

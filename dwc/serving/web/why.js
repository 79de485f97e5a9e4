/** Why a search found what it found: what each word does, and where it looks. */

import { explain, isStale, newest } from "./api.js";
import { announce, byId, make, note, percent, signed } from "./dom.js";
import { HEAT, REWRITTEN, aboveEven, draw, extremes, fullColour, peak, stretched } from "./overlay.js";
import { sourceOf } from "./uploads.js";

const NEARLY_EVEN = 1.25; // times even: below it nothing stands out

const opener = byId("why-open");
const fetchExplanation = newest(explain);
const shown = { found: null, word: 0, view: "looks", full: 1 };
let open = false;
let query = null; // { question, reference } of the results in sight

/** Make the section open and close, and its words and views be chosen. */
export function prepareWhy() {
  opener.addEventListener("click", () => {
    open = !open;
    opener.setAttribute("aria-expanded", `${open}`);
    byId("why").hidden = !open;
    if (open) load();
  });
  byId("why-views").addEventListener("change", ({ target }) => {
    shown.view = target.value;
    showMap();
  });
}

/** Tell of which results an explanation may be asked; it is fetched now where the section is open. */
export function explainable(question, reference) {
  query = { question, reference };
  opener.hidden = false;
  if (open) load();
}

/** Nothing can be explained at present. */
export function notExplainable() {
  query = null;
  fetchExplanation.drop();
  opener.hidden = true;
  byId("why").hidden = true;
}

async function load() {
  byId("why").hidden = false;
  byId("why-body").hidden = true;
  byId("why-state").replaceChildren(make("p", { class: "waiting" }, "Asking again without each word …"));
  const asked = query;
  try {
    const found = await fetchExplanation(asked.question);
    Object.assign(shown, { found, full: fullColour(looking(found)) });
    byId("why-state").replaceChildren();
    byId("why-picture").src = sourceOf(asked.reference);
    byId("why-body").hidden = false;
    showWords();
    byId("why-views").hidden = !found.grid;
    select(strongest(found.words));
    announce("The explanation is shown.");
  } catch (error) {
    if (!isStale(error)) byId("why-state").replaceChildren(note("error", error.message, "Try again", load));
  }
}

const looking = ({ words }) => words.map((word) => word.looked_at).filter(Boolean);

/** The word that changes the query most. */
function strongest(words) {
  const changes = words.map((word) => word.change);
  return changes.indexOf(Math.max(...changes));
}

function showWords() {
  const { words } = shown.found;
  const scores = words.map((word) => word.score);
  const low = Math.min(0, ...scores);
  const span = Math.max(0, ...scores) - low || 1;
  const rows = words.map((word, place) => {
    const bar = make("i", { class: word.score < 0 ? "against" : "for" });
    bar.style.setProperty("--from", (Math.min(word.score, 0) - low) / span);
    bar.style.setProperty("--long", Math.abs(word.score) / span);
    const axis = make("i", { class: "axis" });
    axis.style.setProperty("--from", -low / span);
    const name = make("span", { class: "word" }, word.text, word.known ? "" : make("small", {}, "unknown to the CNN"));
    const track = make("span", { class: "track", "aria-hidden": "true" }, bar, axis);
    const value = make("span", { class: "value" }, signed(word.score));
    const attributes = { type: "button", "aria-pressed": "false", click: () => select(place) };
    return make("li", {}, make("button", attributes, name, track, value));
  });
  byId("why-words").replaceChildren(...rows);
}

function select(place) {
  shown.word = place;
  const buttons = byId("why-words").querySelectorAll("button");
  buttons.forEach((button, at) => button.setAttribute("aria-pressed", `${at === place}`));
  if (shown.view === "rewritten") {
    shown.view = "looks";
    byId("why-views").querySelector("input").checked = true;
  }
  byId("why-word").textContent = effect(shown.found.words[place]);
  showMap();
}

function effect({ text, score, score_cnn, score_clip, change }) {
  const verb = score < 0 ? "raise" : "lower";
  return (
    `Leaving out “${text}” would ${verb} the first picture’s score by ${Math.abs(score).toFixed(2)} ` +
    `(the word gives it ${signed(score_cnn)} in the CNN stream, ${signed(score_clip)} in the CLIP stream) and change ` +
    `the query by ${percent(change)}.`
  );
}

function showMap() {
  const [strength, colour, text] = mapOf(shown.found);
  draw(byId("why-map"), strength, colour);
  byId("why-map").setAttribute("aria-label", text);
  byId("why-picture").classList.toggle("pale", strength !== null);
  byId("why-caption").textContent = text;
}

/** Strengths, colour and words of the view that is chosen. */
function mapOf({ grid, words, rewritten }) {
  const { text, looked_at, attended } = words[shown.word];
  if (!grid) return [null, HEAT, "This model does not compare words with regions. The bars hold all the same."];
  if (shown.view === "rewritten") return rewrittenMap(rewritten);
  if (!looked_at) return [null, HEAT, `The CNN stream does not read “${text}”, so it looks nowhere.`];
  return shown.view === "looks" ? lookedMap(text, looked_at) : attendedMap(text, attended, words);
}

function lookedMap(text, map) {
  const most = `${peak(map).toFixed(1)} times an even share`;
  const even = Math.max(...looking(shown.found).map(peak)) < NEARLY_EVEN;
  const told = even
    ? `No word prefers any region here (at most ${most}): the bars tell more.`
    : `Orange: where “${text}” looks more than it would if it looked everywhere alike, at most ${most}.`;
  return [aboveEven(map, shown.full), HEAT, told];
}

function attendedMap(text, map, words) {
  const most = Math.max(...words.flatMap((word) => word.attended?.flat() ?? []));
  const [low, high] = extremes(map);
  const told =
    `The stronger the orange, the more a region heeds “${text}”: ` +
    `${percent(low)} to ${percent(high)} of its attention to the whole text.`;
  return [map.map((row) => row.map((share) => share / (most || 1))), HEAT, told];
}

function rewrittenMap(map) {
  const [low, high] = extremes(map);
  const told = `Violet: how much of a region’s features comes from the text, ${percent(low)} (pale) to ${percent(high)} (full).`;
  return [stretched(map), REWRITTEN, told];
}

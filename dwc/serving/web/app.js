/** The search page: what the user does becomes a state (state.js), and every state is shown in one way. */

import { getModel, isStale, newest, search } from "./api.js";
import { announce, byId, counted, make, note, thousands } from "./dom.js";
import { markChosen, openGallery, prepareGallery } from "./gallery.js";
import { closeLook, prepareLook } from "./look.js";
import { prepareReference, showReference } from "./reference.js";
import { showAnswer, showProblem, showSearching } from "./results.js";
import { address, asked, begun, continued, current, picking, read, returned, weighed } from "./state.js";
import { picture } from "./tiles.js";
import { showTrail } from "./trail.js";
import * as uploads from "./uploads.js";
import { prepareWeight, showAsked, showUsed } from "./weight.js";
import { explainable, notExplainable, prepareWhy } from "./why.js";

const FIRST = 24; // results; further ones come in as many
const MOST = 200; // as the server gives
const KEPT = 60; // answers, for going back

const field = byId("text");
const ask = newest(search);
const answers = new Map();
let model = null;
let wanted = FIRST;
let trail = read(history.state, location.search);
let drawnText = "";

async function start() {
  byId("notices").replaceChildren();
  try {
    showModel(await getModel());
  } catch (error) {
    byId("notices").replaceChildren(note("error", error.message, "Try again", start));
    return;
  }
  openGallery(model.categories);
  render();
}

/** Go to a state: a new entry of the browser's history, or in place of the present one. */
function go(next, { replace = false } = {}) {
  trail = next;
  wanted = FIRST;
  byId("notices").replaceChildren();
  history[replace ? "replaceState" : "pushState"](next, "", address(next));
  render();
}

function render() {
  const round = current(trail);
  const found = shownRound();
  closeLook();
  showReference(round.reference);
  showRound(round);
  showTrail(trail, (at) => go(returned(trail, at)));
  showAsked(round.weight, round.text !== "" && found === trail.at);
  byId("gallery").hidden = found !== null;
  byId("results").hidden = found === null;
  if (found === null) showChoosing(round);
  else find(found);
}

function showRound({ reference, text, category }) {
  if (text !== drawnText) field.value = drawnText = text;
  complain(null);
  byId("category").value = category ?? "";
  byId("choose").textContent = trail.picking ? "Back to the results" : "Gallery";
  byId("choose").hidden = shownRound() === null && !trail.picking;
  const name = reference ? uploads.nameOf(reference) : null;
  document.title = [name, text, `Search ${model.dataset}`].filter(Boolean).join(" · ");
}

/** The round whose results are in sight: the present one, or the one before until it has a text; null = none. */
function shownRound() {
  if (trail.picking || uploads.isLost(current(trail).reference)) return null;
  const at = current(trail).reference && current(trail).text ? trail.at : trail.at - 1;
  return at >= 0 && !uploads.isLost(trail.rounds[at].reference) ? at : null;
}

function showChoosing({ reference }) {
  ask.drop();
  notExplainable();
  markChosen(reference?.image ?? null);
  if (uploads.isLost(reference)) {
    tell(`“${reference.name}” was not kept when the page was loaded again. Choose it once more.`);
  }
}

async function find(at) {
  const round = trail.rounds[at];
  const key = JSON.stringify([round, wanted]);
  const { reference, text, weight, category } = round;
  const question = { ...uploads.asked(reference), text, k: wanted, image_weight: weight, category };
  byId("results-title").textContent = at === trail.at ? "Found" : `Found in round ${at + 1}`;
  ask.drop();
  try {
    if (!answers.has(key)) {
      showSearching();
      announce("Searching");
      await remember(key, await ask(question));
    }
    showFound(at, answers.get(key), question);
  } catch (error) {
    if (isStale(error)) return;
    notExplainable();
    showProblem(error.message, () => find(at));
  }
}

async function remember(key, answer) {
  if (`${answer.model_version}` !== `${model.version}`) await replaced();
  if (answers.size >= KEPT) answers.delete(answers.keys().next().value);
  answers.set(key, { ...answer, asked: wanted });
}

/** Another model has begun to answer: what the one before found is not to be mixed with what it finds. */
async function replaced() {
  const before = model.version;
  showModel(await getModel());
  answers.clear();
  tell(`Model version ${model.version} has taken the place of version ${before}: what was found may differ.`);
}

function showFound(at, answer, question) {
  if (at !== shownRound()) return; // another state has come since
  const round = trail.rounds[at];
  const next = trail.rounds[at + 1]?.reference.image ?? null;
  showAnswer(answer, round, { images: model.images, next, onUse: (image) => useNext(at, image) });
  if (at === trail.at) {
    showUsed(answer, round.weight);
    announce(`${counted(answer.results.length, "picture")} found. Best: ${answer.results[0]?.id ?? "none"}.`);
  }
  if (at === trail.at && answer.results.length) {
    explainable(question, round.reference);
  } else notExplainable();
}

function useNext(at, image) {
  go(continued(trail, at, image));
  scrollTo({ top: 0 });
  field.focus({ preventScroll: true });
  announce(`${image} is the reference now. Say what should be different.`);
}

/** Take a picture of the gallery, or an own one, to start from. What is written already stays, to be changed. */
function choose(reference) {
  const draft = field.value;
  go(begun(trail, reference));
  field.value = draft;
  scrollTo({ top: 0 });
  field.focus({ preventScroll: true });
  field.select();
  announce(`${uploads.nameOf(reference)} is the reference. Say what should be different.`);
}

async function chooseFile(file) {
  try {
    choose(await uploads.take(file));
  } catch (error) {
    tell(error.message, "error");
  }
}

function submit(event) {
  event.preventDefault();
  const { reference } = current(trail);
  const text = field.value.trim().replace(/\s+/g, " ");
  if (!reference || uploads.isLost(reference)) return complain("Choose a picture to start from first.");
  if (!text) return complain("Say how what you want differs from the picture, such as “in red”.");
  const next = asked(trail, text, byId("category").value || null);
  go(next, { replace: next.rounds === trail.rounds && !trail.picking });
  if (matchMedia("(max-width: 55rem)").matches) showBelow(byId("results-title"));
}

/** On a phone results are below the form: go there, which also puts the keys away. */
function showBelow(title) {
  title.focus({ preventScroll: true });
  title.scrollIntoView({ block: "start" });
}

/** Say beside the field what is missing; null = nothing. */
function complain(text) {
  byId("text-help").textContent = text ?? "";
  byId("text-help").hidden = !text;
  field.toggleAttribute("aria-invalid", Boolean(text));
  if (!text) return;
  announce(text);
  field.focus();
}

function tell(text, kind = "") {
  const notices = byId("notices");
  notices.replaceChildren(note(kind, text, "Understood", () => notices.replaceChildren()));
}

function showModel(found) {
  model = found;
  byId("dataset").textContent = model.dataset;
  byId("about").textContent = `${counted(model.images, "picture")} · model version ${model.version}`;
  byId("about").title = `${model.name}, index ${model.index.kind}, recall@10 ${model.index.recall_at_10}`;
  const options = model.categories.map((name) => make("option", { value: name }, name));
  byId("category").replaceChildren(make("option", { value: "" }, `all ${thousands(model.images)} pictures`), ...options);
  byId("within").hidden = model.categories.length < 2;
  showExample(model.example);
}

function showExample(example) {
  byId("example").hidden = !example;
  if (!example) return;
  const said = make("span", {}, make("small", {}, "For example, this one, but"), make("b", {}, `“${example.text}”`));
  const shown = picture(uploads.sourceOf({ image: example.id }), example.id, { alt: "" });
  byId("example").replaceChildren(shown, said, make("span", { class: "try" }, "Try it"));
  byId("example").onclick = () => go(asked(begun(trail, { image: example.id }), example.text, null));
}

byId("query").addEventListener("submit", submit);
byId("category").addEventListener("change", () => current(trail).text && byId("query").requestSubmit());
byId("choose").addEventListener("click", () => go(trail.picking ? returned(trail, trail.at) : picking(trail)));
byId("results-more").addEventListener("click", () => {
  wanted = Math.min(MOST, wanted + FIRST);
  find(shownRound());
});
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("query").requestSubmit();
});
addEventListener("popstate", ({ state }) => {
  trail = read(state, location.search);
  wanted = FIRST;
  if (model) render();
});
prepareGallery((image) => choose({ image }));
prepareReference(chooseFile);
prepareWeight((weight) => go(weighed(trail, weight), { replace: true }));
prepareLook();
prepareWhy();
start();

/** The slider between text and picture: what the model gives, and what the user asks for instead. */

import { byId, percent, settled } from "./dom.js";

const WAIT = 200; // milliseconds without a move before it is searched again

const slider = byId("weight-slider");
const mark = byId("weight-mark");
const moved = settled((weight) => ask(weight), WAIT);
let ask = () => {};

/** Make the slider call `onAsk(weight)` when it has come to rest, and with null when the model is to judge. */
export function prepareWeight(onAsk) {
  ask = onAsk;
  slider.addEventListener("input", () => {
    say(slider.valueAsNumber, true);
    moved(slider.valueAsNumber);
  });
  byId("weight-reset").addEventListener("click", () => {
    moved.cancel();
    slider.focus(); // the button goes
    ask(null);
  });
}

/** Show what a round asks for, before it is answered. weight: null = the model judges; searched: or not yet. */
export function showAsked(weight, searched) {
  moved.cancel(); // a move that has not come to rest belonged to what was shown before
  if (!searched) byId("weight").hidden = true;
  if (weight === null) return; // until it is answered, what was shown before stays
  slider.value = weight;
  say(weight, true);
}

/** Show what an answer used, and where the model's own weight lies. */
export function showUsed(answer, weight) {
  byId("weight").hidden = false;
  mark.style.setProperty("--at", answer.learned_image_weight);
  mark.dataset.label = `model ${percent(answer.learned_image_weight)}`;
  byId("weight-streams").textContent = streams(answer, weight);
  if (moved.pending()) return; // the user's hand is on it
  slider.value = answer.image_weight;
  say(answer.image_weight, weight !== null);
}

function say(weight, isOwn) {
  const shares = `${percent(weight)} picture, ${percent(1 - weight)} text`;
  byId("weight-value").textContent = isOwn ? `Yours: ${shares}` : `The model’s: ${shares}`;
  slider.setAttribute("aria-valuetext", shares);
  byId("weight-reset").hidden = !isOwn;
}

function streams({ image_weight_cnn, image_weight_clip }, weight) {
  if (weight !== null) return "Both streams of the model take your weight.";
  return `Mean of its two streams: CNN ${percent(image_weight_cnn)}, CLIP ${percent(image_weight_clip)} picture.`;
}

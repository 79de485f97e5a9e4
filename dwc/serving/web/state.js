/**
 * Where a search stands, as plain values: kept in the browser's history, and in the address where they can be.
 *
 * What a round starts from: a picture of the gallery, or one of the user's own that only this page knows.
 * @typedef {{image: string} | {upload: string, name: string}} Reference
 *
 * A round. text: empty before it is searched; weight: 0 (only the text) to 1 (only the picture), null = as the
 * model judges; category: null = the whole gallery.
 * @typedef {{reference: ?Reference, text: string, weight: ?number, category: ?string}} Round
 *
 * at: the round that is shown; picking: whether the gallery is shown, to begin with another picture.
 * @typedef {{rounds: Round[], at: number, picking: boolean}} Trail
 */

const NOTHING = { reference: null, text: "", weight: null, category: null };

/** @returns {Round} */
export const current = (trail) => trail.rounds[trail.at];

/** A new trail from a picture. The category stays. */
export function begun(trail, reference) {
  const round = { ...NOTHING, reference, category: current(trail).category };
  return { rounds: [round], at: 0, picking: false };
}

/** The round with this text. A changed question is weighed by the model again, and ends the trail here. */
export function asked(trail, text, category) {
  const before = current(trail);
  if (before.text === text && before.category === category) return { ...trail, picking: false };
  const round = { ...before, text, category, weight: null };
  return { rounds: [...trail.rounds.slice(0, trail.at), round], at: trail.at, picking: false };
}

/** The round with another image weight; what followed from it stays. */
export function weighed(trail, weight) {
  return { ...trail, rounds: trail.rounds.with(trail.at, { ...current(trail), weight }) };
}

/** A further round from an image that round `from` found. */
export function continued(trail, from, image) {
  const rounds = trail.rounds.slice(0, from + 1);
  const round = { ...NOTHING, reference: { image }, category: rounds[from].category };
  return { rounds: [...rounds, round], at: from + 1, picking: false };
}

/** Back, or forth, to a round. */
export const returned = (trail, at) => ({ ...trail, at, picking: false });

/** With the gallery shown. */
export const picking = (trail) => ({ ...trail, picking: true });

/** The trail of the browser's history, or else the one round that the address tells. */
export function read(kept, query) {
  if (Array.isArray(kept?.rounds) && kept.rounds[kept.at]) return kept;
  const given = new URLSearchParams(query);
  const weight = given.has("weight") ? Number(given.get("weight")) : NaN;
  const round = {
    reference: given.get("image") ? { image: given.get("image") } : null,
    text: given.get("text") ?? "",
    weight: weight >= 0 && weight <= 1 ? weight : null,
    category: given.get("category") || null,
  };
  return { rounds: [round], at: 0, picking: false };
}

/** The shown round's address; a picture of the user's own cannot stand in it. */
export function address(trail) {
  const { reference, text, weight, category } = current(trail);
  const given = Object.entries({ image: reference?.image, text, weight: weight?.toString(), category });
  const query = new URLSearchParams(given.filter(([, value]) => value)).toString();
  return query ? `?${query}` : "./";
}

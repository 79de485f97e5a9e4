/** The server's HTTP interface. Addresses are relative, so that the page also works below a proxy's path. */

const PATIENCE = 60_000; // milliseconds; a search takes far less than a second
const GONE = "The server does not answer. See whether `dwc serve` is still running, then try again.";
const SLOW = "The server has not answered for a minute. Try again.";

/** What went wrong, in a sentence for the reader; status: of the answer, 0 where there was none. */
export class AskError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Name, version, categories and size of what answers. */
export const getModel = () => ask("api/model");

/** A part of the gallery; parameters without a value are left out. */
export function getImages(parameters, signal) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== "");
  return ask(`api/images?${new URLSearchParams(given)}`, { signal });
}

/** Where the picture of a gallery image is. */
export const pictureAddress = (image) => `api/images/${encodeURIComponent(image)}/picture`;

/** Rank the gallery for a question. */
export const search = (question, signal) => post("api/search", question, signal);

/** Why a question finds what it finds. */
export const explain = (question, signal) => post("api/explain", question, signal);

/** `call(…, signal)` of which only the newest counts: older ones are given up, and are rejected as `isStale`. */
export function newest(call) {
  let running = null;
  const ask = async (...values) => {
    ask.drop();
    const mine = (running = new AbortController());
    const answer = await call(...values, mine.signal);
    mine.signal.throwIfAborted();
    return answer;
  };
  ask.drop = () => running?.abort();
  return ask;
}

/** Whether an error only says that a newer call took this one's place. */
export const isStale = (error) => error.name === "AbortError";

function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

async function ask(path, { signal = null, ...options } = {}) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new AskError(SLOW)), PATIENCE);
  const giveUp = () => limit.abort(signal.reason);
  signal?.addEventListener("abort", giveUp);
  try {
    const response = await fetch(path, { ...options, signal: limit.signal });
    if (!response.ok) throw new AskError(await complaint(response), response.status);
    return await response.json();
  } catch (error) {
    if (error instanceof AskError || isStale(error)) throw error;
    throw new AskError(GONE);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}

/** The server's own sentence; of a list of wrong fields the first, with its name. */
async function complaint(response) {
  let detail = null;
  try {
    detail = (await response.json()).detail;
  } catch {
    // A proxy in between answers in its own words.
  }
  if (Array.isArray(detail)) return `${detail[0].loc[1] ?? detail[0].loc[0]}: ${detail[0].msg}`;
  return detail || `The server answered ${response.status} ${response.statusText}.`;
}

/** Small tools for the page's elements and for how figures are written. */

/** Element of index.html by its id. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element #${id}`);
  return found;
}

/**
 * New element. Attributes are set as in HTML (true = without a value; false and null are left out), functions
 * listen to the event of that name; children are elements or texts.
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Say something to those who hear the page. */
export function announce(text) {
  byId("status").textContent = text;
}

/** What stands in a place while nothing else can: what is wrong or missing, and perhaps a way on. */
export function note(kind, text, label = null, act = null) {
  const paragraph = make("p", {}, text);
  const button = label ? [make("button", { type: "button", class: "quiet", click: act }, label)] : [];
  return make("div", { class: `note ${kind}`, role: kind === "error" ? "alert" : null }, paragraph, ...button);
}

/** Call `act` with the newest arguments once nothing has asked for `wait` milliseconds. */
export function settled(act, wait) {
  let timer = 0;
  const later = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      act(...values);
    }, wait);
  };
  later.pending = () => timer !== 0;
  later.cancel = () => {
    clearTimeout(timer);
    timer = 0;
  };
  return later;
}

export const percent = (share) => `${Math.round(100 * share)} %`;
export const thousands = (number) => number.toLocaleString("en-US");
/** With its sign and two decimals; what rounds to nothing has no sign. */
export function signed(number) {
  const size = Math.abs(number).toFixed(2);
  return size === "0.00" ? size : `${number < 0 ? "−" : "+"}${size}`;
}
export const counted = (number, noun) => `${thousands(number)} ${noun}${number === 1 ? "" : "s"}`;

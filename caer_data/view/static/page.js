// Helpers for all parts of the page: elements, requests, sentences.

export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(made.style, value); // set by script: allowed by the policy
    else if (value === true) made.setAttribute(name, "");
    else made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

export async function ask(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  return read(answer);
}

export async function tell(path, values) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(values),
  });
  return read(answer);
}

async function read(answer) {
  let values;
  try {
    values = await answer.json();
  } catch {
    throw new Error("The server does not answer. Is caer-data view still running?");
  }
  if (!answer.ok) throw new Error(values.error);
  return values;
}

let silence = 0;

export function say(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => (place.textContent = ""), 7000);
}

// Show an error instead of leaving a rejection unhandled.
export function guarded(action) {
  return async (...values) => {
    try {
      return await action(...values);
    } catch (error) {
      say(error.message);
      return undefined;
    }
  };
}

export const name = (id) => encodeURIComponent(id);

export const counted = (n, noun) => `${number(n)} ${noun}${n === 1 ? "" : "s"}`;

export function number(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  return Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(digits);
}

export function length(seconds) {
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
}

export function who() {
  return document.getElementById("who").value.trim();
}

// A picture whose frame stays empty if there is no picture.
export function picture(source, properties = {}) {
  return el("img", { src: source, loading: "lazy", decoding: "async", alt: "", ...properties,
    onerror: (event) => event.target.remove() });
}

// A table that scrolls if it is wider than the page.
export function table(titles, rows) {
  const head = titles.map((title) => el(title ? "th" : "td", {}, title));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)));
}

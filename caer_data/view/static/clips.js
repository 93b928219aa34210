// Clips: filters with counts, and a list of which only the visible part is rendered.

import { decisionsOfAll } from "./decide.js";
import { ask, counted, el, guarded, length, name, number, picture } from "./page.js";

const TITLES = {
  show: "Show", video_id: "Video", person_id: "Person", status: "Status", reason: "Reason",
  emotion: "Emotion", pattern: "Votes", split: "Split", verdict: "Model", predicted: "Model says",
  decision: "Decision", voice: "Voice", speaker: "Speaker",
};
const NUMBERS = {
  seconds: "length, s", face_height: "face height", coverage: "coverage", dominance: "dominance",
  sharpness: "sharpness", brightness: "brightness", speech: "speech", agreement: "agreement", confidence: "confidence",
  model_error: "model error",
};
const PAGE = 120;
const CARD = { width: 210, height: 172 };

// The filters are kept while another part of the page is shown.
const chosen = new URLSearchParams();

let list = null;
let numbers = []; // columns that have values
let names = {}; // what persons are called, by identifier
let ready = Promise.resolve();

export async function showClips(main, asked) {
  if (asked) {
    [...chosen.keys()].forEach((key) => chosen.delete(key));
    new URLSearchParams(asked).forEach((value, key) => chosen.append(key, value));
  }
  const filters = el("form", { class: "filters", "aria-label": "Filters" });
  const count = el("p", { class: "note", role: "status" });
  const all = el("div", {});
  const sort = el("span", {});
  list = new List();
  const again = guarded(async () => {
    const [facets] = await Promise.all([ask(`api/facets?${chosen}`), list.load(), ready]);
    if (!sort.hasChildNodes()) sort.append(sortBy(again));
    drawFilters(filters, facets, again);
    count.textContent = counted(list.total, "clip");
    all.replaceChildren(chosen.size ? decisionsOfAll(() => `${chosen}`, list.total, again) : "");
  });
  main.append(
    el("div", { class: "clips" },
      el("details", { class: "all", open: matchMedia("(min-width: 50rem)").matches },
        el("summary", {}, "Filters"), filters),
      el("section", { "aria-label": "Clips" },
        el("div", { class: "bar" }, count, sort, search(again)), all,
        list.element)));
  await again();
}

// Called once, before the first list, with the dataset's scores and names of persons.
export function known(asked) {
  ready = asked.then((overview) => {
    numbers = Object.entries(NUMBERS).filter(([column]) => overview.numbers.includes(column));
    names = overview.names;
  }, () => {}); // who asked says what went wrong
}

// The clip at a given offset from another in the list; undefined beyond its ends.
export async function neighbour(id, by) {
  for (const [page, clips] of list?.pages ?? []) {
    const at = clips?.findIndex((clip) => clip.clip_id === id) ?? -1;
    if (at < 0) continue;
    const place = page * PAGE + at + by;
    if (place < 0 || place >= list.total) return undefined;
    const other = Math.floor(place / PAGE);
    if (!list.pages.get(other)) await list.fetch(other);
    return list.pages.get(other)[place % PAGE].clip_id;
  }
  return undefined;
}

function sortBy(again) {
  const options = [el("option", { value: "" }, "order of the videos")];
  for (const [value, title] of numbers) {
    options.push(el("option", { value: `-${value}` }, `${title}, highest first`));
    options.push(el("option", { value }, `${title}, lowest first`));
  }
  const select = el("select", { "aria-label": "Sort by", onchange: () => {
    chosen.set("sort", select.value);
    again();
  } }, options);
  select.value = chosen.get("sort") ?? "";
  return select;
}

function search(again) {
  const input = el("input", { type: "search", placeholder: "part of a clip's name",
    "aria-label": "Search by name", value: chosen.get("text") ?? "", onchange: () => {
      chosen.delete("text");
      if (input.value) chosen.set("text", input.value);
      again();
    } });
  return input;
}

function drawFilters(form, facets, again) {
  const open = new Set([...form.querySelectorAll("details[open]")].map((part) => part.dataset.name));
  const first = !form.hasChildNodes();
  const parts = Object.entries(facets).map(([facet, words]) => {
    const on = chosen.getAll(facet);
    const isOpen = first ? ["status", "reason", "show", "emotion", "verdict"].includes(facet) : open.has(facet);
    return el("details", { "data-name": facet, open: isOpen || on.length > 0 },
      el("summary", {}, TITLES[facet] + (on.length ? ` (${on.length})` : "")),
      el("ul", {}, words.filter(([word, n]) => n || on.includes(word)).map(([word, n]) =>
        el("li", {}, el("label", {},
          el("input", { type: "checkbox", checked: on.includes(word), onchange: (event) => {
            chosen.delete(facet);
            const kept = event.target.checked ? [...on, word] : on.filter((w) => w !== word);
            kept.forEach((w) => chosen.append(facet, w));
            again();
          } }),
          el("span", {}, names[word] ? `${names[word]} (${word})` : word), el("b", {}, number(n)))))));
  });
  const limits = numbers.map(([column, title]) => limitsOf(column, title, again));
  const reset = el("button", { type: "button", onclick: () => {
    [...chosen.keys()].forEach((key) => chosen.delete(key));
    again();
  } }, "Clear all filters");
  form.replaceChildren(...parts,
    el("details", { "data-name": "limits", open: open.has("limits") },
      el("summary", {}, "Scores between"), limits,
      el("p", { class: "note" }, "To see what other limits would change before you change the recipe: ",
        el("code", {}, "caer-data inspect --try filter.min_face_height=0.08"))), reset);
}

function limitsOf(column, title, again) {
  const [low, high] = (chosen.get(column) ?? "..").split("..");
  const change = () => {
    chosen.delete(column);
    if (from.value || to.value) chosen.set(column, `${from.value}..${to.value}`);
    again();
  };
  const field = (value, which) => el("input", { type: "number", step: "any", value,
    "aria-label": `${title}, ${which}`, onchange: change });
  const from = field(low, "at least");
  const to = field(high, "at most");
  return el("div", { class: "limits" }, el("span", {}, title), from, to);
}

// Cards of only the visible rows, in a box as high as all rows.
class List {
  constructor() {
    this.total = 0;
    this.pages = new Map();
    this.cards = new Map();
    this.version = 0;
    this.spacer = el("div", { class: "spacer" });
    this.element = el("div", { class: "window", tabindex: "0", role: "region",
      "aria-label": "List of clips" }, this.spacer);
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.relayout()).observe(this.element);
  }

  async load() {
    const version = ++this.version;
    this.pages = new Map();
    const answer = await ask(`api/clips?${chosen}&from=0&count=${PAGE}`);
    if (version !== this.version) return;
    this.total = answer.total;
    this.pages.set(0, answer.clips);
    this.element.scrollTop = 0;
    this.relayout();
  }

  relayout() {
    const width = this.element.clientWidth;
    this.columns = Math.max(1, Math.floor(width / CARD.width));
    this.width = Math.floor(width / this.columns);
    this.height = Math.round(CARD.height + (this.width - CARD.width) * 0.5625);
    this.spacer.style.height = `${Math.ceil(this.total / this.columns) * this.height}px`;
    for (const card of this.cards.values()) card.remove();
    this.cards.clear();
    this.draw();
  }

  draw() {
    const top = Math.floor(this.element.scrollTop / this.height) - 1;
    const rows = Math.ceil(this.element.clientHeight / this.height) + 2;
    const first = Math.max(0, top * this.columns);
    const last = Math.min(this.total, (top + rows) * this.columns);
    for (const [place, card] of this.cards) {
      if (place < first || place >= last) {
        card.remove();
        this.cards.delete(place);
      }
    }
    for (let place = first; place < last; place++) {
      const page = this.pages.get(Math.floor(place / PAGE));
      if (page === undefined) this.fetch(Math.floor(place / PAGE));
      else if (page && !this.cards.has(place)) this.add(place, page[place % PAGE]);
    }
  }

  async fetch(page) {
    const version = this.version;
    this.pages.set(page, null); // asked for
    const answer = await ask(`api/clips?${chosen}&from=${page * PAGE}&count=${PAGE}`);
    if (version !== this.version) return;
    this.pages.set(page, answer.clips);
    this.draw();
  }

  add(place, clip) {
    if (!clip) return;
    const card = el("button", { class: "card", type: "button",
      style: { left: `${(place % this.columns) * this.width}px`,
        top: `${Math.floor(place / this.columns) * this.height}px`,
        width: `${this.width - 6}px`, height: `${this.height - 6}px` },
      "aria-label": `${clip.clip_id}, ${clip.status}${clip.reason ? `, ${clip.reason}` : ""}`,
      onclick: () => (location.hash = `clip/${name(clip.clip_id)}`) },
    el("div", { class: "picture" },
      picture(`picture/clip/${name(clip.clip_id)}`, { class: "whole" }),
      clip.track_id ? picture(`picture/face/${name(clip.track_id)}`, { class: "face" }) : null,
      el("span", { class: "mark" }, clip.decision ?? clip.emotion ?? clip.reason ?? clip.status)),
    el("div", { class: "name" }, clip.clip_id),
    el("div", { class: "line" }, [length(clip.seconds), clip.status,
      clip.pattern ? `votes ${clip.pattern}` : null, clip.split,
      clip.verdict === "wrong" ? `model: ${clip.predicted}` : null].filter(Boolean).join(" · ")));
    this.cards.set(place, card);
    this.spacer.append(card);
  }
}

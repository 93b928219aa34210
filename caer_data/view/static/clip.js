// One clip: the player with boxes, scores with the recipe's limits, votes, and decisions.

import { decisionsOfClip } from "./decide.js";
import { neighbour } from "./clips.js";
import { ask, el, guarded, length, name, number, picture, table } from "./page.js";

const SVG = "http://www.w3.org/2000/svg";

export async function showClip(id) {
  const clip = await ask(`api/clip/${name(id)}`);
  const dialog = document.getElementById("detail");
  const player = new Player(clip);
  const decide = decisionsOfClip(clip, player, () => showClip(id));
  dialog.replaceChildren(
    el("div", { class: "top" },
      el("h2", { id: "detail-title" }, clip.clip_id),
      step(clip, -1, "Previous"), step(clip, 1, "Next"),
      el("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Close")),
    el("div", { class: "two" },
      el("div", {}, player.element, attention(clip, player), facts(clip), decide),
      el("div", {}, scores(clip), votes(clip), models(clip))));
  if (!dialog.open) dialog.showModal();
}

// The previous or next clip in the filtered and sorted list.
function step(clip, by, title) {
  return el("button", { type: "button", onclick: guarded(async () => {
    const other = await neighbour(clip.clip_id, by);
    if (!other) throw new Error("The list ends here.");
    location.hash = `clip/${name(other)}`;
  }) }, title);
}

class Player {
  constructor(clip) {
    this.clip = clip;
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", "0 0 1 1");
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true");
    this.heat = clip.attention ? heat(clip.attention) : null;
    if (this.heat) this.svg.append(this.heat);
    this.boxes = clip.tracks.map((track) => {
      const rect = document.createElementNS(SVG, "rect");
      if (track.target) rect.setAttribute("class", "target");
      rect.dataset.track = track.track_id;
      this.svg.append(rect);
      return { rect, byFrame: new Map(track.boxes.map(([frame, ...box]) => [frame, box])) };
    });
    this.element = el("div", { class: "player" }, this.view(), this.svg);
  }

  view() {
    const still = picture(`picture/clip/${name(this.clip.clip_id)}`,
      { alt: `A frame of ${this.clip.clip_id}`, loading: "eager" });
    if (!this.clip.has_media) {
      this.draw(Math.floor((this.clip.end_frame - this.clip.start_frame) / 2));
      return still;
    }
    const video = el("video", { controls: true, preload: "auto", playsinline: true,
      src: `media/${name(this.clip.clip_id)}`, poster: still.src,
      "aria-label": `Clip ${this.clip.clip_id}` });
    const follow = () => this.draw(Math.floor(video.currentTime * this.clip.fps + 0.01));
    if (video.requestVideoFrameCallback) {
      const step = (_, shown) => {
        this.draw(Math.floor(shown.mediaTime * this.clip.fps + 0.01));
        video.requestVideoFrameCallback(step);
      };
      video.requestVideoFrameCallback(step);
    }
    video.addEventListener("timeupdate", follow);
    video.addEventListener("seeked", follow);
    video.addEventListener("loadeddata", () => {
      video.removeAttribute("poster"); // it is another frame than the one that the boxes are of
      follow();
    });
    return video;
  }

  draw(frame) {
    this.frame = frame;
    for (const { rect, byFrame } of this.boxes) {
      const box = byFrame.get(frame);
      rect.style.display = box ? "" : "none";
      if (!box) continue;
      const [x1, y1, x2, y2] = box;
      rect.setAttribute("x", x1);
      rect.setAttribute("y", y1);
      rect.setAttribute("width", x2 - x1);
      rect.setAttribute("height", y2 - y1);
    }
  }

  // Call with the track whose box is clicked.
  onChoose(action) {
    this.svg.addEventListener("click", (event) => {
      if (event.target.dataset.track) action(event.target.dataset.track);
    });
  }
}

// Attention as a grid over the model's input; a uniform map would be faint everywhere.
function heat({ map, box }) {
  const [left, top, right, bottom] = box;
  const group = document.createElementNS(SVG, "g");
  group.setAttribute("class", "heat");
  group.style.display = "none";
  const cells = map.length * map[0].length;
  map.forEach((line, y) => line.forEach((share, x) => {
    const cell = document.createElementNS(SVG, "rect");
    const width = (right - left) / line.length;
    const height = (bottom - top) / map.length;
    cell.setAttribute("x", left + x * width);
    cell.setAttribute("y", top + y * height);
    cell.setAttribute("width", width);
    cell.setAttribute("height", height);
    cell.style.fillOpacity = Math.min(0.75, 0.15 * share * cells);
    group.append(cell);
  }));
  return group;
}

function attention(clip, player) {
  return player.heat && el("p", { class: "note" }, el("label", {},
    el("input", { type: "checkbox", onchange: (event) => {
      player.heat.style.display = event.target.checked ? "" : "none";
    } }), ` Attention of ${clip.attention.row}`),
  ": mean over the clip; redder means more. The model does not see the uncoloured edges.");
}

function models(clip) {
  if (!clip.models.length) return null;
  const rows = clip.models.map((one) => el("tr", {}, el("td", {}, one.row),
    el("td", { class: one.predicted === one.label ? "kept" : "dropped" }, one.predicted),
    el("td", {}, number(one.p_label))));
  return el("section", {}, el("h3", {}, "Models"),
    table(["model", "says", `gives ${clip.models[0].label}`], rows));
}

function facts(clip) {
  const state = clip.status === "dropped"
    ? `dropped: ${clip.meaning ?? clip.reason}${clip.why ? ` (${clip.why})` : ""}` : clip.status;
  return el("p", { class: clip.status === "dropped" ? "dropped" : "kept" }, state,
    el("span", { class: "note" }, ` · ${clip.show}, ${clip.episode} · ${length(clip.seconds)} · `,
      el("a", { href: `#videos/${name(clip.video_id)}` }, "its video"), " · key ",
      clip.clip_key ?? "none"));
}

// Why a clip has no value of a score.
function nothing(check, clip) {
  if (check.score === "dominance" && clip.n_people === 1) return "nobody else";
  return check.score === "repeat_score" && clip.status !== "dropped" ? "no repeat" : "not measured";
}

const SIGNS = { ">": "at most", ">=": "less than" };

function scores(clip) {
  const rows = clip.checks.map((check) =>
    el("tr", {}, el("td", {}, check.score), el("td", {}, number(check.value, 3)),
      el("td", { class: "limit" }, `${check.sign === "<" ? "at least" : SIGNS[check.sign]} `,
        number(check.limit, 3)),
      el("td", { class: { true: "kept", false: "dropped" }[check.passed] },
        check.passed === null ? nothing(check, clip) : check.passed ? "passes" : check.reason)));
  return el("section", {}, el("h3", {}, "Scores"),
    table(["score", "here", "recipe", ""], rows));
}

function votes(clip) {
  if (!clip.votes.length) {
    return el("section", {}, el("h3", {}, "Votes"), el("p", { class: "note" }, "Nobody has rated it."));
  }
  const rows = clip.votes.map((vote) => el("tr", {}, el("td", {}, vote.rater),
    el("td", {}, vote.emotion ?? "–"), el("td", {}, number(vote.confidence)),
    el("td", {}, vote.status === "refused" ? `refused: ${vote.reason}` : "")));
  const label = clip.label === "kept" ? clip.emotion
    : `no label${clip.label_reason ? `: ${clip.label_reason}` : ""}`;
  return el("section", {}, el("h3", {}, "Votes"),
    el("p", {}, `${label}`, clip.split ? ` · ${clip.split}` : ""),
    table(["rater", "emotion", "confidence", "remark"], rows));
}

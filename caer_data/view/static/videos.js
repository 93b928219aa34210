// Videos: a list, and one video's shots, clips and tracks on a timeline.

import { decisionsOfCut } from "./decide.js";
import { ask, clock, counted, el, length, name, number, picture, table } from "./page.js";

export async function showVideos(main, id) {
  if (id) return showVideo(main, id);
  const videos = await ask("api/videos");
  const rows = videos.map((video) => el("tr", {},
    el("td", {}, video.shots ? el("a", { href: `#videos/${name(video.video_id)}` }, video.episode)
      : video.episode),
    el("td", {}, video.show), el("td", {}, video.duration_s ? length(video.duration_s) : "–"),
    el("td", {}, number(video.shots)), el("td", {}, `${number(video.kept)} of ${number(video.clips)}`),
    el("td", {}, video.status === "ok" ? "" : `${video.status}${video.reason ? `: ${video.reason}` : ""}`)));
  main.append(el("h2", {}, counted(videos.length, "video")),
    table(["Episode", "Show", "Length", "Shots", "Kept clips", "Remark"], rows));
  return undefined;
}

async function showVideo(main, id) {
  const video = await ask(`api/video/${name(id)}`);
  const line = new Timeline(video);
  main.append(
    el("p", {}, el("a", { href: "#videos" }, "All videos")),
    el("h2", {}, `${video.show}: ${video.episode}`),
    el("p", { class: "note" }, `${length(video.duration_s)}, ${counted(video.shots.length, "shot")}, `,
      `${number(video.clips.filter((c) => c.status !== "dropped").length)} of `,
      `${counted(video.clips.length, "clip")} kept. A line at a shot's left edge is a cut, `,
      "dashed for dissolves and wipes."),
    el("div", { class: "bar" },
      el("label", {}, "Zoom ", el("input", { type: "range", min: "2", max: "200", value: "30",
        oninput: (event) => line.zoom(Number(event.target.value)) })),
      el("span", { class: "note" }, "Choose a shot to see or change its cuts.")),
    line.element, line.decided, line.below);
}

const CUTS = { cut_add: "added", cut_remove: "removed", cut_move: "moved" };

class Timeline {
  constructor(video) {
    this.video = video;
    this.inner = el("div", { class: "inner" });
    this.element = el("div", { class: "timeline", tabindex: "0", role: "region",
      "aria-label": "Timeline" }, this.inner);
    this.below = el("div", {});
    this.decided = el("div", {});
    this.listCuts();
    this.zoom(Math.min(200, Math.max(30, (innerWidth - 60) / video.duration_s)));
  }

  zoom(scale) {
    this.scale = scale; // pixels a second
    this.inner.style.width = `${Math.ceil(this.video.duration_s * scale)}px`;
    this.inner.replaceChildren(this.ruler(), this.shots(), this.cuts(), this.clips(), ...this.tracks());
  }

  place(thing) {
    return { left: `${thing.start_s * this.scale}px`,
      width: `${Math.max(3, (thing.end_s - thing.start_s) * this.scale - 1)}px` };
  }

  ruler() {
    const step = [1, 2, 5, 10, 30, 60, 300].find((s) => s * this.scale >= 70) ?? 600;
    const marks = [];
    for (let at = 0; at < this.video.duration_s; at += step) {
      marks.push(el("span", { style: { left: `${at * this.scale}px` } }, clock(at).replace(".0", "")));
    }
    return el("div", { class: "ruler", "aria-hidden": "true" }, marks);
  }

  shots() {
    return el("div", { class: "lane shots" }, this.video.shots.map((shot) =>
      el("button", { class: `shot ${shot.cut ?? ""}`, type: "button", style: this.place(shot), "aria-pressed": "false",
        "aria-label": `Shot from ${clock(shot.start_s)} to ${clock(shot.end_s)}`,
        title: `${clock(shot.start_s)} to ${clock(shot.end_s)}${begins(shot)}`,
        onclick: (event) => this.choose(shot, event.currentTarget) },
      picture(`picture/shot/${name(shot.shot_id)}`))));
  }

  choose(shot, button) {
    for (const other of this.inner.querySelectorAll(".shot")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true");
    this.below.replaceChildren(
      el("h3", {}, `${shot.shot_id}, frames ${number(shot.start_frame)} to ${number(shot.end_frame - 1)}`),
      el("p", { class: "note" }, `${clock(shot.start_s)} to ${clock(shot.end_s)}`, begins(shot)),
      decisionsOfCut(this.video, shot, async () => {
        this.video = await ask(`api/video/${name(this.video.video_id)}`);
        this.zoom(this.scale);
        this.listCuts();
      }));
  }

  // Cuts decided by hand, at their times; the next build applies them.
  cuts() {
    const marks = this.video.cuts.flatMap((cut) => [[cut.at_s, cut.kind === "cut_add" ? "+" : "−"],
      ...(cut.to_s === null ? [] : [[cut.to_s, "+"]])]);
    return el("div", { class: "lane cuts", "aria-hidden": "true" }, marks.map(([at, sign]) =>
      el("span", { style: { left: `${at * this.scale}px` } }, sign)));
  }

  listCuts() {
    this.decided.replaceChildren(...this.video.cuts.map((cut) => el("p", { class: "kept" },
      `By hand: cut ${CUTS[cut.kind]} at ${clock(cut.at_s)}`,
      cut.to_s === null ? "" : ` to ${clock(cut.to_s)}`, `, ${cut.why} (${cut.who}). `,
      el("a", { href: "#decisions" }, "Decisions"))));
  }

  clips() {
    return el("div", { class: "lane" }, this.video.clips.map((clip) => {
      const kind = clip.status === "dropped" ? "dropped" : "kept";
      const text = clip.emotion ?? clip.reason ?? clip.status;
      return el("button", { class: `clip ${kind}`, type: "button", style: this.place(clip),
        title: `${clip.clip_id}: ${text}`, onclick: () => (location.hash = `clip/${name(clip.clip_id)}`) },
      text);
    }));
  }

  // Tracks side by side: each goes to the first lane that is free.
  tracks() {
    const lanes = [];
    for (const track of this.video.tracks) {
      let lane = lanes.find((one) => one.until <= track.start_s);
      if (!lane) {
        lane = { until: 0, parts: [] };
        lanes.push(lane);
      }
      lane.until = track.end_s;
      const person = (track.person_id ?? "?").split(".").pop().replace(/^p0*/, "p");
      lane.parts.push(el("a", { class: "track", style: { ...this.place(track), background: tint(person) },
        href: track.person_id ? `#persons/${name(track.person_id)}` : "#persons",
        title: `${track.track_id}, ${track.person_id ?? "no person"}` }, person));
    }
    return lanes.map((lane) => el("div", { class: "lane" }, lane.parts));
  }
}

// How a shot begins, and with which score; empty if unknown.
function begins(shot) {
  if (shot.cut === null) return "";
  const score = shot.cut_score === null ? "" : `, score ${shot.cut_score.toFixed(2)}`;
  return `; begins with a ${shot.cut === "by_hand" ? "cut by hand" : shot.cut}${score}`;
}

function tint(person) {
  const hue = [...person].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
  return `hsl(${(hue * 137) % 360} 55% 50% / .3)`; // neighbours in number are far apart in hue
}

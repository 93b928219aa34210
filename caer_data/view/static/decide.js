// Decisions about a clip or a cut; every decision has a name and a reason.

import { counted, el, guarded, number, say, tell, who } from "./page.js";

let lastReason = "";

function reason() {
  return el("input", { class: "why", "aria-label": "Reason", placeholder: "Reason", value: lastReason,
    oninput: (event) => (lastReason = event.target.value) });
}

function checked(why) {
  if (!who()) {
    document.getElementById("detail").close();
    document.getElementById("who").focus();
    throw new Error("Give your name first: it goes with every decision.");
  }
  if (!why.value.trim()) {
    why.focus();
    throw new Error("Give a reason first.");
  }
}

export async function decide(values, why, done) {
  checked(why);
  const { key } = await tell("api/decide", { ...values, who: who(), why: why.value });
  say("Saved. The next build applies this decision; you can undo it under Decisions.");
  await done?.(key);
}

// Keep or drop all clips that match the filters.
export function decisionsOfAll(query, total, again) {
  const why = reason();
  const act = (kind) => guarded(async () => {
    checked(why);
    const { clips } = await tell("api/decide-all",
      { kind, query: query(), who: who(), why: why.value });
    say(`Saved for ${counted(clips, "clip")}. You can undo this in one step under Decisions.`);
    await again();
  });
  const count = el("span", {}, `the ${counted(total, "clip")} found`);
  return el("details", { class: "decide" }, el("summary", {}, "Decide for ", count), why,
    el("div", { class: "row" },
      el("button", { type: "button", onclick: act("keep") }, "Keep all"),
      el("button", { type: "button", onclick: act("drop") }, "Drop all")));
}

export function decisionsOfClip(clip, player, again) {
  const why = reason();
  const act = (values) => guarded(() => decide({ clip: clip.clip_id, ...values }, why, again));
  player.onChoose((track) => act({ kind: "target", track })());
  const others = clip.tracks.filter((track) => !track.target).map((track) =>
    el("button", { type: "button", onclick: act({ kind: "target", track: track.track_id }) },
      `Target: ${(track.person_id ?? track.track_id).split(".").pop()}`));
  const frame = () => clip.start_frame + (player.frame ?? 0);
  return el("section", { class: "decide", "aria-label": "Decide" },
    el("h3", {}, "Decide by hand"),
    clip.decision ? el("p", {}, `Decision: ${clip.decision}. You can undo it under Decisions.`) : null,
    why,
    el("div", { class: "row" },
      el("button", { type: "button", onclick: act({ kind: "keep" }) }, "Keep"),
      el("button", { type: "button", onclick: act({ kind: "drop" }) }, "Drop"), others),
    el("div", { class: "row" },
      el("button", { type: "button", onclick: guarded(() => {
        if (frame() <= clip.start_frame) throw new Error("Play to the first frame of the new shot.");
        return decide({ kind: "cut_add", video: clip.video_id, frame: frame() }, why, again);
      }) }, "Add a cut at the frame shown")),
    el("p", { class: "note" }, "A click on a box makes that face the target."));
}

export function decisionsOfCut(video, shot, again) {
  const why = reason();
  const about = { video: video.video_id, frame: shot.start_frame };
  const to = el("input", { type: "number", min: "1", max: String(video.frames - 1),
    value: String(shot.start_frame), "aria-label": "First frame of the new shot" });
  const first = shot.start_frame === 0;
  return el("section", { class: "decide", "aria-label": "Cut" },
    el("p", {}, first ? "The video begins here: there is no cut to change."
      : `The cut before this shot, at frame ${number(shot.start_frame)}:`), why,
    el("div", { class: "row" },
      el("button", { type: "button", disabled: first, onclick: guarded(() =>
        decide({ kind: "cut_remove", ...about }, why, again)) }, "Remove the cut"),
      el("button", { type: "button", disabled: first, onclick: guarded(() =>
        decide({ kind: "cut_move", ...about, to: Number(to.value) }, why, again)) },
      "Move it to frame"),
      el("button", { type: "button", onclick: guarded(() =>
        decide({ kind: "cut_add", video: video.video_id, frame: Number(to.value) }, why, again)) },
      "Add a cut at frame"), to));
}

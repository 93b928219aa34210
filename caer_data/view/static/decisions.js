// All decisions, newest first, with undo.

import { ask, el, counted, guarded, number, say, table, tell, who } from "./page.js";

const WORDS = {
  keep: "keep a clip", drop: "drop a clip", target: "another target", merge: "persons are one",
  split: "faces of somebody else", name: "name of a person", cut_add: "cut added",
  cut_remove: "cut removed", cut_move: "cut moved", forget: "forget", undo: "undo",
};

export async function showDecisions(main) {
  const rows = await ask("api/decisions");
  const again = () => {
    main.replaceChildren();
    return showDecisions(main);
  };
  main.append(el("h2", {}, `${counted(rows.filter((row) => row.stands).length, "decision")} in effect`),
    el("p", { class: "note" }, "Each is stored with its author, time and reason in decisions/decisions.jsonl of the ",
      "dataset. 'caer-data build' applies them. Undone decisions stay listed."));
  if (!rows.length) return;
  const lines = grouped(rows).map((group) => line(group, again));
  main.append(table(["What", "Reason", "Who", "When", "Undo"], lines));
}

// Rows decided in one step: they differ only in their subject, and are less than a minute apart.
function grouped(rows) {
  const groups = [];
  for (const row of rows) {
    const last = groups.at(-1)?.[0];
    const alike = last && ["kind", "who", "why", "stands"].every((of) => last[of] === row[of])
      && ["keep", "drop", "undo"].includes(row.kind)
      && Math.abs(Date.parse(last.when) - Date.parse(row.when)) < 60000;
    if (alike) groups.at(-1).push(row);
    else groups.push([row]);
  }
  return groups;
}

function line(group, again) {
  const row = group[0];
  const undo = guarded(async () => {
    if (!who()) {
      document.getElementById("who").focus();
      throw new Error("Give your name first: it goes with every decision.");
    }
    await tell("api/undo-all",
      { keys: group.map((one) => one.key), who: who(), why: "undone on the page" });
    say("Undone.");
    await again();
  });
  const times = group.length > 1 ? ` (${number(group.length)} times)` : "";
  const what = (row.kind === "name" ? `${WORDS.name}: ${row.value}` : WORDS[row.kind]) + times;
  const video = row.videos.length && group.length === 1
    ? el("a", { href: `#videos/${encodeURIComponent(row.videos[0])}` }, row.videos[0]) : null;
  return el("tr", {},
    el("td", {}, row.stands ? what : el("s", {}, what), video ? " in " : "", video),
    el("td", {}, row.why), el("td", {}, row.who),
    el("td", {}, row.when.slice(0, 16).replace("T", " ")),
    el("td", {}, row.stands && row.kind !== "undo" && row.kind !== "forget"
      ? el("button", { type: "button", onclick: undo,
        "aria-label": `Undo: ${what}, ${row.why}` }, "Undo") : ""));
}

// Persons: galleries; merging, naming, and removing faces of somebody else.

import { decide } from "./decide.js";
import { ask, counted, el, guarded, length, name, number, picture } from "./page.js";

export async function showPersons(main, id) {
  return id ? showPerson(main, id) : showAll(main);
}

function why() {
  return el("input", { class: "why", "aria-label": "Reason", placeholder: "Reason" });
}

// Decisions by hand, which take effect with the next build.
function noted(person) {
  if (!person.noted.length) return null;
  const words = person.noted.map((row) => ({
    name: `called ${row.value}`,
    merge: row.others.length ? `one with ${row.others.join(", ")}` : "merged",
    split: "faces taken out",
  })[row.kind]);
  return el("p", { class: "kept" }, `By hand: ${words.join("; ")}. `,
    el("a", { href: "#decisions" }, "Decisions"));
}

const called = (person) => (person.name ? `${person.name} (${person.person_id})` : person.person_id);

async function showAll(main) {
  const people = await ask("api/people");
  const chosen = new Set();
  const reason = why();
  const button = el("button", { type: "button", disabled: true, onclick: guarded(() =>
    decide({ kind: "merge", persons: [...chosen] }, reason, () => {
      main.replaceChildren();
      return showAll(main);
    })) }, "Merge these persons");
  main.append(el("h2", {}, counted(people.length, "person")),
    el("div", { class: "decide" }, el("p", {}, "Choose two or more that are the same person."),
      reason, el("div", { class: "row" }, button)));
  for (const show of new Set(people.map((person) => person.show))) {
    main.append(el("h3", {}, show));
    for (const person of people.filter((one) => one.show === show)) {
      const pick = el("input", { type: "checkbox", "aria-label": `Choose ${person.person_id}`,
        onchange: () => {
          if (pick.checked) chosen.add(person.person_id);
          else chosen.delete(person.person_id);
          button.disabled = chosen.size < 2;
        } });
      main.append(el("section", { class: "person" },
        el("div", { class: "head" }, pick,
          el("a", { href: `#persons/${name(person.person_id)}` }, called(person)),
          el("span", { class: "note" }, `${length(person.seconds)} on screen, ${counted(person.clips, "clip")}, `,
            counted(person.tracks, "track"))),
        noted(person),
        el("ul", { class: "faces" }, person.faces.map((track) =>
          el("li", {}, picture(`picture/face/${name(track)}`, { alt: `A face of ${person.person_id}` }))))));
    }
  }
}

async function showPerson(main, id) {
  const person = await ask(`api/person/${name(id)}`);
  const chosen = new Set();
  const reason = why();
  const again = () => {
    main.replaceChildren();
    return showPerson(main, id);
  };
  const given = el("input", { "aria-label": "Name of the person", placeholder: "Name" });
  const split = el("button", { type: "button", disabled: true, onclick: guarded(() =>
    decide({ kind: "split", tracks: [...chosen] }, reason, again)) }, "The chosen faces are somebody else");
  const faces = person.own_tracks.map((track) => {
    const pick = el("input", { type: "checkbox", "aria-label": `Choose ${track.track_id}`, onchange: () => {
      if (pick.checked) chosen.add(track.track_id);
      else chosen.delete(track.track_id);
      split.disabled = !chosen.size;
    } });
    return el("li", {}, el("label", { title: track.track_id }, pick,
      picture(`picture/face/${name(track.track_id)}`, { alt: `Face in ${track.shot_id}` })));
  });
  main.append(el("p", {}, el("a", { href: "#persons" }, "All persons")),
    el("h2", {}, called(person)), noted(person),
    el("p", {}, el("a", { href: `#clips/${name(`person_id=${name(person.person_id)}`)}` },
      "Clips of this person")),
    el("p", { class: "note" }, `${length(person.seconds)} on screen, ${counted(person.shots, "shot")}, `,
      `${counted(person.videos, "video")}; ${number(person.own_tracks.length)} of `,
      `${counted(person.all_tracks, "track")} shown, longest first`),
    el("div", { class: "decide" }, reason,
      el("div", { class: "row" }, split,
        el("button", { type: "button", onclick: guarded(() =>
          decide({ kind: "name", person: person.person_id, name: given.value }, reason, again)) },
        "Name this person"), given),
      el("p", { class: "note" }, "A name stays in the dataset's decisions; it is never released.")),
    el("ul", { class: "faces" }, faces));
}

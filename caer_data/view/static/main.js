// Which part of the page is shown, by the fragment of the address: #clips, #videos/ID, #clip/ID.

import { showClip } from "./clip.js";
import { known as knownBefore, showClips } from "./clips.js";
import { showDecisions } from "./decisions.js";
import { ask, guarded, number } from "./page.js";
import { showPersons } from "./persons.js";
import { showVideos } from "./videos.js";

const parts = { clips: showClips, videos: showVideos, persons: showPersons, decisions: showDecisions };
const main = document.getElementById("main");
let shown = "";

const route = guarded(async () => {
  const [part, ...rest] = decodeURIComponent(location.hash.slice(1) || "clips").split("/");
  const id = rest.join("/");
  if (part === "clip") {
    if (!shown) await open("clips", "");
    await showClip(id);
    return;
  }
  document.getElementById("detail").close();
  if (`${part}/${id}` !== shown) await open(part in parts ? part : "clips", id);
});

async function open(part, id) {
  shown = `${part}/${id}`;
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.hash === `#${part}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.replaceChildren();
  await parts[part](main, id);
}

const input = document.getElementById("who");
input.value = localStorage.getItem("who") ?? "";
input.addEventListener("change", () => localStorage.setItem("who", input.value.trim()));

document.getElementById("detail").addEventListener("close", () => {
  if (location.hash.startsWith("#clip/")) history.replaceState(null, "", `#${shown}`.replace(/\/$/, ""));
});
addEventListener("hashchange", route);

guarded(async () => {
  const asked = ask("api/overview");
  knownBefore(asked);
  route(); // asks for what it shows in the meantime
  const known = await asked;
  document.title = `${known.dataset} – caer-data`;
  document.getElementById("title").textContent =
    `${known.dataset}: ${number(known.kept)} of ${number(known.clips)} clips kept`;
})();

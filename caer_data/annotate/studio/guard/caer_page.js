/* Additions to Label Studio's page for raters: progress, instructions, a way to stop, and a notice
   when the session has ended. Loaded before all other scripts, so that its keys take precedence. */
(() => {
  "use strict";
  const KEPT = "caer-kept-answer";
  const PAUSE_AFTER_S = 1800;
  const project = () => (/^\/projects\/(\d+)\/data/.exec(location.pathname) || [])[1];
  const isAnswer = (url, method) => method === "POST" && /^\/api\/tasks\/\d+\/annotations\/?$/.test(url.pathname);

  /* Raters have only one page; the app's other pages would stay empty or be refused. */
  const stay = () => {
    const query = new URLSearchParams(location.search);
    if (project() && (query.has("labeling") || query.has("task"))) return;
    if (project()) location.replace(`/projects/${project()}/data?labeling=1`);
    else if (/^\/(projects|user\/account|organization|people|models|home)?(\/|$)/.test(location.pathname)
      && !/^\/user\/(login|signup)/.test(location.pathname)) location.replace("/");
  };
  if (project()) for (const name of ["pushState", "replaceState"]) {
    const change = history[name];
    history[name] = function (...given) { change.apply(this, given); stay(); };
  }
  if (project()) stay();

  /* ---- Dialogs ---- */
  const dialog = (id, title, body, actions) => {
    if (document.getElementById(id)) return;
    const box = document.createElement("dialog");
    box.id = id;
    box.className = "caer-dialog";
    box.setAttribute("aria-labelledby", `${id}-title`);
    const head = document.createElement("h2");
    head.id = `${id}-title`;
    head.textContent = title;
    const text = document.createElement("div");
    if (typeof body === "string") text.textContent = body; else text.append(body);
    const row = document.createElement("p");
    for (const [label, act] of actions) {
      const button = document.createElement("button");
      button.textContent = label;
      button.addEventListener("click", () => { box.remove(); if (act) act(); });
      row.append(button);
    }
    box.append(head, text, row);
    box.addEventListener("cancel", (event) => { event.preventDefault(); row.firstChild.click(); });
    document.body.append(box);
    document.querySelectorAll("video, audio").forEach((media) => media.pause());
    box.showModal();
    row.firstChild.focus();
  };
  const isOpen = () => document.querySelector("dialog.caer-dialog[open]") !== null;

  const logOut = () => location.assign("/logout");
  const stop = () => dialog("caer-stop", "Stopped",
    "Nothing is being shown or played. All answers you submitted are saved. If a clip should not be "
    + "shown, tell the person who gave you this page. You do not have to continue.",
    [["Continue", null], ["Log out", logOut]]);
  const ended = () => dialog("caer-ended", "Your session has ended",
    "Log in again. Your answer is saved.", [["Log in", () => location.assign(`/user/login/?next=${
      encodeURIComponent(location.pathname + location.search)}`)]]);

  /* ---- Instructions and content warning: shown once, and again with a key ---- */
  let instructions = "";
  const seen = () => `caer-seen-${project()}-${instructions.length}`;
  const instruct = () => {
    const body = document.createElement("div");
    body.innerHTML = instructions;
    dialog("caer-instructions", "Instructions", body,
      [["Begin", () => localStorage.setItem(seen(), "yes")], ["Log out", logOut]]);
  };

  /* ---- Progress ---- */
  let reminded = 0;
  const show = (now) => {
    const bar = document.getElementById("caer-bar");
    if (!bar) return;
    const done = now.all > 0 && now.done === now.all;
    const pace = now.per_hour ? `, about ${Math.round(now.per_hour)} per hour` : "";
    bar.querySelector("output").textContent = done
      ? `All ${now.all} clips are rated. Thank you!` : `${now.done} of ${now.all}${pace}`;
    const meter = bar.querySelector("progress");
    meter.max = Math.max(now.all, 1);
    meter.value = now.done;
    const stretch = Math.floor(now.working_s / PAUSE_AFTER_S);
    if (stretch > reminded) dialog("caer-pause", "Time for a break?",
      `You have been rating for ${Math.round(now.working_s / 60)} minutes. Breaks keep judgements fresh. `
      + "You can continue where you left off.", [["Continue", null], ["Log out", logOut]]);
    reminded = stretch;
  };
  const refresh = async () => {
    const reply = await plain(`/caer-progress?project=${project()}`);
    if (reply.status === 401) return ended();
    if (reply.ok) {
      const now = await reply.json();
      localStorage.setItem("caer-rater", now.rater);
      show(now);
      return now;
    }
  };

  /* ---- Requests from the page to the server ---- */
  const plain = window.fetch;
  window.fetch = async (input, init) => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    const sent = isAnswer(url, request.method) ? await request.clone().text() : null;
    const reply = await plain(request);
    if (url.origin !== location.origin || !project()) return reply;
    if (reply.status === 401) {
      if (sent) localStorage.setItem(KEPT, JSON.stringify(
        { url: url.pathname + url.search, body: sent, rater: localStorage.getItem("caer-rater") }));
      ended();
    } else if (sent && reply.ok) refresh();
    return reply;
  };

  /* If the session had ended when an answer was submitted, send it after the same rater's next login. */
  const sendKept = async (now) => {
    const kept = JSON.parse(localStorage.getItem(KEPT) || "null");
    if (!kept || !now || kept.rater !== now.rater) return;
    localStorage.removeItem(KEPT);
    const reply = await plain(kept.url,
      { method: "POST", body: kept.body, headers: { "Content-Type": "application/json" } });
    if (reply.ok) location.reload();
  };

  /* ---- Keys: these take precedence over the page's own; an open dialog blocks all others ---- */
  window.addEventListener("keydown", (event) => {
    if (isOpen()) { event.stopImmediatePropagation(); return; }
    const typing = /^(TEXTAREA|SELECT)$/.test(event.target.tagName)
      || (event.target.tagName === "INPUT" && !/^(radio|checkbox)$/.test(event.target.type));
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !project()) return;
    const act = { i: instruct, x: stop }[event.key];
    if (act) { event.preventDefault(); event.stopImmediatePropagation(); act(); }
  }, true);

  /* ---- Names for screen readers, which Label Studio lacks ---- */
  const name = () => {
    const heading = (node) => {
      let before = node.previousElementSibling;
      while (before && !/^H\d$/.test(before.tagName)) before = before.previousElementSibling;
      return before || (node.parentElement && node.parentElement !== document.body
        ? heading(node.parentElement) : null);
    };
    for (const group of document.querySelectorAll(".lsf-choices:not([role])")) {
      const before = heading(group);
      group.setAttribute("role", "group");
      if (before) group.setAttribute("aria-label", before.textContent);
    }
    document.querySelectorAll("input[type=range]:not([aria-label])").forEach((slider) => {
      const before = heading(slider);
      if (before) slider.setAttribute("aria-label", before.textContent);
    });
    document.querySelectorAll(".caer-target img:not([alt])").forEach((picture) => {
      picture.alt = "A frame of the clip, with a yellow box around the person to judge";
    });
    document.querySelectorAll("video:not([aria-label])").forEach((video) => {
      video.setAttribute("aria-label", "The clip");
    });
    const words = { "input[name=email]": "E-mail address", "input[name=password]": "Password",
      ".lsf-timeline button:empty, .lsf-timeline button[style*=anchor]": "Zoom" };
    for (const [selector, word] of Object.entries(words)) for (const node of document.querySelectorAll(selector)) {
      if (!node.hasAttribute("aria-label")) node.setAttribute("aria-label", word);
    }
  };

  const bar = () => {
    const head = document.createElement("header");
    head.id = "caer-bar";
    head.innerHTML = '<output aria-live="polite"></output><progress aria-label="Clips rated"></progress><nav aria-label="Your page"></nav>';
    const links = [["Instructions [i]", instruct], ["Stop [x]", stop],
      ["Password", () => location.assign("/caer-password")], ["Log out", logOut]];
    for (const [label, act] of links) {
      const button = document.createElement("button");
      button.textContent = label;
      button.addEventListener("click", () => { button.blur(); act(); });
      head.querySelector("nav").append(button);
    }
    document.body.prepend(head);
  };

  document.addEventListener("DOMContentLoaded", async () => {
    new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
    name();
    if (!project()) {
      if (localStorage.getItem(KEPT) && location.pathname.startsWith("/user/login")) {
        const note = document.createElement("p");
        note.id = "caer-note";
        note.setAttribute("role", "status");
        note.textContent = "Your session has ended. Log in again. Your answer is saved.";
        document.body.prepend(note);
      }
      return;
    }
    document.documentElement.classList.add("caer-rater");
    bar();
    const now = await refresh();
    await sendKept(now);
    const reply = await plain(`/api/projects/${project()}/`);
    if (reply.ok) instructions = (await reply.json()).expert_instruction || "";
    if (instructions && !localStorage.getItem(seen())) instruct();
  });
})();

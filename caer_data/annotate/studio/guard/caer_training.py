"""Training: after answering, a rater sees the known answer and can no longer change theirs.

The server folder has one file with known answers per training project, which no request can reach.
A rater sees a known answer only after their own answer to the clip is stored.
"""

# mypy: ignore-errors
import json
import os
from pathlib import Path
from urllib.parse import quote

from django.http import HttpResponse

PATH = "/caer-training.js"
HEADER = "X-Caer-Known"
_MARK = " caer-training:"

# While it is open, the dialog captures all keys, so that none answers the next clip unseen.
SCRIPT = """(() => {
  const fetch = window.fetch;
  window.fetch = async (...asked) => {
    const reply = await fetch(...asked);
    const told = reply.headers.get("X-Caer-Known");
    if (told) show(JSON.parse(decodeURIComponent(told)));
    return reply;
  };

  let open = null;
  addEventListener("keydown", (event) => { if (open) event.stopImmediatePropagation(); }, true);

  function show({ known, given }) {
    const dialog = open = document.createElement("dialog");
    dialog.id = "caer-training";
    dialog.setAttribute("aria-labelledby", "caer-training-said");
    dialog.style.cssText = "box-sizing: border-box; margin: auto; padding: 20px;"
      + "border-radius: 8px; border: 1px solid #6a6a86; max-width: min(520px, calc(100vw - 24px))";
    const said = document.createElement("p");
    said.id = "caer-training-said";
    said.style.cssText = "font: 20px/1.5 system-ui, sans-serif; margin: 0 0 1em";
    said.textContent = known === given
      ? `Correct: the known answer is ${known}, too.`
      : `The known answer is ${known}; you answered ${given || "that you cannot judge the clip"}.`;
    const button = document.createElement("button");
    button.textContent = "Continue (Enter)";
    button.autofocus = true;
    button.style.cssText = "font: 18px system-ui, sans-serif; padding: .4em 1em";
    button.onclick = () => dialog.close();
    dialog.onclose = () => { dialog.remove(); open = null; };
    dialog.append(said, button);
    document.body.append(dialog);
    dialog.showModal();
  }
})();
"""


def script():
    """Return the response with the script of the pages."""
    return HttpResponse(SCRIPT, content_type="text/javascript; charset=utf-8")


def link():
    """Return the tag for the head of a rater's page."""
    return f'<script src="{PATH}"></script>'.encode("ascii")


def is_training(project):
    """Return whether a project belongs to a training."""
    return _MARK in (project.description or "")


def add_known_answer(request, response):
    """Add the known answer to the reply to a rater's answer in a training."""
    match = request.resolver_match
    is_answer = match is not None and match.view_name.rsplit(":", 1)[-1] == "task-annotations"
    if request.method != "POST" or response.status_code != 201 or not is_answer:
        return response
    from tasks.models import Task

    task = Task.objects.filter(pk=match.kwargs["pk"]).select_related("project").first()
    if task is not None and is_training(task.project):
        known = _known(task.project_id).get(str(task.data.get("clip")))
        if known:
            feedback = {"known": known, "given": _given(response)}
            response[HEADER] = quote(json.dumps(feedback))
    return response


def _known(project):
    path = Path(os.environ["LABEL_STUDIO_BASE_DATA_DIR"]) / "training" / f"{int(project)}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _given(response):
    """Return the emotion in an answer as the server stored it; None if there is none."""
    for part in json.loads(response.content).get("result") or []:
        if part.get("from_name") == "emotion":
            return ",".join(part["value"].get("choices") or []) or None
    return None

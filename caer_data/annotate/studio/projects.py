"""One project per rater: find or create it, and update its tasks to match the assignments."""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ET  # the researcher's own page; expat limits entity expansion
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caer_data.annotate.studio.client import Server
from caer_data.annotate.studio.media import Presented
from caer_data.annotate.studio.sdk import RefusedError
from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import digest
from caer_data.engine.progress import Bar

# Larger batches are no faster, and an interruption loses at most one batch.
_BATCH = 1000
_PAGE = 5000


@dataclass(frozen=True)
class Project:
    """A rater's project on the server.

    Attributes:
        number: id of the project.
        rater: e-mail address.
        dataset_id: name of its dataset on servers.
        tasks: number of tasks.
        answered: number of tasks with an answer.
        page: its labelling page.
        instructions: the instructions shown before the first clip.
    """

    number: int
    rater: str
    dataset_id: str
    tasks: int
    answered: int
    page: str
    instructions: str


@dataclass(frozen=True)
class Task:
    """A clip in a rater's project."""

    number: int
    key: str
    answered: bool


VOTES, TRAINING = "dataset", "training"
"""Kinds of project."""


def description(rater: str, dataset_id: str, kind: str = VOTES) -> str:
    """Return the description that marks a project; the guard reads the rater from its start."""
    return f"caer-rater:{rater} caer-{kind}:{dataset_id}"


def find(server: Server, dataset_id: str, kind: str = VOTES) -> dict[str, Project]:
    """Return the dataset's projects of one kind on a server, by rater."""
    found: dict[str, Project] = {}
    for project in every(server, dataset_id, kind):
        if project.rater not in found or project.number < found[project.rater].number:
            found[project.rater] = project
    return found


def every(server: Server, dataset_id: str, *kinds: str) -> list[Project]:
    """Return all of the dataset's projects of some kinds, even if a rater has several."""
    marks = {f"caer-{kind}:{dataset_id}" for kind in kinds}
    found = []
    wanted = "id,description,label_config,expert_instruction,task_number,num_tasks_with_annotations"
    for item in server.api.listed("projects.list", page_size=100, include=wanted):
        words = str(item.description or "").split(" ")
        if words[-1] not in marks or not words[0].startswith("caer-rater:"):
            continue
        found.append(
            Project(
                number=int(item.id),
                rater=words[0].removeprefix("caer-rater:"),
                dataset_id=dataset_id,
                tasks=int(item.task_number or 0),
                answered=int(item.num_tasks_with_annotations or 0),
                page=str(item.label_config),
                instructions=str(item.expert_instruction or ""),
            )
        )
    return found


def raters(server: Server) -> set[str]:
    """Return all raters with a project on a server, for any dataset."""
    listed = server.api.listed("projects.list", page_size=100, include="id,description")
    marks = [str(item.description or "").split(" ")[0] for item in listed]
    return {mark.removeprefix("caer-rater:") for mark in marks if mark.startswith("caer-rater:")}


def set_page(server: Server, project: Project, page: str, instructions: str) -> None:
    """Update a project's labelling page and instructions if they differ.

    Raises:
        RefusedError: the server has answers in the project that the new page does not allow.
    """
    if project.instructions.split() != instructions.split():
        server.api.write("projects.update", project.number, expert_instruction=instructions)
    if _meaning(project.page) == _meaning(page):
        return
    try:
        server.api.write("projects.update", project.number, label_config=page)
    except RefusedError as error:
        raise RefusedError(
            f"the page of {project.rater} was not updated, because answers there do not fit the "
            f"new one ({error}); 'caer-data annotate pull' lists them (unknown_emotion, "
            f"unknown_reason, bad_confidence): delete them at {server.url}/projects/"
            f"{project.number}/data as administrator, then push again"
        ) from error


def _meaning(page: str) -> str:
    """Return a page without line endings and spaces between tags, which a server may change."""
    try:
        return ET.canonicalize(page, strip_text=True)
    except ET.ParseError:
        return page


def ensure(
    server: Server,
    existing: Project | None,
    rater: str,
    dataset_id: str,
    page: str,
    instructions: str,
    kind: str = VOTES,
) -> Project:
    """Return a rater's project, created or updated to the given page and instructions."""
    if existing is not None:
        _ensure_storage(server, existing.number)
        return existing
    made = server.api.write(
        "projects.create",
        title=_title(rater if kind == VOTES else f"{kind} {rater}", dataset_id),
        description=description(rater, dataset_id, kind),
        label_config=page,
        expert_instruction=instructions,
        maximum_annotations=1,
        sampling="Sequential sampling",
        show_skip_button=False,
        enable_empty_annotation=False,
        show_annotation_history=False,
        show_collab_predictions=False,
    )
    _ensure_storage(server, int(made.id))
    return Project(int(made.id), rater, dataset_id, 0, 0, page, instructions)


def _title(rater: str, dataset_id: str) -> str:
    """Return a title that is unique on the server and at most 50 characters long."""
    title = f"{rater} {dataset_id[:6]}"
    if len(title) > 50:
        title = f"{title[:42]} {digest(title, 6)}"
    return title


def clips_folder(server: Server, project: int) -> Path:
    """Return the folder from which a project's clips are served, only to its rater."""
    assert server.files is not None  # noqa: S101 - asked of a local server only
    return server.files / "clips" / str(project)


def _ensure_storage(server: Server, project: int) -> None:
    """Configure the server to serve the project's folder, which otherwise gives a 404."""
    if server.files is None:
        return
    folder = clips_folder(server, project)
    folder.mkdir(parents=True, exist_ok=True)
    known = server.api.read("import_storage.local.list", project=project)
    if not any(Path(item.path) == folder for item in known):
        server.api.write(
            "import_storage.local.create",
            project=project,
            path=str(folder),
            title="clips",
            use_blob_urls=True,
        )


def tasks(server: Server, project: Project) -> list[Task]:
    """Return all tasks of a project."""
    items = server.api.listed(
        "tasks.list",
        page_size=_PAGE,
        project=project.number,
        fields="task_only",
        include="id,data,total_annotations,cancelled_annotations",
        resolve_uri=False,
    )
    return [
        Task(
            int(item.id),
            str(item.data.get("clip", "")),
            bool(item.total_annotations or item.cancelled_annotations),
        )
        for item in items
    ]


def answers(server: Server, project: Project) -> list[dict[str, Any]]:
    """Return the tasks of a project that have answers, including the answers.

    Label Studio stores a copy of every export; a local server's copy is removed.
    """
    try:
        return server.api.export(project.number)
    finally:
        remove_exports(server, project)


def remove_exports(server: Server, project: Project) -> None:
    """Remove the export files of a project, if the server runs on this machine."""
    if server.files is not None:
        for path in (server.files.parent / "export").glob(f"project-{project.number}-at-*"):
            path.unlink()


def synchronise(
    server: Server, project: Project, wanted: Sequence[Presented], bar: Bar
) -> tuple[int, int]:
    """Add missing tasks in order, and remove unanswered ones that are not wanted.

    If an earlier run was killed while sending a batch, the batch may or may not have arrived.
    Existing tasks are therefore listed first, and duplicates are removed.

    Returns:
        The numbers of added and of removed tasks.
    """
    existing = tasks(server, project) if project.tasks else []
    keep: dict[str, Task] = {}
    remove: list[int] = []
    keys = {one.name for one in wanted}
    for task in sorted(existing, key=lambda t: (not t.answered, t.number)):
        if task.answered:
            keep.setdefault(task.key, task)
        elif task.key not in keys or task.key in keep:
            remove.append(task.number)
        else:
            keep[task.key] = task
    delete(server, project, remove)
    missing = [one for one in wanted if one.name not in keep]
    bar.advance(len(wanted) - len(missing))
    storage = _Uploads(server, project) if server.files is None else _Folder(server, project)
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        data = [{"data": storage.task_of(one)} for one in batch]
        server.api.write(
            "projects.import_tasks", project.number, request=data, return_task_ids=False
        )
        bar.advance(len(batch), note=project.rater)
    return len(missing), len(remove)


def media_projects(server: Server, project: Project) -> list[int]:
    """Return the numbers of projects with a rater's uploaded media, on a remote server."""
    mark = f"caer-rater:{project.rater} caer-media:{project.dataset_id}"
    listed = server.api.listed("projects.list", page_size=100, include="id,description")
    return [int(item.id) for item in listed if item.description == mark]


def delete(server: Server, project: Project, numbers: list[int]) -> None:
    """Remove tasks by number, with answers and drafts."""
    if not numbers:
        return  # the server takes an empty list to mean all tasks
    server.api.write(
        "actions.create",
        id="delete_tasks",
        project=project.number,
        selected_items={"all": False, "included": numbers},
    )


class _Folder:
    """Media of a server on this machine: hard links in the folder that it serves."""

    def __init__(self, server: Server, project: Project) -> None:
        self._folder = clips_folder(server, project.number)
        self._prefix = f"/data/local-files/?d=clips/{project.number}"

    def task_of(self, one: Presented) -> dict[str, str]:
        video, poster = f"{one.name}.mp4", f"{one.name}.jpg"
        _link(one.shown.video, self._folder / video)
        _link(one.shown.poster, self._folder / poster)
        return _task(one, f"{self._prefix}/{video}", f"{self._prefix}/{poster}")


class _Uploads:
    """Media of a remote server, uploaded once under opaque names.

    They are uploaded to a second project of the same rater, because Label Studio accepts files only
    in projects whose page shows a single file. The project also tells the guard whose files they
    are.
    """

    def __init__(self, server: Server, project: Project) -> None:
        self._server = server
        numbers = media_projects(server, project)
        if not numbers:
            mark = f"caer-rater:{project.rater} caer-media:{project.dataset_id}"
            title = _title(f"media {project.rater}", project.dataset_id)
            page = '<View><Video name="file" value="$file"/></View>'
            made = server.api.write(
                "projects.create", title=title, description=mark, label_config=page
            )
            numbers = [int(made.id)]
        self._path = f"/api/projects/{min(numbers)}/import"
        files = server.api.read("files.list", min(numbers), all_=True)
        self._there = {uploaded_name(item.file): f"/data/{item.file}" for item in files}

    def task_of(self, one: Presented) -> dict[str, str]:
        video = self._upload(one.shown.video, f"{one.name}.mp4", "video/mp4")
        poster = self._upload(one.shown.poster, f"{one.name}.jpg", "image/jpeg")
        return _task(one, video, poster)

    def _upload(self, source: Path, name: str, kind: str) -> str:
        if name not in self._there:
            sent = self._server.api.upload(self._path, source, name, kind)
            file = self._server.api.read("files.get", sent["file_upload_ids"][0]).file
            self._there[name] = f"/data/{file}"
        return self._there[name]


def uploaded_name(file: str) -> str:
    """Return the original name of an upload: `name.mp4` for `upload/7/0a1b2c3d-name.mp4`."""
    return file.rsplit("/", 1)[-1].split("-", 1)[-1]


def _task(one: Presented, video: str, poster: str) -> dict[str, Any]:
    return {
        "video": video,
        "target": poster,
        "clip": one.name,
        "fps": f"{one.shown.fps:.6g}",
    }


def _link(source: Path, target: Path) -> None:
    """Create a hard link to a file, or a copy if the file system does not support links."""
    try:
        if target.exists():
            if target.samefile(source) or target.stat().st_size == source.stat().st_size:
                return
            target.unlink()
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    except OSError as error:
        raise CaerError(f"{target}: the clip cannot be stored there ({error})") from error

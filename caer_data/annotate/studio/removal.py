"""Remove forgotten data from a server: tasks with their answers, media, projects."""

from __future__ import annotations

from collections.abc import Collection

from caer_data.annotate.studio import projects
from caer_data.annotate.studio.client import Server


def remove_tasks(
    server: Server, project: projects.Project, names: Collection[str]
) -> tuple[int, int]:
    """Remove tasks, even answered ones, with their media.

    Args:
        server: the rating server.
        project: a rater's project.
        names: presentations to remove.

    Returns:
        The numbers of removed tasks and media files.
    """
    existing = projects.tasks(server, project) if project.tasks else []
    gone = [task.number for task in existing if task.key in names]
    projects.delete(server, project, gone)
    projects.remove_exports(server, project)
    return len(gone), _remove_media(server, project, names)


def remove(server: Server, project: projects.Project) -> int:
    """Remove a rater's project with its tasks, answers and media; return the number of files."""
    files = _remove_media(server, project, None)
    projects.remove_exports(server, project)
    server.api.write("projects.delete", project.number)
    return files


def _remove_media(server: Server, project: projects.Project, names: Collection[str] | None) -> int:
    """Remove media by name, or all media of a project; return the number of files."""
    if server.files is not None:
        folder = projects.clips_folder(server, project.number)
        files = [
            path
            for path in sorted(folder.glob("*"))
            if path.suffix in (".mp4", ".jpg") and (names is None or path.stem in names)
        ]
        for path in files:
            path.unlink()
        if names is None and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        return len(files)
    removed = 0
    for number in projects.media_projects(server, project):
        gone = [
            int(item.id)
            for item in server.api.read("files.list", number, all_=True)
            if names is None or projects.uploaded_name(item.file).rpartition(".")[0] in names
        ]
        for file in gone:  # `files.delete_many` would remove all files, so they go one by one
            server.api.write("files.delete", file)
        if names is None:
            server.api.write("projects.delete", number)
        removed += len(gone)
    return removed

"""Where clips are served from follows the server folder: moved, restored or copied.

Label Studio keeps the absolute path of every project's clips in its database, and answers 404 once
the folder has another name.
"""

# mypy: ignore-errors
import threading
from pathlib import Path

from django.conf import settings

_once = threading.Lock()
_done = False


def follow_the_folder():
    """Bring the paths of all projects' clips to where they lie now: once, at the first request.

    Not earlier: the first start makes the tables after it has loaded its middleware.
    """
    global _done  # noqa: PLW0603
    with _once:
        if not _done:
            _follow()
            _done = True


def _follow():
    from io_storages.localfiles.models import LocalFilesImportStorage

    clips = Path(settings.LOCAL_FILES_DOCUMENT_ROOT) / "clips"
    for storage in LocalFilesImportStorage.objects.all():
        ours = Path(storage.path).parts[-3:] == ("files", "clips", str(storage.project_id))
        if ours and storage.path != str(clips / str(storage.project_id)):
            path = str(clips / str(storage.project_id))
            LocalFilesImportStorage.objects.filter(pk=storage.pk).update(path=path)

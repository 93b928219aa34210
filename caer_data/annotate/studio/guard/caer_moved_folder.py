"""Update the paths of clips if the server folder was moved, restored or copied.

Label Studio stores the absolute path of every project's clips in its database, and answers 404 if
the folder has been renamed.
"""

# mypy: ignore-errors
import threading
from pathlib import Path

from django.conf import settings

_once = threading.Lock()
_done = False


def update_paths():
    """Update the paths of all projects' clips once, at the first request.

    This cannot be done earlier, because the first start creates the database tables only after it
    has loaded the middleware.
    """
    global _done  # noqa: PLW0603
    with _once:
        if not _done:
            _update_paths()
            _done = True


def _update_paths():
    from io_storages.localfiles.models import LocalFilesImportStorage

    clips = Path(settings.LOCAL_FILES_DOCUMENT_ROOT) / "clips"
    for storage in LocalFilesImportStorage.objects.all():
        ours = Path(storage.path).parts[-3:] == ("files", "clips", str(storage.project_id))
        if ours and storage.path != str(clips / str(storage.project_id)):
            path = str(clips / str(storage.project_id))
            LocalFilesImportStorage.objects.filter(pk=storage.pk).update(path=path)

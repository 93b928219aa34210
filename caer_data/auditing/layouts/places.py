"""Finding the file that a table or a list names."""

from __future__ import annotations

import posixpath

from caer_data.auditing.walk import Files


class Places:
    """Files of a folder, by what others may call them."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._by_name: dict[str, list[str]] = {}
        for path in files.sizes:
            self._by_name.setdefault(path.rpartition("/")[2], []).append(path)

    def find(self, name: str, *bases: str) -> str | None:
        """The file that is meant, below one of some folders, or the only one that ends so.

        Names that leave the folder find nothing.
        """
        plain = posixpath.normpath(str(name).replace("\\", "/").lstrip("/"))
        for base in dict.fromkeys((*bases, "")):
            path = posixpath.normpath(posixpath.join(base, plain))
            if path in self._files.sizes:
                return path
        if plain.startswith(".."):
            return None
        same = [
            path
            for path in self._by_name.get(plain.rpartition("/")[2], ())
            if path == plain or path.endswith(f"/{plain}")
        ]
        return same[0] if len(same) == 1 else None

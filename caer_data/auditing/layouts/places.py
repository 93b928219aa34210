"""Find the file that a table or a list names."""

from __future__ import annotations

import posixpath

from caer_data.auditing.walk import Files


class Places:
    """Files of a folder by the names that tables may use for them."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._by_end: dict[int, dict[str, str | None]] = {}

    def find(self, name: str, *bases: str) -> str | None:
        """Return the file with a name relative to one of `bases`, or the only one with that ending.

        Names that lead outside the folder find nothing.
        """
        plain = posixpath.normpath(str(name).replace("\\", "/").lstrip("/"))
        for base in dict.fromkeys((*bases, "")):
            path = posixpath.normpath(posixpath.join(base, plain))
            if path in self._files.sizes:
                return path
        if plain.startswith(".."):
            return None
        return self._ending(plain.count("/") + 1).get(plain)

    def _ending(self, parts: int) -> dict[str, str | None]:
        """Return files by the last parts of their path; None if several have the same ones."""
        if parts not in self._by_end:
            found: dict[str, str | None] = {}
            for path in self._files.sizes:
                pieces = path.split("/")
                if len(pieces) >= parts:
                    end = "/".join(pieces[-parts:])
                    found[end] = None if end in found else path
            self._by_end[parts] = found
        return self._by_end[parts]

"""Hooks of mkdocs: pages that lie elsewhere in the repository, and reference made from the code.

A link of a page is relative to its place in the repository, so that it works there, too. Here it
is turned into one to the page on the site; what is not there, such as a source file, stays as text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final

import reference
from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

ROOT: Final = Path(__file__).parents[2]
ELSEWHERE: Final = {
    "README.md": "index.md",
    "pipelines/README.md": "pipelines/README.md",
    "models/README.md": "models/README.md",
    "annotation/README.md": "annotation/README.md",
    "annotation/guidelines.md": "annotation/guidelines.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
}
"""Pages outside of docs/: their place in the repository and on the site."""
FOLDERS: Final = {
    "pipelines": "pipelines/README.md",
    "models": "models/README.md",
    "annotation": "annotation/README.md",
    "examples": "reference/examples.md",
}
GENERATED: Final = {
    "reference/commands.md": reference.commands,
    "reference/python.md": reference.python,
    "reference/tables.md": reference.tables,
    "reference/recipe.md": reference.recipe,
    "reference/model-recipe.md": reference.model_recipe,
    "reference/messages.md": reference.messages,
    "reference/examples.md": reference.examples,
}

_LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/, and the script that lets the search run from files."""
    for there, here in ELSEWHERE.items():
        files.append(File.generated(config, here, content=(ROOT / there).read_text("utf-8")))
    for here, make in GENERATED.items():
        files.append(File.generated(config, here, content=make()))
    worker = (ROOT / "docs/site/iframe-worker.js").read_text("utf-8")
    files.append(File.generated(config, "assets/iframe-worker.js", content=worker))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links of the repository into links of the site."""
    here = page.file.src_uri
    there = next((path for path, on_site in ELSEWHERE.items() if on_site == here), f"docs/{here}")

    def turned(match: re.Match[str]) -> str:
        picture, text, link = match.groups()
        target, mark, anchor = link.partition("#")
        if ":" in target or not target:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(there), target))
        on_site = _on_site(path)
        if on_site is None or files.get_file_from_path(on_site) is None:
            return "" if picture else text
        return f"{picture}[{text}]({get_relative_url(on_site, here)}{mark}{anchor})"

    return _LINK.sub(turned, markdown)


def _on_site(path: str) -> str | None:
    if path in ELSEWHERE:
        return ELSEWHERE[path]
    if path in FOLDERS:
        return FOLDERS[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else None

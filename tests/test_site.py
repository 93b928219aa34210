"""The documentation: its reference follows the code, and the messages it explains exist."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / "site" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a dataclass looks its module up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return _module("reference")


@pytest.fixture(scope="module")
def messages(reference) -> set[str]:
    return {text for path in (ROOT / "caer_data").rglob("*.py") for text in reference.texts(path)}


def test_every_message_that_troubleshooting_explains_exists(messages) -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    explained = re.findall(r"^### (.+)$", page, re.M)
    assert len(explained) > 15
    begun = tuple(messages)
    assert [text for text in explained if not any(m.startswith(text) for m in begun)] == []


def test_messages_are_listed_by_parts_that_cover_the_package(reference, messages) -> None:
    folders = {p.name for p in (ROOT / "caer_data").iterdir() if (p / "__init__.py").exists()}
    assert set(reference.GROUPS) == folders
    assert len(messages) > 300
    page = reference.messages()
    assert "port … cannot be used (…); leave out --port to take a free one" in page


def test_texts_of_all_kinds_of_strings_are_found(reference, tmp_path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        'raise CaerError("a plain sentence")\n'
        'raise errors.CaerError(f"{path}: {kind} of one " + "longer sentence" + tail) from error\n'
        'raise ValueError("not for users of ours")\nraise CaerError(str(problem))\n'
    )
    assert list(reference.texts(module)) == ["a plain sentence", "…: … of one longer sentence…"]


def test_every_verb_table_and_field_is_in_the_reference(reference) -> None:
    from caer_data.cli import _VERBS
    from caer_data.engine import schema
    from caer_data.report import recipe_text

    commands, tables, fields = reference.commands(), reference.tables(), reference.recipe()
    assert [verb for verb in _VERBS if f"## caer-data {verb}\n" not in commands] == []
    assert "### caer-data annotate push" in commands and "`--raters" in commands
    for table in schema.TABLES.values():
        assert f"## {table.name}\n" in tables
        assert [c.name for c in table.columns if f"`{c.name}`" not in tables] == []
    known = [name for name, of in recipe_text.fields().items() if of]
    assert [name for name in known if f"| `{name}` |" not in fields] == []


def test_every_public_name_is_in_the_reference(reference) -> None:
    import caer_data

    page = reference.python()
    for name in caer_data.__all__:
        assert name.startswith("__") or re.search(rf"^::: caer_data\.\S*{name}$", page, re.M)


def test_every_page_stands_in_the_navigation() -> None:
    class Loader(yaml.SafeLoader):
        """Reads the file without making what its tags name."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)
    named = set(re.findall(r"[\w./-]+\.md", str(config["nav"])))
    pages = {p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md")}
    assert pages - named == set()


@pytest.fixture(scope="module")
def follow() -> ModuleType:
    return _module("follow")


def test_the_tutorial_is_followed_from_videos_to_results(follow) -> None:
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    found = [step.command.split()[:2] for step in follow.steps(text)]
    verbs = [words[1] for words in found if words[0] == "caer-data"]
    assert verbs[:2] == ["demo", "build"] and {"annotate", "export", "benchmark"} <= set(verbs)
    parts = [follow.between(text, *ends) for ends in ((None, "Release it"), ("Release it", None))]
    assert [len(list(follow.steps(part))) for part in parts] == [10, 5]
    assert "docs/tutorial.md" in (ROOT / ".ci/readme").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("shown", "printed", "equal"),
    [
        (("a", "b"), "a\nb\n", True),
        (("a", "b"), "a\nx\nb\n", False),
        (("a", "...", "b"), "a\nx\ny\nb\n", True),
        (("a", "...", "b"), "a\nb", True),
        (("a", "..."), "b\na\n", False),
        (("in … s",), "in 3.4 s   \n", True),
        (("in … s",), "in 3.4 min\n", False),
        (("a.b",), "axb\n", False),
    ],
)
def test_lines_of_a_page_are_compared(follow, shown, printed, equal) -> None:
    assert follow.agrees(shown, printed) is equal


def test_a_page_that_shows_something_else_is_found(follow, tmp_path, monkeypatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("## One\n\n```console\n$ echo right\nright\n$ echo wrong\nright\n```\n")
    monkeypatch.setattr("sys.argv", ["follow.py", str(page)])
    with pytest.raises(SystemExit, match="'echo wrong' printed other lines"):
        follow.main()
    page.write_text("## One\n\n```console\n$ exit 3\n```\n## Two\n")
    with pytest.raises(SystemExit, match="ended with 3"):
        follow.main()


@pytest.mark.browser
def test_the_site_builds_strictly_is_searched_as_files_and_asks_no_other_host(
    tmp_path, browser
) -> None:
    pytest.importorskip("mkdocs")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", site]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    page = browser.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    for name in ("index.html", "tutorial.html", "reference/messages.html"):
        page.goto((site / name).as_uri())
    page.fill("input[data-md-component=search-query]", "no video looked")
    page.wait_for_selector(".md-search-result__item")
    assert "messages" in page.inner_html(".md-search-result__list")
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert said == []

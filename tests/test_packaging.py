"""What pyproject.toml promises about packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from caer_data import __version__

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
OF_DEVELOPERS = {"test", "lint"}
EXTRAS = PROJECT["optional-dependencies"]
OF_USERS = [
    Requirement(line)
    for lines in (
        PROJECT["dependencies"],
        *(lines for name, lines in EXTRAS.items() if name not in OF_DEVELOPERS),
    )
    for line in lines
]
PINNED = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
)
PINNED = {canonicalize_name(name): version for name, version in PINNED.items()}


@pytest.mark.parametrize("requirement", OF_USERS, ids=str)
def test_every_dependency_has_a_lower_and_an_upper_bound(requirement: Requirement) -> None:
    operators = {item.operator for item in requirement.specifier}
    assert operators == {"=="} or {">=", "<"} <= operators


@pytest.mark.parametrize("requirement", OF_USERS, ids=str)
def test_the_versions_tested_together_are_allowed(requirement: Requirement) -> None:
    pinned = PINNED.get(canonicalize_name(requirement.name))
    if pinned is None:
        assert requirement.name not in {Requirement(r).name for r in PROJECT["dependencies"]}
    else:
        assert requirement.specifier.contains(pinned)


def test_no_extra_is_empty_and_none_brings_torch_into_the_base() -> None:
    assert all(EXTRAS.values())
    assert not {"torch", "lightning-fabric", "safetensors"} & {
        Requirement(line).name for line in PROJECT["dependencies"]
    }


def test_extras_that_the_code_and_the_documents_name_exist() -> None:
    sources = [*(ROOT / "caer_data").rglob("*.py"), *(ROOT / "docs").glob("*.md")]
    named = set()
    for path in [*sources, ROOT / "README.md", ROOT / "Makefile"]:
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r'(?:require|install_command)\(\s*["\'](\w+)["\']', text))
        for group in re.findall(r"""["']\.\[([\w,]+)\]["']""", text):
            named |= set(group.split(","))
    assert {"benchmark", "transnet", "tensorboard"} <= named <= set(EXTRAS)


def test_the_version_is_the_same_in_the_citation_and_the_changelog() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = re.search(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert "version" in PROJECT["dynamic"]
    assert changes is not None
    assert (citation["version"], changes[1]) == (__version__, __version__)


def _places() -> dict[str, str]:
    """Folders below the root, by the name of the package that is installed from there."""
    setuptools = PYPROJECT["tool"]["setuptools"]
    moved = setuptools["package-dir"]
    return {name: moved.get(name, name.replace(".", "/")) for name in setuptools["packages"]}


def test_every_folder_of_code_is_installed() -> None:
    """An installation from this folder (`--editable`) has them all; a wheel has those named."""
    code = {file.parent for file in (ROOT / "caer_data").rglob("*.py")}
    assert {folder.relative_to(ROOT).as_posix() for folder in code} <= set(_places().values())
    assert all((ROOT / folder).is_dir() for folder in _places().values())


def test_every_other_file_is_installed() -> None:
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]
    wanted = {
        file
        for folder in ("caer_data", "annotation", "models", "pipelines")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and file.suffix not in {".py", ".pyc"}
    }
    installed = {
        file
        for name, folder in _places().items()
        for pattern in (*patterns["*"], *patterns.get(name, ()))
        for file in (ROOT / folder).glob(pattern)
    }
    assert wanted <= installed, sorted(map(str, wanted - installed))


def test_the_workflow_runs_the_script_that_contributors_run() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    lines = [step.get("run") for job in workflow["jobs"].values() for step in job["steps"]]
    assert ".ci/run" in lines

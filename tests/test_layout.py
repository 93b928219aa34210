"""The folders of the package stand in an order, and no import runs from a lower to a higher one.

Late imports, inside functions, and those for the type checker count like all others.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import caer_data

PACKAGE = Path(caer_data.__file__).parent

ORDER = (
    ("engine",),
    ("media",),
    ("shots", "faces"),
    ("curate",),
    ("labels",),
    ("annotate", "export"),
    ("benchmark",),
    ("report",),
    ("api",),
    ("demo",),
    ("cli",),
    ("__main__",),
)
"""From the lowest to the highest; those side by side do not import each other."""

BENCHMARK_ORDER = (
    ("recipe",),
    ("networks", "data"),
    ("training",),
    ("results",),
    ("selftest",),
)

PUBLIC_FACE = {"caer_data.__version__", "caer_data.Dataset"}
"""What lower modules may take from the package itself: its version."""


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ["caer_data", *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def upward(order: tuple[tuple[str, ...], ...], root: str) -> list[str]:
    """Imports that run from a lower folder to a higher one, or between two side by side."""
    ranks = {name: rank for rank, names in enumerate(order) for name in names}
    known = modules()
    wrong = []
    for module, path in known.items():
        if not module.startswith(root + "."):
            continue
        own = module.removeprefix(root + ".").split(".")[0]
        for target in imports(path, known):
            if target.startswith(root + "."):
                other = target.removeprefix(root + ".").split(".")[0]
                if other != own and ranks[other] >= ranks[own]:
                    wrong.append(f"{module} -> {target}")
    return sorted(set(wrong))


def test_every_folder_has_its_place_in_the_order() -> None:
    placed = {name for names in ORDER for name in names}
    there = {m.split(".")[1] for m in modules() if "." in m}
    assert there == placed


@pytest.mark.parametrize(
    ("order", "root"),
    [(ORDER, "caer_data"), (BENCHMARK_ORDER, "caer_data.benchmark")],
    ids=["package", "benchmark"],
)
def test_no_import_runs_upwards(order: tuple[tuple[str, ...], ...], root: str) -> None:
    assert upward(order, root) == []


def test_inside_a_folder_imports_do_not_run_in_a_circle() -> None:
    known = modules()
    # a package's own __init__ is its face: it may name what lies below it
    graph = {
        module: {
            target
            for target in imports(path, known)
            if target in known
            and target != "caer_data"
            and not f"{module}.".startswith(target + ".")
        }
        for module, path in known.items()
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above, module])
        if module not in done:
            for target in sorted(graph[module]):
                visit(target, (*above, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_no_name_of_a_module_is_used_for_a_folder_of_recipes_and_one_of_networks() -> None:
    folders = {"pipelines", "annotation", "models"}  # what a researcher edits
    assert not folders & {path.name for path in PACKAGE.iterdir() if path.is_dir()}

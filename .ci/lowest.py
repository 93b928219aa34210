"""Print the lowest version of each dependency that pyproject.toml allows, as pip constraints."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
for line in project["dependencies"]:
    requirement = Requirement(line)
    lowest = [s.version for s in requirement.specifier if s.operator in (">=", "==")]
    if len(lowest) != 1:
        raise SystemExit(f"{line}: needs one lower bound")
    print(f"{requirement.name}=={lowest[0]}")

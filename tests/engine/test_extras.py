"""The command that installs an extra, from a clone and from a wheel."""

import json
import shlex
from types import SimpleNamespace

import pytest

from caer_data.engine import extras
from caer_data.engine.errors import CaerError

REQUIRED = [
    "numpy>=2",
    'tomli>=2; python_version < "3"',
    'no-such-package>=3,<4; extra == "odd"',
    'numpy>=999; extra == "odd"',
    'pip; extra == "odd"',
    'other; extra == "even"',
]


@pytest.fixture
def installed(monkeypatch):
    """Pretends that caer-data was installed from somewhere, with requirements of our own."""

    def pretend(origin):
        class Distribution:
            def read_text(self, name):
                assert name == "direct_url.json"
                return json.dumps(origin) if origin else None

        monkeypatch.setattr(extras.importlib.metadata, "requires", lambda name: REQUIRED)
        left = SimpleNamespace(read_text=lambda name: None)  # by a build, beside the clone
        monkeypatch.setattr(
            extras.importlib.metadata, "distributions", lambda name: [left, Distribution()]
        )

    return pretend


def test_from_a_clone_the_command_names_its_folder(installed, tmp_path):
    folder = tmp_path / "my clone"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("")
    installed({"url": folder.as_uri(), "dir_info": {}})
    assert shlex.split(extras.install_command("odd")) == ["pip", "install", f"{folder}[odd]"]
    installed({"url": folder.as_uri(), "dir_info": {"editable": True}})
    assert shlex.split(extras.install_command("odd"))[2:] == ["-e", f"{folder}[odd]"]


@pytest.mark.parametrize(
    "origin",
    [
        None,
        {"url": "file:///wheels/caer_data-0.1.0-py3-none-any.whl", "archive_info": {}},
        {"url": "file:///no/such/clone", "dir_info": {}},
        {"url": "https://example.org/caer_data.git", "vcs_info": {"vcs": "git"}},
    ],
    ids=["index", "wheel", "clone that is gone", "git"],
)
def test_from_a_wheel_the_command_names_the_packages(installed, origin):
    installed(origin)
    words = shlex.split(extras.install_command("odd"))
    assert words == ["pip", "install", "no-such-package<4,>=3", "numpy>=999", "pip"]


def test_what_is_missing_or_too_old_is_refused_with_the_command(installed):
    installed(None)
    with pytest.raises(CaerError) as caught:
        extras.require("odd", "the verb 'odd'")
    assert str(caught.value).startswith(
        "the verb 'odd' needs packages that are not installed (no-such-package, numpy); "
        "run pip install 'no-such-package"
    )
    assert caught.value.exit_code == 2


def test_an_extra_that_is_there_passes(installed):
    installed(None)
    assert [item.name for item in extras.missing("even")] == ["other"]
    assert [item.name for item in extras.requirements()] == ["numpy"]
    extras.require("", "everything")


def test_without_metadata_nothing_is_refused(monkeypatch):
    def absent(name):
        raise extras.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(extras.importlib.metadata, "requires", absent)
    monkeypatch.setattr(extras.importlib.metadata, "distributions", lambda name: [])
    extras.require("benchmark", "the verb 'benchmark'")

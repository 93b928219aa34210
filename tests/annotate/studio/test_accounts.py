"""The file of first passwords: one name whatever the port, and nothing lost from earlier ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from caer_data.annotate.studio import accounts
from caer_data.engine.progress import Reporter

EARLIER = "rater,password,address\nr@example.org,secret,http://127.0.0.1:8093\n"


def local(folder: Path, port: int) -> Any:
    """A server on this machine in which every rater has an account."""
    answers = {"users.list": [SimpleNamespace(id=1, email="r@example.org")]}
    return SimpleNamespace(
        url=f"http://127.0.0.1:{port}",
        files=folder / "files",
        api=SimpleNamespace(read=answers.__getitem__),
    )


def test_a_local_server_has_one_file_on_any_port(tmp_path: Path) -> None:
    paths = {accounts.password_path(local(tmp_path, port)) for port in (8080, 8093)}
    assert paths == {tmp_path / "passwords.csv"}


def test_a_server_elsewhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAER_SERVER", str(tmp_path))
    elsewhere: Any = SimpleNamespace(url="https://labels.example:81", files=None)
    assert accounts.password_path(elsewhere) == tmp_path / "passwords-labels.example_81.csv"


def test_a_file_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    earlier = tmp_path / "passwords-127.0.0.1_8093.csv"
    earlier.write_text(EARLIER)
    accounts.ensure(local(tmp_path, 8093), ["r@example.org"], Reporter("quiet"))
    assert (tmp_path / "passwords.csv").read_text() == EARLIER
    assert not earlier.exists()


def test_a_newer_file_is_not_replaced(tmp_path: Path) -> None:
    earlier, newer = tmp_path / "passwords-127.0.0.1_8093.csv", tmp_path / "passwords.csv"
    earlier.write_text(EARLIER)
    newer.write_text("rater,password,address\n")
    accounts.ensure(local(tmp_path, 8093), ["r@example.org"], Reporter("quiet"))
    assert earlier.read_text() == EARLIER
    assert newer.read_text() == "rater,password,address\n"

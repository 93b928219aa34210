"""Every way a server can disappoint gives one clear sentence and never shows the token."""

from __future__ import annotations

from typing import Any

import pytest
from fake_studio import GOOD, TOKEN, cut_short, sent_on

from caer_data.annotate.studio import client
from caer_data.annotate.studio import folders as places
from caer_data.annotate.studio.client import Server, clean_url, connect
from caer_data.engine.errors import CaerError

pytest.importorskip("label_studio_sdk")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"/api/version": (200, {"release": "1.19.0"})},
            r"runs Label Studio 1\.19\.0; .* 1\.23\.x",
        ),
        ({"/api/version": (200, {"release": "2.0.0"})}, r"runs Label Studio 2\.0\.0"),
        ({"/api/version": (200, b"<html>")}, "is not Label Studio"),
        ({"/api/version": (500, {})}, r"is not Label Studio \(status 500\)"),
        ({"/api/current-user/whoami": (401, {"detail": "no"})}, "does not accept the token"),
        (
            {"/api/version": sent_on},
            r"redirects to https://labels\.example/; use that address",
        ),
        (
            {"/api/current-user/whoami": (403, {"detail": "not you"})},
            r"answered 403 to users\.whoami: not you",
        ),
        ({"/api/current-user/whoami": (502, b"<html>")}, r"answered 502 to .*: Bad Gateway"),
        ({"/api/current-user/whoami": cut_short}, "run the same command again"),
    ],
    ids=[
        "too old",
        "too new",
        "no json",
        "broken",
        "wrong token",
        "redirected",
        "forbidden",
        "proxy",
        "cut",
    ],
)
def test_a_bad_server_is_told_in_one_sentence(
    fake: Any, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CaerError, match=sentence) as error:
        Server(fake({**GOOD, **change}), TOKEN)
    assert TOKEN not in str(error.value) and "\n" not in str(error.value)


def test_no_server_at_all(tmp_path: Any) -> None:
    with pytest.raises(CaerError, match=r"no Label Studio answers at .*; check the address"):
        Server("http://127.0.0.1:9", TOKEN)
    with pytest.raises(CaerError, match=r"start it with 'caer-data annotate serve'"):
        Server("http://127.0.0.1:9", TOKEN, files=tmp_path)


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://a.example:8080/", "http://a.example:8080"),
        (" https://a.example/labels/ ", "https://a.example/labels"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
    ids=["port", "path", "ipv6"],
)
def test_addresses_are_cleaned(url: str, clean: str) -> None:
    assert clean_url(url) == clean


@pytest.mark.parametrize(
    "url",
    ["a.example", "ftp://a.example", "http://", "http://a:99999", "http://a/?x=1", "file:///etc",
     "http://me:secret@a.example", "ftp://me:secret@a.example"],
)  # fmt: skip
def test_no_address(url: str) -> None:
    with pytest.raises(CaerError) as error:
        clean_url(url)
    assert "secret" not in str(error.value)


class TestConnect:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CAER_SERVER", str(tmp_path / "server"))
        monkeypatch.delenv(client.TOKEN_VARIABLE, raising=False)

    def test_nothing_was_served_yet(self) -> None:
        with pytest.raises(CaerError, match="annotate serve"):
            connect(None)

    def test_local_server_needs_no_token(self, fake: Any) -> None:
        url = fake(GOOD)
        folder = places.private_folder(places.server_folder())
        places.write_access(folder, places.Access(url, "password", TOKEN))
        assert places.access_path(folder).stat().st_mode & 0o077 == 0
        for asked in (None, url, f"{url}/"):
            assert connect(asked).files == folder / "files"

    def test_another_server_takes_the_token_of_the_environment(
        self, fake: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = fake(GOOD)
        with pytest.raises(CaerError, match=client.TOKEN_VARIABLE):
            connect(url)
        monkeypatch.setenv(client.TOKEN_VARIABLE, f"{TOKEN}\n")
        assert connect(url).files is None
        monkeypatch.setenv(client.TOKEN_VARIABLE, "bad\ntoken")
        with pytest.raises(CaerError, match="is not a token"):
            connect(url)

    def test_damaged_secrets_are_named(self) -> None:
        folder = places.private_folder(places.server_folder())
        places.access_path(folder).write_text("{")
        with pytest.raises(CaerError, match=r"access\.json: damaged"):
            connect(None)

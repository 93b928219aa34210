"""Behind a real HTTPS proxy, set up as the docs say: logging in, a new password, logging out."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certificates
import pytest
from annotate_fixtures import Studio, free_port
from in_browser import chromium

from caer_data.annotate import push
from caer_data.annotate.pull import pull
from caer_data.annotate.studio import folders as places
from caer_data.annotate.studio import server
from caer_data.annotate.studio.client import Server
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from tests.annotate.test_browser import WAIT_MS, first_password, log_in, wait_for_clip

QUIET = Reporter("quiet")
DOCS = Path(__file__).parents[3] / "docs" / "annotate.md"
NAME = "rate.lab.example"


@pytest.mark.parametrize(
    "url", ["http://rate.lab.org", "rate.lab.org", "https://lab.org/rate", "https://a@lab.org"]
)
def test_addresses_that_are_none_for_raters(url: str) -> None:
    with pytest.raises(CaerError):
        server.check_public(url)
    assert server.check_public("https://rate.lab.org/") == "https://rate.lab.org"


def nginx(folder: Path, port: int, behind: int) -> list[str]:
    """Write the configuration of the docs with a certificate; give the command."""
    certificates.need("nginx", "openssl")
    folder.mkdir()
    certificate, key = certificates.make(folder, NAME)
    found = re.search(r"^    server \{\n.*?^    \}\n", DOCS.read_text("utf-8"), re.M | re.S)
    assert found
    site = found[0]
    for old, new in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "rate.lab.org;": f"{NAME};",
        "/etc/ssl/certs/rate.lab.org.pem": str(certificate),
        "/etc/ssl/private/rate.lab.org.key": str(key),
        "127.0.0.1:8080": f"127.0.0.1:{behind}",
    }.items():
        assert old in site
        site = site.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\n    access_log off;\n"
        f"{temporary}{site}}}\n"
    )
    return ["nginx", "-e", str(folder / "log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]


@pytest.fixture
def behind_proxy(migrated: Path, tmp_path: Path) -> Iterator[tuple[Studio, str]]:
    """A guarded server and the address that its proxy gives it."""
    folder, inside, outside = tmp_path / "server", free_port(), free_port()
    command = nginx(tmp_path / "nginx", outside, inside)
    shutil.copytree(migrated, folder)
    public = f"https://{NAME}:{outside}"
    with server.running(folder, "127.0.0.1", inside, QUIET, public_url=public) as (url, _):
        access = places.read_access(folder)
        assert access is not None
        proxy = subprocess.Popen(command)
        files = server.files_folder(folder)
        try:
            yield Studio(url, folder, Server(url, access.token, files, access.public_url)), public
        finally:
            proxy.terminate()
            proxy.wait(10)


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of a browser that takes the proxy for the lab's server."""
    with chromium(f"--host-resolver-rules=MAP {NAME} 127.0.0.1") as browser:
        yield browser.new_page(ignore_https_errors=True)


@pytest.mark.service
@pytest.mark.server
@pytest.mark.browser
@pytest.mark.slow
def test_a_rater_works_through_an_https_proxy(
    behind_proxy: tuple[Studio, str],
    page: Any,
    new_dataset: Callable[..., Dataset],
    six_raters: list[str],
) -> None:
    studio, public = behind_proxy
    dataset = new_dataset(2)
    rater = six_raters[0]
    address = push.push(dataset, studio.server, QUIET, raters=six_raters[:3]).addresses[rater]
    assert address.startswith(f"{public}/projects/")
    first, mine = first_password(studio, rater), "a password of my own"

    log_in(page, public, rater, first)
    page.get_by_role("button", name="Begin").click(timeout=WAIT_MS)
    assert page.url.startswith(address.split("?")[0])
    wait_for_clip(page)
    assert all(cookie["secure"] for cookie in page.context.cookies())
    for key in ("4", "r", "Enter"):
        page.keyboard.press(key)
        page.wait_for_timeout(200)
    page.get_by_text("1 of 2").wait_for(timeout=WAIT_MS)
    assert pull(dataset, studio.server, QUIET).ratings["emotion"].tolist() == ["happy"]

    page.get_by_role("button", name="Password").click()
    change_password(page, "not my password", mine)
    page.get_by_role("alert").wait_for(timeout=WAIT_MS)
    change_password(page, first, mine)
    page.wait_for_url(lambda url: "/projects/" in url, timeout=WAIT_MS)
    log_out(page)
    log_in(page, public, rater, mine)
    page.wait_for_url(lambda url: "/projects/" in url, timeout=WAIT_MS)
    log_out(page)

    for _ in range(10):
        log_in(page, public, rater, first)
        page.wait_for_load_state()
        assert "login" in page.url
    log_in(page, public, rater, mine)
    page.get_by_text("Too many wrong passwords").wait_for(timeout=WAIT_MS)
    log_in(page, public, six_raters[1], first_password(studio, six_raters[1]))
    page.wait_for_url(lambda url: "/projects/" in url, timeout=WAIT_MS)


def log_out(page: Any) -> None:
    """Log out; a page that is still on its way to the next clip takes a first click with it."""
    from playwright.sync_api import TimeoutError as TooLate

    for wait in (WAIT_MS / 4, WAIT_MS / 4, WAIT_MS):
        page.wait_for_load_state()
        page.get_by_role("button", name="Log out").click()
        try:
            page.wait_for_url(lambda url: "login" in url, timeout=wait)
        except TooLate:
            continue
        return
    raise AssertionError(f"still at {page.url}")


def change_password(page: Any, old: str, new: str) -> None:
    page.get_by_label("Current password").fill(old)
    page.get_by_label("New password, at least 8 characters").fill(new)
    page.get_by_label("Repeat the new password").fill(new)
    page.get_by_role("button", name="Change").click()

"""Behind Caddy, set up as the docs say; and the lockout, which a restart of the server outlives."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import certificates
import pytest
import requests
from annotate_fixtures import Studio, first_passwords, free_port

from caer_data.annotate import push
from caer_data.annotate.studio import folders as places
from caer_data.annotate.studio import server
from caer_data.annotate.studio.client import Server
from caer_data.engine.dataset import Dataset
from caer_data.engine.progress import Reporter

pytestmark = [pytest.mark.service, pytest.mark.server, pytest.mark.slow]

QUIET = Reporter("quiet")
DOCS = Path(__file__).parents[3] / "docs" / "annotate.md"
NAME = "localhost"  # what needs no entry in a list of hosts


@contextlib.contextmanager
def caddy(folder: Path, port: int, behind: int) -> Iterator[Path]:
    """Run the configuration of the docs with a certificate of our own; give the certificate."""
    certificates.need("caddy", "openssl")
    folder.mkdir()
    certificate, key = certificates.make(folder, NAME)
    found = re.search(r"^    rate\.lab\.org \{\n.*?^    \}\n", DOCS.read_text("utf-8"), re.M | re.S)
    assert found and "127.0.0.1:8080" in found[0]
    site = found[0].replace("127.0.0.1:8080", f"127.0.0.1:{behind}")
    own = f"    {NAME}:{port} {{\n        bind 127.0.0.1\n        tls {certificate} {key}"
    (folder / "Caddyfile").write_text(
        "{\n    admin off\n    auto_https disable_redirects\n}\n"
        + site.replace("    rate.lab.org {", own)
    )
    kept = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        command = ["caddy", "run", "--config", str(folder / "Caddyfile")]
        proxy = subprocess.Popen(command, env=kept | {"PATH": "/usr/bin"}, stderr=log)
        try:
            with pytest.raises(subprocess.TimeoutExpired):  # it goes on running
                proxy.wait(1)
            yield certificate
        finally:
            proxy.terminate()
            proxy.wait(10)


class Visitor:
    """Somebody at the login page, through the proxy."""

    def __init__(self, public: str, certificate: Path) -> None:
        self.public, self.session = public, requests.Session()
        self.session.trust_env, self.session.verify = False, str(certificate)

    def log_in(self, email: str, password: str) -> requests.Response:
        page = f"{self.public}/user/login/"
        for _ in range(50):
            with contextlib.suppress(requests.ConnectionError):
                self.session.get(page, timeout=30)
                break
            time.sleep(0.2)
        token = self.session.cookies.get("csrftoken", "")
        form = {"email": email, "password": password, "csrfmiddlewaretoken": token}
        return self.session.post(page, data=form, headers={"Referer": page}, allow_redirects=False)


def test_raters_work_behind_caddy_and_a_lockout_outlives_a_restart(
    migrated: Path, tmp_path: Path, new_dataset: Callable[..., Dataset], six_raters: list[str],
    without_posters: Callable[[Dataset], None],
) -> None:  # fmt: skip
    folder, inside, outside = tmp_path / "server", free_port(), free_port()
    shutil.copytree(migrated, folder)
    public, dataset = f"https://{NAME}:{outside}", new_dataset(2)
    without_posters(dataset)
    rater, other = six_raters[:2]
    with caddy(tmp_path / "caddy", outside, inside) as certificate:
        with server.running(folder, "127.0.0.1", inside, QUIET, public_url=public) as (url, _):
            access = places.read_access(folder)
            assert access is not None
            studio = Studio(url, folder, Server(url, access.token, folder / "files", public))
            pushed = push.push(dataset, studio.server, QUIET, raters=six_raters[:3])
            assert pushed.addresses[rater].startswith(f"{public}/projects/")
            passwords = first_passwords(studio)
            ann = Visitor(public, certificate)
            assert ann.log_in(rater, passwords[rater]).status_code == 302
            assert all(cookie.secure for cookie in ann.session.cookies)
            page = ann.session.get(pushed.addresses[rater])
            assert page.status_code == 200 and page.url.startswith(public)
            number = pushed.addresses[rater].split("/projects/")[1].split("/")[0]
            asked = f"{public}/api/dm/actions?id=next_task&project={number}"
            sent = {"X-CSRFToken": ann.session.cookies["csrftoken"], "Referer": page.url}
            assert ann.session.post(asked, json={}, headers=sent).status_code == 200
            assert ann.session.post(asked, json={}).status_code == 403  # forged elsewhere
            for _ in range(10):
                assert Visitor(public, certificate).log_in(other, "wrong").status_code == 200
            locked = Visitor(public, certificate).log_in(other, passwords[other])
            assert locked.status_code == 429 and "Too many wrong passwords" in locked.text
        kept = (folder / "lockouts.json").read_bytes()
        assert other.encode() not in kept and (folder / "lockouts.json").stat().st_mode & 0o77 == 0
        with server.running(folder, "127.0.0.1", inside, QUIET, public_url=public):
            again = Visitor(public, certificate)
            assert again.log_in(other, passwords[other]).status_code == 429
            assert again.log_in(rater, passwords[rater]).status_code == 302

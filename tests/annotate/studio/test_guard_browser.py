"""The guard's script in a real browser: whatever way a page sends, the token goes with it."""

from __future__ import annotations

from typing import Any

import pytest

from caer_data.annotate.studio import folders as places
from tests.annotate.test_browser import page

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

__all__ = ["page"]  # a fixture

# Ways to make a project; each gives the status of the answer.
WAYS = {
    "fetch": "fetch('/api/projects/', {method: 'POST', headers, body}).then(r => r.status)",
    "fetch of a URL": "fetch(new URL('/api/projects/', location), "
    "{method: 'post', headers: new Headers(headers), body}).then(r => r.status)",
    "fetch of a request": "fetch(new Request('/api/projects/', {method: 'POST', headers, body}))"
    ".then(r => r.status)",
    "XMLHttpRequest": "new Promise(done => { const x = new XMLHttpRequest();"
    "x.open('POST', '/api/projects/'); x.setRequestHeader('Content-Type', headers['Content-Type']);"
    "x.setRequestHeader('X-CSRFToken', 'undefined'); x.onload = () => done(x.status);"
    "x.send(body); })",
}


def test_the_administrator_s_pages_send_the_token(page: Any, studio: Any) -> None:
    access = places.read_access(studio.folder)
    assert access is not None
    page.goto(f"{studio.url}/user/login/")
    page.fill("input[name=email]", places.ADMIN)
    page.fill("input[name=password]", access.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(lambda url: "login" not in url, timeout=60_000)
    page.goto(f"{studio.url}/projects/")
    for number, (name, way) in enumerate(WAYS.items()):
        made = page.evaluate(
            "([title]) => { const headers = {'Content-Type': 'application/json'};"
            f"const body = JSON.stringify({{title}}); return {way}; }}",
            [f"made by script {number}"],
        )
        assert made == 201, name


def test_other_sites_do_not_get_the_token(page: Any, studio: Any) -> None:
    page.goto(f"{studio.url}/user/login/")
    elsewhere = f"{studio.url.replace('127.0.0.1', 'localhost')}/api/version"
    with page.expect_request(elsewhere) as sent:
        page.evaluate(f"fetch('{elsewhere}', {{method: 'POST', mode: 'no-cors'}}).catch(() => 0)")
    assert "x-csrftoken" not in sent.value.all_headers()
    with page.expect_request(f"{studio.url}/api/version") as sent:
        page.evaluate("fetch('/api/version', {method: 'POST'}).catch(() => 0)")
    assert "x-csrftoken" in sent.value.all_headers()

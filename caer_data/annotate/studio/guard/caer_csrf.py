"""Protection from cross-site request forgery for Label Studio's API.

Label Studio disables Django's protection for its API, and its pages send no token there. This
module therefore checks requests that are authenticated by the session cookie, and adds a script to
the pages that sends the token. Callers with an API token or a JSON web token need none, because a
browser never sends those by itself.
"""

# mypy: ignore-errors
from django.http import HttpResponse
from django.middleware.csrf import get_token
from rest_framework.authentication import CSRFCheck

PATH = "/caer-guard.js"

# After a login in another tab, the cookie has the newer token, but HTTPS hides it from scripts.
SCRIPT = """(() => {
  const given = document.currentScript.dataset.token;
  const token = () => (/(?:^|; )csrftoken=([^;]+)/.exec(document.cookie) || [])[1] || given;
  const needs = (method, url) => !/^(GET|HEAD|OPTIONS|TRACE)$/i.test(method)
    && new URL(url, location.href).origin === location.origin;

  const fetch = window.fetch;
  window.fetch = (input, init) => {
    const request = new Request(input, init);
    if (needs(request.method, request.url)) request.headers.set("X-CSRFToken", token());
    return fetch(request);
  };

  const { open, send, setRequestHeader } = XMLHttpRequest.prototype;
  const asked = new WeakMap();
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    asked.set(this, needs(method, url));
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.setRequestHeader = function (name, value) {
    if (name.toLowerCase() !== "x-csrftoken") setRequestHeader.call(this, name, value);
  };
  XMLHttpRequest.prototype.send = function (body) {
    if (asked.get(this)) setRequestHeader.call(this, "X-CSRFToken", token());
    return send.call(this, body);
  };
})();
"""


def script():
    """Return the response with the script of the pages."""
    return HttpResponse(SCRIPT, content_type="text/javascript; charset=utf-8")


def add_script(request, response, extras=b""):
    """Insert the script, with its token, before all other scripts of a page, then `extras`."""
    head = b"<head>"
    is_page = response.get("Content-Type", "").startswith("text/html")
    if is_page and not response.streaming and head in response.content:
        tag = f'<script src="{PATH}" data-token="{get_token(request)}"></script>'
        added = head + tag.encode("ascii") + extras
        response.content = response.content.replace(head, added, 1)
        if "Content-Length" in response:
            response["Content-Length"] = str(len(response.content))
    return response


def is_forged(request):
    """Return whether a request that changes data has the session cookie but not its token."""
    if not request.user.is_authenticated or getattr(request, "is_jwt", False):
        return False
    request.csrf_processing_done = request._dont_enforce_csrf_checks = False
    check = CSRFCheck(lambda _: None)
    check.process_request(request)
    reason = check.process_view(request, None, (), {})
    request.csrf_processing_done = request._dont_enforce_csrf_checks = True
    return reason is not None

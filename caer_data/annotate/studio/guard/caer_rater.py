"""Additions to Label Studio's pages for raters: progress, password change and lockout."""

# mypy: ignore-errors
import html
import time
from itertools import pairwise
from pathlib import Path

import caer_lockout
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token

FILES = {"/caer-page.js": "text/javascript", "/caer-page.css": "text/css"}
PROGRESS, PASSWORD, LOGIN = "/caer-progress", "/caer-password", "/user/login/"

_BREAK_S = 300  # longer gaps between two answers count as breaks


def file(path):
    """Return a script or style sheet of the pages, which is the same for everybody."""
    text = Path(__file__).with_name(path[1:].replace("-", "_")).read_text(encoding="utf-8")
    return HttpResponse(text, content_type=f"{FILES[path]}; charset=utf-8")


def links():
    """Return the tags for the head of a rater's page."""
    return b'<link rel="stylesheet" href="/caer-page.css"><script src="/caer-page.js"></script>'


def _owns(user, number):
    """Return whether a user may see the project with this number; administrators may see any."""
    return user.is_superuser or str(number) in {str(p.id) for p in projects(user)}


def projects(user):
    """Return a rater's own projects."""
    from projects.models import Project

    mark = f"caer-rater:{user.email.lower()} "
    return list(Project.objects.filter(description__startswith=mark))


def progress(request):
    """Return the caller's progress in their project: clips, pace, time since the last break."""
    from tasks.models import Annotation, Task

    if not request.user.is_authenticated:
        return JsonResponse({"detail": "Log in again."}, status=401)
    number = request.GET.get("project", "")
    if not (number.isdigit() and _owns(request.user, number)):
        return JsonResponse({"detail": "This project is not open to you."}, status=403)
    mine = Annotation.objects.filter(project_id=number, completed_by=request.user)
    times = sorted(when.timestamp() for when in mine.values_list("created_at", flat=True))
    steps = [later - earlier for earlier, later in pairwise(times)]
    work = [step for step in steps if step <= _BREAK_S]
    return JsonResponse(
        {
            "rater": request.user.email,
            "all": Task.objects.filter(project_id=number).count(),
            "done": mine.values("task").distinct().count(),
            "per_hour": 3600 * len(work) / sum(work) if sum(work) > 0 else None,
            "working_s": _since_break(times),
        }
    )


def _since_break(times):
    """Return the seconds of work since the last break; 0 if the last answer was long ago."""
    if not times or time.time() - times[-1] > _BREAK_S:
        return 0.0
    began = times[-1]
    for earlier in reversed(times[:-1]):
        if began - earlier > _BREAK_S:
            break
        began = earlier
    return times[-1] - began


def password(request):
    """Return the page on which the logged-in user changes their own password."""
    if not request.user.is_authenticated:
        return HttpResponseRedirect(f"{LOGIN}?next={PASSWORD}")
    form = PasswordChangeForm(request.user, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, form.user)
        return HttpResponseRedirect("/")
    wrong = "".join(
        f"<li>{html.escape(str(text))}</li>" for texts in form.errors.values() for text in texts
    )
    return HttpResponse(
        _FORM_PAGE.format(
            token=get_token(request), wrong=f'<ul role="alert">{wrong}</ul>' if wrong else ""
        )
    )


_FORM_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Change your password</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26em; margin: 2em auto; padding: 0 1em }}
label {{ display: block; margin: 1em 0 }} input {{ font: inherit; width: 100%; padding: .4em }}
</style>
</head><body><main><h1>Change your password</h1>{wrong}<form method="post">
<input type="hidden" name="csrfmiddlewaretoken" value="{token}">
<label>Current password <input type="password" name="old_password" required
  autocomplete="current-password"></label>
<label>New password, at least 8 characters <input type="password" name="new_password1" required
  minlength="8" maxlength="128" autocomplete="new-password"></label>
<label>Repeat the new password <input type="password" name="new_password2" required
  autocomplete="new-password"></label>
<button>Change</button> <a href="/">Back to the clips</a></form></main></body></html>"""


def is_login(request):
    """Return whether a request is a login attempt."""
    return request.method == "POST" and request.path.rstrip("/") == LOGIN.rstrip("/")


def log_in(request, get_response):
    """Return the login page's response, or a refusal after too many wrong passwords."""
    email = request.POST.get("email", "").strip().lower()[:254]
    if caer_lockout.is_locked(email):
        return HttpResponse(
            f"Too many wrong passwords; try again in {caer_lockout.LOCKED_S // 60} minutes.",
            status=429,
            content_type="text/plain; charset=utf-8",
        )
    response = get_response(request)
    if response.status_code == 200:  # the form is shown again, with its errors
        caer_lockout.record_failure(email)
    elif response.status_code == 302:
        caer_lockout.clear_failures(email)
    return response

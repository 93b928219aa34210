"""BlindGuard: raters can access their own project, tasks, answers and clips, and nothing else.

Open-source Label Studio has a single role: every logged-in user may read, change and delete
everything. This Django middleware restricts raters to what blind rating needs, with an allow-list.
A view that is not listed below is forbidden, whatever its path. A listed view can be called only as
the labelling page calls it. The administrator (a superuser) is not restricted.

A project belongs to the rater named at the start of its description, `caer-rater:<e-mail> `, which
only an administrator can write.
"""

# mypy: ignore-errors
# ruff: noqa: D102
import json
import posixpath

import caer_csrf
import caer_moved_folder
import caer_rater
import caer_training
from caer_message import UnclearError, is_plain, is_result, length_of, normalise
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.settings import api_settings

GUARD_VERSION = 1

# Files of the pages, which are the same for everybody and contain no data.
STATIC = ("/static/", "/react-app/", "/label-studio-frontend/", "/dm/", "/favicon.ico", "/sw")

# Views that reveal nothing about anybody but the caller.
OPEN = {
    "user-login": {"GET", "POST"},
    "user-signup": {"GET"},
    "logout": {"GET", "POST"},
    "health": {"GET"},
    "collect_metrics": {"GET"},
    "feature_flags": {"GET"},
    "current-user-whoami": {"GET"},
    "current-user-hotkeys": {"GET"},
    "product-tour": {"GET"},
    "version": {"GET"},
}

# Forms that affect only the caller; Django itself parses and protects them.
FORMS = {("POST", "user-login"), ("POST", "logout")}

ANSWER_FIELDS = {
    "result", "lead_time", "draft_id", "parent_prediction", "parent_annotation", "started_at",
    "project", "task", "completed_by", "id", "unique_id", "was_cancelled", "ground_truth",
}  # fmt: skip

QUERY_FIELDS = {
    "project", "view", "tabID", "id", "page", "page_size", "fields", "include", "interaction",
}  # fmt: skip


class BlindGuard:
    """Refuses every request of a rater that blind rating does not need."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        caer_moved_folder.update_paths()
        if request.path.rstrip("/") == "/caer-guard":
            return JsonResponse({"guard": GUARD_VERSION})
        if request.path == caer_csrf.PATH:
            return caer_csrf.script()
        if request.path in caer_rater.FILES:
            return caer_rater.file(request.path)
        if request.path == caer_training.PATH:
            return caer_training.script()
        response = caer_training.add_known_answer(request, self._respond(request))
        return caer_csrf.add_script(request, response, _extras(request))

    def _respond(self, request):
        """Return the guard's own response for its own pages, else Label Studio's."""
        if request.path == caer_rater.PROGRESS and request.method == "GET":
            return caer_rater.progress(request)
        if request.path == caer_rater.PASSWORD and request.method in ("GET", "POST"):
            if request.method == "POST" and caer_csrf.is_forged(request):
                return _refusal(403, "This page's security token is missing. Reload the page.")
            return caer_rater.password(request)
        if request.path.startswith("/heidi-tips"):  # Label Studio would fetch them from elsewhere
            return JsonResponse({})
        if caer_rater.is_login(request):
            return caer_rater.log_in(request, self.get_response)
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        """Return 403 instead of calling the view, unless every identity in the request may call it.

        An ambiguous request is answered with 400 before anything else is checked. A request with a
        session cookie but without the page's token is forbidden to everybody.
        """
        try:
            length_of(request.META)
        except UnclearError as error:
            return _refusal(400, str(error))
        if caer_csrf.is_forged(request):
            return _refusal(403, "This page's security token is missing. Reload the page.")
        raters = [user for user in _identities(request) if not user.is_superuser]
        if not raters:
            return None
        try:
            sent = {} if (request.method, _view_name(request)) in FORMS else normalise(request)
        except UnclearError as error:
            return _refusal(400, str(error))
        refusals = (RaterRequest(request, user, kwargs, sent).refuse() for user in raters)
        return next((refused for refused in refusals if refused is not None), None)


def _extras(request):
    """Return the tags that are added to raters' pages and to the login page."""
    return b"" if request.user.is_superuser else caer_rater.links() + caer_training.link()


def _refusal(status, text):
    return JsonResponse({"detail": text, "status_code": status}, status=status)


def _view_name(request):
    return request.resolver_match.view_name.rsplit(":", 1)[-1]


def _identities(request):
    """Return all users a request can act as: by session, by JWT, or by any scheme of the API.

    A request with two identities (such as a cookie and a token) must be allowed for both, because
    the view may use either.
    """
    users = [request.user] if request.user.is_authenticated else []
    for scheme in api_settings.DEFAULT_AUTHENTICATION_CLASSES:
        try:
            found = scheme().authenticate(Request(request))
        except APIException:
            continue  # the view answers it with 401
        if found is not None and found[0] not in users:
            users.append(found[0])
    return users


class RaterRequest:
    """One request of one rater; `sent` is the JSON object in its body.

    The methods `own_*`, `new_answer`, `next_task` and `task_draft` are rules: they return whether
    the request is allowed.
    """

    def __init__(self, request, user, kwargs, sent):
        self.request = request
        self.user = user
        self.kwargs = kwargs
        self.sent = sent
        self.method = "GET" if request.method == "HEAD" else request.method
        self.name = _view_name(request)
        self._own = None

    def refuse(self):
        """Return the response that refuses the request, or None to let it pass."""
        path = posixpath.normpath(self.request.path)
        if self.method == "GET" and self.request.path.startswith(STATIC):
            return None
        if self.method in OPEN.get(self.name, ()):
            return None
        if self.method == "GET" and self.name in ANSWERED_HERE:
            return ANSWERED_HERE[self.name](self)
        rule = RULES.get((self.method, self.name))
        if rule is not None and rule(self):
            return None
        text = "This page is not open to raters."
        if path.startswith("/api"):
            return _refusal(403, text)
        return HttpResponse(text, status=403, content_type="text/plain")

    def home(self):
        """Redirect a rater from the start page to the next clip."""
        projects = sorted(self.projects(), key=lambda p: (_unanswered(p, self.user) == 0, p.id))
        if not projects:
            return HttpResponse(
                "There is nothing to rate for you yet.", content_type="text/plain; charset=utf-8"
            )
        return HttpResponseRedirect(f"/projects/{projects[0].id}/data?labeling=1")

    def only_me(self):
        """Return the list of users, which the page needs, with the rater as the only one."""
        me = self.user
        about = {"id": me.id, "email": me.email, "username": me.username, "avatar": None,
                 "first_name": me.first_name, "last_name": me.last_name,
                 "initials": me.get_initials()}  # fmt: skip
        return JsonResponse([about], safe=False)

    def empty_list(self):
        """Return an empty list, for objects that raters do not have."""
        return JsonResponse([], safe=False)

    def empty_page(self):
        """Return an empty list in the format of paginated lists."""
        return JsonResponse({"count": 0, "next": None, "previous": None, "results": []})

    def projects(self):
        """Return the rater's own projects."""
        if self._own is None:
            self._own = caer_rater.projects(self.user)
        return self._own

    def owns(self, project):
        """Return whether a project id, as a number or text, is one of the rater's own."""
        return str(project) in {str(p.id) for p in self.projects()}

    def own_path(self):
        """The project in the path is the rater's own."""
        return self.owns(self.kwargs["pk"])

    def own_query(self):
        """Every project named in the query or the body is the rater's, and no filter joins tables.

        Label Studio passes the field names of filters to the database, where a double underscore
        follows a relation. This could reveal other people's answers through the rater's own tasks.
        Filters in the query string (`query`) are not needed; those in the body are checked.
        """
        sent = self.sent
        if not set(self.request.GET) <= QUERY_FIELDS:
            return False
        asked = self.request.GET
        named = [*asked.getlist("project"), *([sent["project"]] if "project" in sent else [])]
        views = [*asked.getlist("view"), *([sent["view"]] if "view" in sent else [])]
        return (
            bool(named)
            and all(self.owns(project) for project in named)
            and all(self._owns_view(view) for view in views)
            and "__" not in json.dumps(sent)
        )

    def _owns_view(self, pk):
        from data_manager.models import View

        view = View.objects.filter(pk=pk).first() if str(pk).isdigit() else None
        return view is not None and self.owns(view.project_id)

    def own_view(self):
        """The tab in the path, and the data written to it, belong to the rater's own project."""
        sent = self.sent
        return (
            self._owns_view(self.kwargs["pk"])
            and ("project" not in sent or self.owns(sent["project"]))
            and "__" not in json.dumps(sent)
        )

    def own_task(self):
        """The task in the path belongs to one of the rater's projects."""
        from tasks.models import Task

        task = Task.objects.filter(pk=self.kwargs["pk"]).first()
        return task is not None and self.owns(task.project_id)

    def next_task(self):
        """The action is `next_task`, the only one that the labelling page calls."""
        return self.request.GET.getlist("id") == ["next_task"] and self.own_query()

    def _is_own_answer(self, task_id, project_id):
        """Return whether the body names no other author, project or task."""
        sent = self.sent
        return (
            set(sent) <= ANSWER_FIELDS
            and is_plain(sent)
            and is_result(sent.get("result", []))
            and str(sent.get("completed_by", self.user.id)) == str(self.user.id)
            and str(sent.get("project", project_id)) == str(project_id)
            and str(sent.get("task", task_id)) == str(task_id)
            and not sent.get("ground_truth")
            and not sent.get("parent_annotation")
            and not (set(self.request.GET) - {"project", "taskID"})
        )

    def new_answer(self):
        """The request is the first answer to one of the rater's tasks.

        With a second answer, it would be unclear which one counts.
        """
        from tasks.models import Annotation, Task

        task = Task.objects.filter(pk=self.kwargs["pk"]).first()
        return (
            task is not None
            and self.owns(task.project_id)
            and self._is_own_answer(task.id, task.project_id)
            and not Annotation.objects.filter(task=task, completed_by=self.user).exists()
        )

    def own_answer(self):
        """The rater gave the answer in the path, in one of their own projects."""
        from tasks.models import Annotation

        answer = Annotation.objects.filter(pk=self.kwargs["pk"]).first()
        return (
            answer is not None
            and answer.completed_by_id == self.user.id
            and self.owns(answer.project_id)
            and (
                self.method == "GET"
                # in a training, the rater has seen the known answer, so theirs is final
                or (
                    not caer_training.is_training(answer.project)
                    and self._is_own_answer(answer.task_id, answer.project_id)
                )
            )
        )

    def task_draft(self):
        """The draft belongs to the rater's own task (and answer)."""
        from tasks.models import Annotation

        answer_id = self.kwargs.get("annotation_id")
        mine = (
            answer_id is None
            or Annotation.objects.filter(
                pk=answer_id, task_id=self.kwargs["pk"], completed_by=self.user
            ).exists()
        )
        return mine and self.own_task() and self._is_draft()

    def own_draft(self):
        """The rater wrote the draft in the path."""
        from tasks.models import AnnotationDraft

        draft = AnnotationDraft.objects.filter(pk=self.kwargs["pk"], user=self.user).first()
        return draft is not None and self.owns(draft.task.project_id) and self._is_draft()

    def _is_draft(self):
        sent = self.sent
        allowed = {"result", "lead_time", "draft_id", "parent_prediction", "parent_annotation",
                   "started_at", "project", "was_postponed", "id"}  # fmt: skip
        return (
            set(sent) <= allowed
            and is_plain(sent)
            and is_result(sent.get("result", []))
            and ("project" not in sent or self.owns(sent["project"]))
            and not sent.get("parent_annotation")
        )

    def own_account(self):
        """The account in the path is the rater's own."""
        return self.kwargs["pk"] in (self.user.id, str(self.user.id))

    def own_clip(self):
        """The file is in the folder of one of the rater's projects: `clips/<project>/...`."""
        asked = self.request.GET.getlist("d")
        parts = posixpath.normpath(asked[-1]).strip("/").split("/") if len(asked) == 1 else []
        return len(parts) == 3 and parts[0] == "clips" and self.owns(parts[1])

    def own_upload(self):
        """The file was uploaded to one of the rater's projects: `upload/<project>/...`."""
        parts = posixpath.normpath(self.kwargs["filename"]).split("/")
        return len(parts) == 2 and self.owns(parts[0])


# Views that the guard answers itself.
ANSWERED_HERE = {
    "main": RaterRequest.home,
    "project-index": RaterRequest.home,
    "user-list": RaterRequest.only_me,
    "ml-list": RaterRequest.empty_list,
    "label_link-list": RaterRequest.empty_page,
}


def _unanswered(project, user):
    """Return the number of tasks of a project that the rater has not answered."""
    return project.tasks.exclude(annotations__completed_by=user).count()


RULES = {
    ("GET", "project-detail"): RaterRequest.own_path,
    ("GET", "project-next"): RaterRequest.own_path,
    ("GET", "label-stream-history"): RaterRequest.own_path,
    ("GET", "project-data"): RaterRequest.own_path,
    ("GET", "dm-project"): RaterRequest.own_query,
    ("GET", "dm-columns"): RaterRequest.own_query,
    ("GET", "dm-actions"): RaterRequest.own_query,
    ("POST", "dm-actions"): RaterRequest.next_task,
    ("GET", "view-list"): RaterRequest.own_query,
    ("POST", "view-list"): RaterRequest.own_query,
    ("GET", "view-detail"): RaterRequest.own_view,
    ("PATCH", "view-detail"): RaterRequest.own_view,
    ("GET", "task-list"): RaterRequest.own_query,
    ("GET", "task-detail"): RaterRequest.own_task,
    ("GET", "task-annotations"): RaterRequest.own_task,
    ("POST", "task-annotations"): RaterRequest.new_answer,
    ("GET", "task-drafts"): RaterRequest.own_task,
    ("POST", "task-drafts"): RaterRequest.task_draft,
    ("POST", "task-annotations-drafts"): RaterRequest.task_draft,
    ("GET", "annotation-detail"): RaterRequest.own_answer,
    ("PATCH", "annotation-detail"): RaterRequest.own_answer,
    ("PATCH", "draft-detail"): RaterRequest.own_draft,
    ("DELETE", "draft-detail"): RaterRequest.own_draft,
    ("GET", "user-detail"): RaterRequest.own_account,
    ("GET", "localfiles_data"): RaterRequest.own_clip,
    ("GET", "data-upload"): RaterRequest.own_upload,
}

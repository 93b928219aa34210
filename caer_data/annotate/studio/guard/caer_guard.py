"""BlindGuard: a rater reaches their own project, tasks, answers and clips, and nothing else.

Open-source Label Studio has one role: whoever is logged in may read, change and delete everything.
This Django middleware adds what blind rating needs. It works by allow-list: a view that is not
named below is forbidden, whatever its path; so is any way to call a named view that the labelling
page does not use. The administrator (a superuser) is let through.

A project belongs to the rater named at the start of its description, `caer-rater:<e-mail> `, which
only an administrator can write.
"""

# mypy: ignore-errors
# ruff: noqa: D102
import json
import posixpath

import caer_csrf
import caer_places
import caer_rater
import caer_training
from caer_message import UnclearError, is_plain, is_result, length_of, settle
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.settings import api_settings

GUARD_VERSION = 1

# Files of the pages themselves: the same for everybody, no data.
STATIC = ("/static/", "/react-app/", "/label-studio-frontend/", "/dm/", "/favicon.ico", "/sw")

# Views that tell about nobody but the caller.
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

# Forms of the pages, which reach nobody but the caller; Django itself reads and protects them.
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
        caer_places.follow_the_folder()
        if request.path.rstrip("/") == "/caer-guard":
            return JsonResponse({"guard": GUARD_VERSION})
        if request.path == caer_csrf.PATH:
            return caer_csrf.script()
        if request.path in caer_rater.FILES:
            return caer_rater.file(request.path)
        if request.path == caer_training.PATH:
            return caer_training.script()
        response = caer_training.tell(request, self._respond(request))
        return caer_csrf.add_script(request, response, _extras(request))

    def _respond(self, request):
        """Answer the guard's own pages, and let the others be answered."""
        if request.path == caer_rater.PROGRESS and request.method == "GET":
            return caer_rater.progress(request)
        if request.path == caer_rater.PASSWORD and request.method in ("GET", "POST"):
            if request.method == "POST" and caer_csrf.is_forged(request):
                return _refusal(403, "This page's security token is missing. Reload the page.")
            return caer_rater.password(request)
        if request.path.startswith("/heidi-tips"):  # Label Studio would ask another host for them
            return JsonResponse({})
        if caer_rater.is_login(request):
            return caer_rater.log_in(request, self.get_response)
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        """Answer 403 instead of calling the view, unless every identity in the request may.

        What is not clear is answered 400, before anything in it is judged; what a session sends
        without the token of its page is forbidden to everybody.
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
            sent = {} if (request.method, _view_name(request)) in FORMS else settle(request)
        except UnclearError as error:
            return _refusal(400, str(error))
        refusals = (Visit(request, user, kwargs, sent).refuse() for user in raters)
        return next((refused for refused in refusals if refused is not None), None)


def _extras(request):
    """What raters' pages get, and the page on which they log in."""
    return b"" if request.user.is_superuser else caer_rater.links() + caer_training.link()


def _refusal(status, text):
    return JsonResponse({"detail": text, "status_code": status}, status=status)


def _view_name(request):
    return request.resolver_match.view_name.rsplit(":", 1)[-1]


def _identities(request):
    """Everybody a request can act as: by session or JWT, and by any scheme of the API's own.

    A request that carries two (such as a cookie and a token) must be allowed for both, so that it
    does not matter which of them a view believes.
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


class Visit:
    """One request of one rater; `sent` is the JSON object in its body."""

    def __init__(self, request, user, kwargs, sent):
        self.request = request
        self.user = user
        self.kwargs = kwargs
        self.sent = sent
        self.method = "GET" if request.method == "HEAD" else request.method
        self.name = _view_name(request)
        self._own = None

    def refuse(self):
        """The response that refuses the request, or None to let it pass."""
        path = posixpath.normpath(self.request.path)
        if self.method == "GET" and self.request.path.startswith(STATIC):
            return None
        if self.method in OPEN.get(self.name, ()):
            return None
        if self.method == "GET" and self.name in INSTEAD:
            return INSTEAD[self.name](self)
        rule = RULES.get((self.method, self.name))
        if rule is not None and rule(self):
            return None
        text = "This page is not open to raters."
        if path.startswith("/api"):
            return _refusal(403, text)
        return HttpResponse(text, status=403, content_type="text/plain")

    def home(self):
        """Lead a rater from the start page to the next clip."""
        projects = sorted(self.projects(), key=lambda p: (_left(p, self.user) == 0, p.id))
        if not projects:
            return HttpResponse(
                "There is nothing to rate for you yet.", content_type="text/plain; charset=utf-8"
            )
        return HttpResponseRedirect(f"/projects/{projects[0].id}/data?labeling=1")

    def only_me(self):
        """The list of users, which the page needs, holding the rater alone."""
        me = self.user
        about = {"id": me.id, "email": me.email, "username": me.username, "avatar": None,
                 "first_name": me.first_name, "last_name": me.last_name,
                 "initials": me.get_initials()}  # fmt: skip
        return JsonResponse([about], safe=False)

    def no_list(self):
        """An empty list, where the page asks for what raters have none of."""
        return JsonResponse([], safe=False)

    def no_pages(self):
        """The same as a list in pages."""
        return JsonResponse({"count": 0, "next": None, "previous": None, "results": []})

    def projects(self):
        """The rater's own projects."""
        if self._own is None:
            self._own = caer_rater.projects(self.user)
        return self._own

    def owns(self, project):
        """Whether a project id, as number or text, is one of the rater's own."""
        return str(project) in {str(p.id) for p in self.projects()}

    def own_path(self):
        """The project in the path is the rater's own."""
        return self.owns(self.kwargs["pk"])

    def own_query(self):
        """Every project named in the query or the body is own, and no filter joins tables.

        Label Studio passes the field names of filters to the database, where a double underscore
        follows a relation: that could ask about other people's answers through own tasks. Filters
        in the query (`query`) are not needed; those in the body are looked through.
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
        """The tab in the path, and what is written to it, belong to the rater's own project."""
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
        """The one action that the labelling page calls."""
        return self.request.GET.getlist("id") == ["next_task"] and self.own_query()

    def _is_own_answer(self, task_id, project_id):
        """What is sent names nobody else as its author and no other place."""
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
        """A first answer to an own task; a second one would leave the order of answers open."""
        from tasks.models import Annotation, Task

        task = Task.objects.filter(pk=self.kwargs["pk"]).first()
        return (
            task is not None
            and self.owns(task.project_id)
            and self._is_own_answer(task.id, task.project_id)
            and not Annotation.objects.filter(task=task, completed_by=self.user).exists()
        )

    def own_answer(self):
        """An answer that the rater gave, in an own project."""
        from tasks.models import Annotation

        answer = Annotation.objects.filter(pk=self.kwargs["pk"]).first()
        return (
            answer is not None
            and answer.completed_by_id == self.user.id
            and self.owns(answer.project_id)
            and (
                self.method == "GET"
                # in a training the known answer was told, so the rater's own stands
                or (
                    not caer_training.is_training(answer.project)
                    and self._is_own_answer(answer.task_id, answer.project_id)
                )
            )
        )

    def task_draft(self):
        """A draft beside an own task (and own answer)."""
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
        """A draft that the rater wrote."""
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

    def myself(self):
        """The rater's own account, read-only."""
        return self.kwargs["pk"] in (self.user.id, str(self.user.id))

    def own_clip(self):
        """A file that lies in the folder of an own project: `clips/<project>/...`."""
        asked = self.request.GET.getlist("d")
        parts = posixpath.normpath(asked[-1]).strip("/").split("/") if len(asked) == 1 else []
        return len(parts) == 3 and parts[0] == "clips" and self.owns(parts[1])

    def own_upload(self):
        """A file uploaded to an own project: `upload/<project>/...`."""
        parts = posixpath.normpath(self.kwargs["filename"]).split("/")
        return len(parts) == 2 and self.owns(parts[0])


# Answered by the guard instead of the view.
INSTEAD = {
    "main": Visit.home,
    "project-index": Visit.home,
    "user-list": Visit.only_me,
    "ml-list": Visit.no_list,
    "label_link-list": Visit.no_pages,
}


def _left(project, user):
    """Tasks of a project that the rater has not answered."""
    return project.tasks.exclude(annotations__completed_by=user).count()


RULES = {
    ("GET", "project-detail"): Visit.own_path,
    ("GET", "project-next"): Visit.own_path,
    ("GET", "label-stream-history"): Visit.own_path,
    ("GET", "project-data"): Visit.own_path,
    ("GET", "dm-project"): Visit.own_query,
    ("GET", "dm-columns"): Visit.own_query,
    ("GET", "dm-actions"): Visit.own_query,
    ("POST", "dm-actions"): Visit.next_task,
    ("GET", "view-list"): Visit.own_query,
    ("POST", "view-list"): Visit.own_query,
    ("GET", "view-detail"): Visit.own_view,
    ("PATCH", "view-detail"): Visit.own_view,
    ("GET", "task-list"): Visit.own_query,
    ("GET", "task-detail"): Visit.own_task,
    ("GET", "task-annotations"): Visit.own_task,
    ("POST", "task-annotations"): Visit.new_answer,
    ("GET", "task-drafts"): Visit.own_task,
    ("POST", "task-drafts"): Visit.task_draft,
    ("POST", "task-annotations-drafts"): Visit.task_draft,
    ("GET", "annotation-detail"): Visit.own_answer,
    ("PATCH", "annotation-detail"): Visit.own_answer,
    ("PATCH", "draft-detail"): Visit.own_draft,
    ("DELETE", "draft-detail"): Visit.own_draft,
    ("GET", "user-detail"): Visit.myself,
    ("GET", "localfiles_data"): Visit.own_clip,
    ("GET", "data-upload"): Visit.own_upload,
}

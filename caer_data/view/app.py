"""Routes of the page: JSON, pictures and clips by identifier, and the page's own files.

This is the only module that imports Starlette. No path of a request reaches the file system:
identifiers are looked up in the catalogue, and the page's files in a table made at startup.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from caer_data.engine.errors import CaerError
from caer_data.engine.files import inside
from caer_data.view import choices, gallery, query, timeline
from caer_data.view.catalogue import UnknownNameError
from caer_data.view.session import Session, Shown

_TYPES: Final = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
_FRESH: Final = {"cache-control": "no-store"}
_KEPT: Final = {"cache-control": "private, max-age=3600"}

Answer = Callable[[Session, Request], Any]


def application(session: Session) -> Starlette:
    """Return the web application of one session."""
    static = _static()
    routes = [Route("/", _file(*static["index.html"]))]
    routes += [
        Route(f"/{name}", _file(*found)) for name, found in static.items() if name != "index.html"
    ]
    routes += [Route(path, _json(session, answer)) for path, answer in _ANSWERS.items()]
    routes += [
        *(
            Route(path, _decision(session, decide), methods=["POST"])
            for path, decide in _DECIDING.items()
        ),
        Route("/picture/clip/{name}", _jpeg(session, lambda s, n: s.shown.thumbnails.clip(n))),
        Route("/picture/shot/{name}", _jpeg(session, lambda s, n: s.shown.thumbnails.shot(n))),
        Route("/picture/face/{name}", _jpeg(session, lambda s, n: s.shown.thumbnails.face(n))),
        Route("/media/{name}", _media(session)),
    ]
    handlers: dict[Any, Any] = {
        UnknownNameError: _error_page(404),
        CaerError: _error_page(409),
        HTTPException: _told_http,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


def _overview(session: Session, request: Request) -> dict[str, Any]:
    catalogue = session.shown.catalogue
    clips = catalogue.clips
    return {
        "dataset": session.folder.resolve().name,
        "clips": len(clips),
        "kept": int((clips["status"] != "dropped").sum()),
        "labelled": int(clips["label"].eq("kept").fillna(False).sum()),
        "videos": len(catalogue.videos),
        "people": len(catalogue.people),
        "numbers": session.shown.index.numbers,
        "names": catalogue.people["name"].dropna().to_dict(),
    }


def _clips(session: Session, request: Request) -> dict[str, Any]:
    asked = query.parse(request.query_params.multi_items())
    first, count = query.page_of(request.query_params)
    return session.shown.page(asked, first, count)


def _facets(session: Session, request: Request) -> dict[str, Any]:
    return session.shown.index.facets(query.parse(request.query_params.multi_items()))


def _clip(session: Session, request: Request) -> dict[str, Any]:
    found = timeline.clip(session.shown.catalogue, request.path_params["name"])
    decision = session.shown.clips["decision"].iloc[found["place"]]
    said = session.shown.catalogue.said
    return found | {
        "decision": decision if isinstance(decision, str) else None,
        "models": said.of(found["clip_key"]) if said else [],
        "attention": said.attention(found["clip_key"]) if said else None,
    }


def _video(shown: Shown, name: str) -> dict[str, Any]:
    return timeline.video(shown.catalogue, shown.decisions, name)


def _person(shown: Shown, name: str) -> dict[str, Any]:
    return gallery.person(shown.catalogue, shown.decisions, name)


def _decide(session: Session, values: Any) -> dict[str, str]:
    """Write one decision; it takes effect with the next build."""
    if not isinstance(values, dict):
        raise CaerError("a decision must be a JSON object")
    return {"key": choices.decide(session.shown.catalogue, values).key}


def _decide_all(session: Session, values: Any) -> dict[str, int]:
    """Keep or drop all clips that a query finds; return their number."""
    if not isinstance(values, dict) or not isinstance(values.get("query"), str):
        raise CaerError("a decision must be a JSON object")
    shown = session.shown
    indices = shown.index.find(query.parse(parse_qsl(values["query"])))
    clips = shown.clips["clip_id"].iloc[indices].tolist()
    return {"clips": choices.decide_all(shown.catalogue, clips, values)}


def _undo_all(session: Session, values: Any) -> dict[str, int]:
    if not isinstance(values, dict):
        raise CaerError("a decision must be a JSON object")
    return {"undone": choices.undo_all(session.shown.catalogue, values)}


_DECIDING: Final[dict[str, Callable[[Session, Any], Any]]] = {
    "/api/decide": _decide,
    "/api/decide-all": _decide_all,
    "/api/undo-all": _undo_all,
}

_ANSWERS: Final[dict[str, Answer]] = {
    "/api/overview": _overview,
    "/api/clips": _clips,
    "/api/facets": _facets,
    "/api/clip/{name}": _clip,
    "/api/videos": lambda s, r: timeline.videos(s.shown.catalogue),
    "/api/video/{name}": lambda s, r: _video(s.shown, r.path_params["name"]),
    "/api/decisions": lambda s, r: choices.listed(s.shown.catalogue, s.shown.decisions),
    "/api/people": lambda s, r: gallery.people(s.shown.catalogue, s.shown.decisions),
    "/api/person/{name}": lambda s, r: _person(s.shown, r.path_params["name"]),
}


def _json(session: Session, answer: Answer) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        values = await run_in_threadpool(answer, session, request)
        return _as_json(values)

    return endpoint


def _decision(session: Session, decide: Callable[[Session, Any], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            values = await request.json()
        except (ValueError, RecursionError) as error:
            raise CaerError("a decision must be a JSON object") from error
        return _as_json(await run_in_threadpool(decide, session, values))

    return endpoint


def _as_json(values: Any, status: int = 200) -> Response:
    text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    return Response(text, status, _FRESH, "application/json")


def _jpeg(session: Session, find: Callable[[Session, str], bytes]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        data = await run_in_threadpool(find, session, request.path_params["name"])
        return Response(data, 200, _KEPT, "image/jpeg")

    return endpoint


def _media(session: Session) -> Callable[[Request], Any]:
    """Return an endpoint that serves a clip's file, or the range that the browser requests."""

    async def endpoint(request: Request) -> Response:
        row = await run_in_threadpool(session.shown.catalogue.clip, request.path_params["name"])
        path = inside(session.folder, row["path"]) if isinstance(row["path"], str) else None
        if path is None or not path.is_file():
            raise UnknownNameError("the clip has no file: it was dropped, or the file is gone")
        return FileResponse(path, media_type="video/mp4", headers=_KEPT)

    return endpoint


def _file(data: bytes, kind: str) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return Response(data, 200, {"cache-control": "no-cache"}, kind)

    return endpoint


def _static() -> dict[str, tuple[bytes, str]]:
    """Return the page's own files by name: content and type."""
    folder = importlib.resources.files("caer_data.view") / "static"
    return {
        item.name: (item.read_bytes(), _TYPES[item.name.rpartition(".")[2]])
        for item in folder.iterdir()
        if item.name.rpartition(".")[2] in _TYPES
    }


def _error_page(status: int) -> Callable[[Request, Exception], Any]:
    async def handler(request: Request, error: Exception) -> Response:
        return _as_json({"error": str(error)}, status)

    return handler


async def _told_http(request: Request, error: HTTPException) -> Response:
    return _as_json({"error": error.detail}, error.status_code)

"""Serve the page on 127.0.0.1 until it is stopped. This is the only module that imports uvicorn."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from caer_data.engine.errors import CaerError
from caer_data.view.app import application
from caer_data.view.guard import Guard
from caer_data.view.session import Session


def listen(port: int) -> socket.socket:
    """Return a socket on 127.0.0.1; port 0 chooses a free port.

    Raises:
        CaerError: the port is in use.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(("127.0.0.1", port))
    except OSError as error:
        found.close()
        raise CaerError(
            f"port {port} cannot be used ({error.strerror}); leave out --port to take a free one"
        ) from error
    return found


def serve(session: Session, port: int, ready: Callable[[Guard], None]) -> None:
    """Serve until Ctrl-C.

    Args:
        session: the dataset.
        port: the port; 0 chooses a free one.
        ready: called with the guard, which knows the address, before the first request.

    Raises:
        CaerError: the port is in use.
    """
    with listen(port) as where:
        guard = Guard(application(session), where.getsockname()[1])
        settings = uvicorn.Config(
            guard,
            access_log=False,  # addresses contain the token
            lifespan="off",
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            ws="none",
        )
        ready(guard)
        uvicorn.Server(settings).run(sockets=[where])

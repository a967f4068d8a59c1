"""The sandbox's routes, and the server that serves them on loopback."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from klingflow.errors import UsageError
from klingflow.sandbox import shapes, wire
from klingflow.sandbox.options import Options
from klingflow.sandbox.service import Service, json_reply

HOSTS = ("127.0.0.1", "localhost")


def create_app(options: Options, tell: Callable[[str], None]) -> Starlette:
    """Return the sandbox as an ASGI app.

    Its faults need what `serve` gives them: the connection's transport, and another origin.
    """
    service = Service(options, tell)
    # The name of a web page can be made to mean 127.0.0.1; the browser would then let that page
    # change the options.
    trusted = Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False)
    app = Starlette(
        routes=[
            Route("/v1/videos", service.create, methods=["POST"]),
            Route("/v1/videos/{name}", service.query),
            Route("/v1/videos/{name}/content", service.content),
            Route("/files/{name}", service.file),
            Route("/away/{name}", service.away),
            Route("/refs/{name}", service.ref),
            Route("/sandbox/ledger", service.show_ledger),
            Route("/sandbox/options", service.set_options, methods=["PUT"]),
        ],
        exception_handlers={HTTPException: _unknown},
        middleware=[trusted],
    )
    app.router.redirect_slashes = False
    app.state.service = service
    app.state.away = ""
    return app


async def _unknown(request: Request, error: Exception) -> Response:
    """Answer 404, or 405 with the methods that there are; to OPTIONS those alone."""
    status, headers = 500, {}
    if isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
    if status == 405 and request.method == "OPTIONS":
        return Response(b"", 204, headers)
    message = f"Invalid URL ({request.method} {request.url.path})"
    error_document = shapes.nested_error("invalid_request_error", message)
    return json_reply(error_document, status, headers)


class _Server(uvicorn.Server):
    """uvicorn, which calls `on_ready` when it listens."""

    on_ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()


def serve(options: Options, on_ready: Callable[[str], None], tell: Callable[[str], None]) -> None:
    """Serve on 127.0.0.1 until SIGINT or SIGTERM.

    `on_ready` gets the address, like `http://127.0.0.1:8765`; `tell` gets a line, from any thread,
    for the person who started the sandbox. Raises UsageError for a taken port or a wrong option.
    """
    app = create_app(options, tell)
    main, away = _listen(options.port), _listen(0)
    config = uvicorn.Config(
        app,
        http=wire.OpenProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    app.state.away = _address(away)
    server = _Server(config)
    server.on_ready = lambda: on_ready(_address(main))
    try:
        server.run(sockets=[main, away])
    except KeyboardInterrupt:
        pass  # uvicorn raises the signal again once it has shut down
    finally:
        app.state.service.close()


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only for a socket that names
    # it: 40 ms per reply otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":
        # A port whose last connections still end may be used again; on Windows the same option lets
        # two programs listen on one port. `socket.create_server`: "On POSIX platforms the
        # SO_REUSEADDR socket option is set".
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise UsageError(f"port {port} on 127.0.0.1 cannot be used: {error.strerror}") from error
    return listener


def _address(listener: socket.socket) -> str:
    return "http://{}:{}".format(*listener.getsockname())

"""The way in: the edge around everything, and inside of it the pages of other sites that may send events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from sightline.api.edge import Edge
from sightline.api.problems import problem
from sightline.settings import Settings

FOR_GAMES = ("/api/v1/telemetry", "/logger")
"""What a game in a browser talks to; all else is for our own pages and for servers."""

READABLE = ("RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID")
SENDABLE = ("Authorization", "Content-Type", "Content-Encoding", "Idempotency-Key", "X-Request-ID", "traceparent")

UNASKED = frozenset({"content-length", "content-type"})


def entrance(
    routes: Sequence[BaseRoute], settings: Settings, busiest: Mapping[str, ASGIApp] | None = None
) -> Starlette:
    """The routes behind the edge; without any origin in the settings, no other site is let in.

    `busiest` answers POST at exactly these paths, before any route is looked for.
    """
    middleware = [Middleware(Edge)]
    if settings.cors_origins:
        middleware.append(Middleware(GamesOfOtherSites, origins=settings.cors_origins))
    if busiest:
        middleware.append(Middleware(Busiest, doors=busiest))
    return Starlette(routes=list(routes), middleware=middleware)


class Busiest:
    """ASGI middleware: the few addresses that nearly all requests go to, found by one look into a table."""

    def __init__(self, app: ASGIApp, doors: Mapping[str, ASGIApp]) -> None:
        self.app = app
        self.doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = None
        if scope["type"] == "http" and scope["method"] == "POST":
            found = self.doors.get(scope["path"])
        await (found or self.app)(scope, receive, send)


class GamesOfOtherSites:
    """ASGI middleware: CORS (the fetch standard) for `FOR_GAMES` and nothing else, and never with cookies."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self.app = app
        self.shared = _Cors(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST"),
            allow_headers=SENDABLE,
            expose_headers=READABLE,
            allow_credentials=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shared = scope["type"] == "http" and any(
            scope["path"] == place or scope["path"].startswith(place + "/") for place in FOR_GAMES
        )
        await (self.shared if shared else self.app)(scope, receive, send)


class _Cors(CORSMiddleware):
    """A preflight that is refused is answered by a problem, as everything is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope)
        if scope["method"] == "OPTIONS" and "origin" in asked and "access-control-request-method" in asked:
            await self._answer(Request(scope), asked)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def _answer(self, request: Request, asked: Headers) -> Response:
        answer = self.preflight_response(asked)
        if answer.status_code < HTTPStatus.BAD_REQUEST:
            return answer
        return problem(
            request,
            HTTPStatus.FORBIDDEN,
            code="origin_not_allowed",
            detail="a page of this origin may not send this; the school's settings name the origins that may",
            headers={name: value for name, value in answer.headers.items() if name not in UNASKED},
        )

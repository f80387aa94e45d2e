"""The whole application as it listens: health, numbers, the doors that games use most, the API, the pages."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sightline import metrics
from sightline.api import logger as game_logger
from sightline.api import telemetry
from sightline.api.app import api, health_routes
from sightline.api.callers import Doors, doors, open_doors
from sightline.api.entrance import entrance
from sightline.api.problems import answer_of, problem
from sightline.errors import DatabaseUnavailable, SightlineError
from sightline.settings import LOOPBACK, Settings
from sightline.store.database import Store
from sightline.store.jobs import due_jobs

logger = logging.getLogger("sightline.api")

Pages = Callable[[Doors, Mapping[str, Any]], ASGIApp]
"""Makes the pages from what they reach and from what the API says of itself."""

CLOSING_PATIENCE = 5.0
"""Seconds at the end for events that still wait and for connections; what is not answered may be sent again."""

PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def application(store: Store, settings: Settings, pages: Pages | None = None) -> Starlette:
    """Everything that listens at one address, behind the edge. What it holds ends with it, the store too."""
    opened = open_doors(store, settings)
    served = api(store, settings, opened)
    routes: list[BaseRoute] = [
        Route("/logger/log.php", _Door(game_logger.log), methods=["POST"]),
        Route("/metrics", _Door(numbers)),
        *health_routes(store),
        Mount("/api/v1", served),
    ]
    if pages is not None:
        routes.append(Mount("/", pages(opened, served.openapi())))
    busiest = {
        "/api/v1/telemetry/batch": _Door(telemetry.send_batch),
        "/api/v1/telemetry/events": _Door(telemetry.send_event),
    }
    made = entrance(routes, settings, busiest)
    made.state.doors = opened
    made.router.lifespan_context = lambda _: _held(opened)
    return made


@contextlib.asynccontextmanager
async def _held(opened: Doors) -> AsyncIterator[None]:
    """What the doors hold, for as long as the server runs: at its end, every event that came in is answered."""
    try:
        yield
    finally:
        try:
            async with asyncio.timeout(CLOSING_PATIENCE):
                await opened.gatherer.close()
                await opened.limiter.close()
                await opened.store.close()
        except TimeoutError:
            logger.warning("not everything could be closed in %.0f seconds", CLOSING_PATIENCE)


class _Door:
    """A handler without the framework around it, whose fixed cost is several times that of storing an event.

    The API has the same handlers under the same addresses, for its description; these come first.
    """

    def __init__(self, handler: Callable[[Request], Awaitable[Response]]) -> None:
        self.handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        scope["counted"] = True  # /metrics counts what goes through here: a line in the log only for what fails
        try:
            answer = await self.handler(request)
        except SightlineError as error:
            answer = answer_of(request, error)
        except Exception as error:
            logger.exception("request %s failed", scope.get("trace_id"), exc_info=error)
            detail = "something went wrong here; the trace id finds it in the log"
            answer = problem(request, 500, code="internal_error", detail=detail)
        await answer(scope, receive, send)


async def numbers(request: Request) -> Response:
    """What Prometheus scrapes: with the token of the settings or, without one, from this machine only."""
    settings = doors(request).settings
    if not _may_read_numbers(request, settings.metrics_token):
        return problem(request, 404, code="not_found", detail="there is nothing at this address")
    try:
        async with doors(request).store.work() as work:
            jobs = await due_jobs(work)
    except DatabaseUnavailable:
        jobs = None
    return Response(metrics.exposition(jobs, settings.metrics_folder), media_type="text/plain; version=0.0.4")


def _may_read_numbers(request: Request, token: str | None) -> bool:
    if token is not None:
        stated = request.headers.get("authorization", "")
        return hmac.compare_digest(stated.encode(), f"Bearer {token}".encode())
    host = None if request.client is None else request.client.host
    return host in LOOPBACK and not any(name in request.headers for name in PROXY_HEADERS)

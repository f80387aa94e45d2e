"""The application under /api/v1, and the health routes beside it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from starlette.requests import Request as PlainRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from sightline import __version__
from sightline.api import event_types, growth, launches, results, talk_and_ratings, telemetry
from sightline.api.callers import Doors, doors, now, open_doors, signed_in
from sightline.api.problems import answer_problems, described_problem
from sightline.errors import DatabaseUnavailable
from sightline.pipeline.signing_in import sign_out
from sightline.settings import Settings
from sightline.store.database import Store

READY_TIMEOUT = 2.0
"""Seconds in which the database must answer to be called ready."""

about = APIRouter(tags=["about"])


@dataclass(frozen=True, slots=True)
class Me:
    """Who you are to this system."""

    role: str
    display_name: str
    school_id: UUID
    classes: list[UUID]


@about.get("/auth/me")
async def me(request: Request) -> Me:
    """Who the credential belongs to; a launch is its game, without its student's name."""
    async with doors(request).store.work() as work:
        caller = (await signed_in(request, work, launches=True)).caller
    return Me(caller.role.value, caller.display_name, caller.school_id, sorted(caller.classes))


@about.post("/auth/logout", status_code=204)
async def logout(request: Request) -> Response:
    """End the credential that this request came with."""
    async with doors(request).store.work() as work:
        await sign_out(work, await signed_in(request, work, launches=True), now())
    return Response(status_code=204)


@about.get("/health")
async def health(request: Request) -> dict[str, str]:
    """A summary: version and whether the database answers."""
    answer = await _database_state(doors(request).store)
    return {"version": __version__, "database": answer}


async def _database_state(store: Store) -> str:
    asking = asyncio.create_task(store.ready())
    done, _ = await asyncio.wait({asking}, timeout=READY_TIMEOUT)
    if not done:
        asking.cancel()  # and not waited for: a database that hangs hangs in ending, too
        asking.add_done_callback(_forgotten)
        return "unavailable"
    try:
        asking.result()
    except DatabaseUnavailable:
        return "unavailable"
    return "ready"


def _forgotten(asked: asyncio.Task[None]) -> None:
    """Take note of how an abandoned question ended, so that nothing warns of it."""
    if not asked.cancelled():
        asked.exception()


def health_routes(store: Store) -> list[Route]:
    """/livez depends on nothing; /readyz on the database, within READY_TIMEOUT."""

    async def livez(_: PlainRequest) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def readyz(_: PlainRequest) -> JSONResponse:
        state = await _database_state(store)
        if state == "ready":
            return JSONResponse({"database": state})
        return JSONResponse({"database": state}, 503, headers={"Retry-After": "5"})

    return [Route("/livez", livez), Route("/readyz", readyz)]


def api(store: Store, settings: Settings, opened: Doors | None = None) -> FastAPI:
    """The API, to be mounted at /api/v1; with doors of its own when it shares none."""
    app = FastAPI(
        title="Sightline",
        version=__version__,
        summary="Skills that grades miss, with the moments that each estimate came from.",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses={
            "4XX": described_problem("What was asked cannot be done; the problem says why and what to do"),
            "5XX": described_problem("Something is wrong here; Retry-After says when to try again"),
        },
    )
    app.state.doors = opened or open_doors(store, settings)
    answer_problems(app)
    for routes in (
        telemetry.routes,
        event_types.routes,
        launches.routes,
        talk_and_ratings.routes,
        results.routes,
        growth.routes,
        about,
    ):
        app.include_router(routes)
    return app

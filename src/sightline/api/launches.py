"""Launches: a server key lets one student's game send, for some hours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from sightline.api.callers import doors, now, signed_in, token_of
from sightline.api.edge import read_body
from sightline.api.talk_and_ratings import decoded
from sightline.api.telemetry import body_of
from sightline.errors import NOTHING_HERE, BadInput, NotFound
from sightline.pipeline import launching
from sightline.pipeline.launching import Wanted
from sightline.pipeline.limiting import Standing, headers
from sightline.pipeline.reading import allow
from sightline.pipeline.signing_in import SignedIn
from sightline.security.access import Act
from sightline.security.identity import CredentialKind, kind_of
from sightline.security.launches import LONGEST, verify
from sightline.settings import LimitKind
from sightline.store.database import Work
from sightline.store.launches import Launch

routes = APIRouter(tags=["launches"])

MOST_MINUTES = LONGEST // timedelta(minutes=1)
"""Minutes a launch token works at most, and when nothing else is said."""

IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class WireLaunchWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to play what, for how many minutes."""

    student_id: UUID
    game: Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
    lifetime_minutes: Annotated[int, msgspec.Meta(ge=1, le=MOST_MINUTES)] = MOST_MINUTES


@dataclass(frozen=True, slots=True)
class WireLaunch:
    """A launch with its token: the game sends with it, as `Authorization: Bearer`, for this student only."""

    launch_id: UUID
    launch_token: str
    student_id: UUID
    game: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WireLaunchState:
    """A launch as it is now: `state` is live, ended or expired."""

    launch_id: UUID
    student_id: UUID
    game: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    state: str


@routes.post(
    "/launches",
    status_code=HTTPStatus.CREATED,
    response_model=WireLaunch,
    responses={200: {"model": WireLaunch, "description": "The same Idempotency-Key again: the same launch"}},
    openapi_extra=body_of(WireLaunchWish, "A student, a game, and for how many minutes (480 at most)"),
)
async def make_launch(request: Request, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
    """Let one student's game send events. With an Idempotency-Key, asking again gives the same launch."""
    body = await read_body(request)
    secret_key = doors(request).settings.checked_secret()
    async with doors(request).store.work() as work:
        asking, standing = await _launching(request, work)
        if idempotency_key is not None and not IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            raise BadInput("an Idempotency-Key has 1 to 255 visible ASCII characters", code="bad_idempotency_key")
        wish = decoded(body, WireLaunchWish)
        launch, new = await launching.make_launch(
            work,
            Wanted(
                school_id=asking.caller.school_id,
                credential_id=asking.credential_id,
                student_id=wish.student_id,
                game=wish.game,
                lifetime=timedelta(minutes=wish.lifetime_minutes),
            ),
            idempotency_key=idempotency_key,
            now=now(),
        )
    answer = WireLaunch(
        launch_id=launch.launch_id,
        launch_token=launching.token_for(launch, secret_key),
        student_id=launch.student_id,
        game=launch.game,
        expires_at=launch.expires_at,
    )
    status = HTTPStatus.CREATED if new else HTTPStatus.OK
    return Response(msgspec.json.encode(answer), status, media_type="application/json", headers=headers(standing))


@routes.get("/launches/{launch_id}")
async def launch_state(request: Request, response: Response, launch_id: UUID) -> WireLaunchState:
    """A launch of the server key's school, as it is now."""
    async with doors(request).store.work() as work:
        asking, standing = await _launching(request, work)
        response.headers.update(headers(standing))
        launch = await launching.launch_state(work, asking.caller.school_id, launch_id)
    return _state(launch, now())


@routes.post("/launches/{launch_id}/end", status_code=HTTPStatus.NO_CONTENT)
async def end_launch(request: Request, launch_id: UUID) -> Response:
    """End a launch, with a server key of its school or with the launch token itself. Ending again is the same."""
    token, moment = token_of(request), now()
    async with doors(request).store.work() as work:
        if kind_of(token) is CredentialKind.LAUNCH_TOKEN:
            # the signature is enough: who ends a launch that is ended already is right, too
            claims = verify(token, doors(request).settings.checked_secret(), moment)
            if claims.launch_id != launch_id:
                raise NotFound(NOTHING_HERE)
            school_id = claims.school_id
            standing = await doors(request).limiter.admit(LimitKind.LAUNCH_EVENTS, str(launch_id))
        else:
            asking, standing = await _launching(request, work)
            school_id = asking.caller.school_id
        await launching.end_launch(work, school_id, launch_id, moment)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers(standing))


async def _launching(request: Request, work: Work) -> tuple[SignedIn, Standing]:
    """The server that launches, and where it stands after this request, which counts as one of its events'."""
    asking = await signed_in(request, work)
    allow(asking.caller, Act.LAUNCH)
    standing = await doors(request).limiter.admit(LimitKind.SERVER_EVENTS, str(asking.credential_id))
    return asking, standing


def _state(launch: Launch, at: datetime) -> WireLaunchState:
    state = "ended" if launch.ended_at is not None else "expired" if launch.expires_at <= at else "live"
    return WireLaunchState(
        launch_id=launch.launch_id,
        student_id=launch.student_id,
        game=launch.game,
        created_at=launch.created_at,
        expires_at=launch.expires_at,
        ended_at=launch.ended_at,
        state=state,
    )

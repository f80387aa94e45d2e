"""Launches made, looked up and ended. Of a launch token nothing is stored: it is signed, and can be made again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4, uuid5

from sightline.errors import NOTHING_HERE, Conflict, NotFound, NotSignedIn
from sightline.security.launches import LaunchClaims, sign, verify
from sightline.store import launches, people
from sightline.store.database import Work
from sightline.store.launches import Launch


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which server key launches, for whom, what, and for how long the token is to work."""

    school_id: UUID
    credential_id: UUID
    student_id: UUID
    game: str
    lifetime: timedelta


async def make_launch(
    work: Work, wanted: Wanted, *, idempotency_key: str | None, now: datetime
) -> tuple[Launch, bool]:
    """The launch, and whether it is new. The same idempotency key of the same server key gives the same launch.

    Its id follows from both keys, and its token from what is stored of it, so that no answer has to be kept.
    Raises NotFound for a student who is not of this school, Conflict for the same key with another wish.
    """
    if not await people.known_students(work, wanted.school_id, {wanted.student_id}):
        raise NotFound(NOTHING_HERE, pointer="/student_id")
    made_at = now - timedelta(microseconds=now.microsecond % 1000)  # as precise as the token
    launch = Launch(
        school_id=wanted.school_id,
        launch_id=uuid4() if idempotency_key is None else uuid5(wanted.credential_id, f"launch {idempotency_key}"),
        credential_id=wanted.credential_id,
        student_id=wanted.student_id,
        game=wanted.game,
        created_at=made_at,
        expires_at=made_at + wanted.lifetime,
    )
    if await launches.add_launch(work, launch):
        return launch, True
    stored = await _stored(work, launch.school_id, launch.launch_id)
    if (stored.student_id, stored.game, stored.expires_at - stored.created_at) != (
        wanted.student_id,
        wanted.game,
        wanted.lifetime,
    ):
        raise Conflict(
            "this Idempotency-Key was used for another launch; send a new key with a new wish",
            code="idempotency_key_reused",
        )
    return stored, False


def token_for(launch: Launch, secret_key: str) -> str:
    """The token of a launch: always the same text."""
    claims = LaunchClaims(launch.school_id, launch.student_id, launch.launch_id, launch.expires_at)
    return sign(claims, secret_key)


async def launch_state(work: Work, school_id: UUID, launch_id: UUID) -> Launch:
    """A launch of this school. Raises NotFound."""
    return await _stored(work, school_id, launch_id)


async def end_launch(work: Work, school_id: UUID, launch_id: UUID, now: datetime) -> None:
    """End a launch; ended again, nothing changes. Raises NotFound for one that is none of this school."""
    if not await launches.end_launch(work, school_id, launch_id, now):
        raise NotFound(NOTHING_HERE)


async def live_launch(work: Work, token: str, *, secret_key: str, now: datetime) -> Launch:
    """The launch of this token.

    Raises NotSignedIn: `launch_invalid` and `launch_expired` as `verify` says, `launch_ended` when the launch was
    ended (its token is used again, "replayed"), when its server key was, or when its student is no longer there.
    """
    claims = verify(token, secret_key, now)
    launch = await launches.launch_of(work, claims.school_id, claims.launch_id)
    if launch is None or launch.ended_at is not None or not await launches.key_lives(work, launch, now):
        raise NotSignedIn("this launch was ended; launch the game again", code="launch_ended")
    return launch


async def _stored(work: Work, school_id: UUID, launch_id: UUID) -> Launch:
    found = await launches.launch_of(work, school_id, launch_id)
    if found is None:
        raise NotFound(NOTHING_HERE)
    return found

"""Events, sessions, batches and rejects: appended once, found again by their own ids."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, true, tuple_
from sqlalchemy.dialects.postgresql import insert as pg_insert

from sightline.domain.records import Event
from sightline.store.database import Work
from sightline.store.schema import batches, closures, events, sessions


@dataclass(frozen=True, slots=True)
class SessionState:
    """What is known of a session besides its events."""

    session_id: UUID
    student_id: UUID
    closed_at: datetime | None


async def hold_sittings(work: Work, school_id: UUID, session_ids: Sequence[UUID], *, alone: bool) -> None:
    """Keep reading a sitting whole and adding to it apart until the end of the transaction.

    A sitting is a session, a transcript or an occasion; scoring holds the school's own id alike. Writers of
    events hold it together; closing, mapping and scoring hold it alone. Taken in sorted order, so that two
    batches never wait for each other in a circle.
    """
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    await work.execute(
        text(f"select {lock}(key) from unnest(cast(:keys as bigint[])) as key"),  # noqa: S608
        {"keys": sorted(lock_key(school_id, session_id) for session_id in session_ids)},
    )


def lock_key(school_id: UUID, sitting_id: UUID) -> int:
    """The advisory lock of a sitting: 64 bits of a hash of its school and id."""
    digest = hashlib.blake2b(school_id.bytes + sitting_id.bytes, digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


async def session_states(work: Work, school_id: UUID, session_ids: Sequence[UUID]) -> list[SessionState]:
    found = await work.execute(
        select(sessions.c.session_id, sessions.c.student_id, closures.c.closed_at)
        .outerjoin(
            closures,
            (closures.c.school_id == sessions.c.school_id) & (closures.c.session_id == sessions.c.session_id),
        )
        .where(sessions.c.school_id == school_id, sessions.c.session_id.in_(session_ids))
        .order_by(sessions.c.session_id)
    )
    return [SessionState(row.session_id, row.student_id, row.closed_at) for row in found]


async def events_of_session(work: Work, school_id: UUID, session_id: UUID) -> list[Event]:
    """All events of a session, in no particular order."""
    found = await work.execute(
        select(events).where(events.c.school_id == school_id, events.c.session_id == session_id)
    )
    return [_event(row) for row in found]


async def events_by_id(work: Work, school_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Event]:
    if not ids:
        return {}
    found = await work.execute(select(events).where(events.c.school_id == school_id, events.c.event_id.in_(ids)))
    return {row.event_id: _event(row) for row in found}


def _event(row: Any) -> Event:
    return Event(
        event_id=row.event_id,
        student_id=row.student_id,
        session_id=row.session_id,
        event_type=row.event_type,
        stated_at=row.stated_at,
        occurred_at=row.occurred_at,
        data=row.data,
        mission_id=row.mission_id,
        game_version=row.game_version,
        sequence=row.sequence,
    )


async def close_session(work: Work, school_id: UUID, session_id: UUID, at: datetime, reason: str) -> bool:
    """Close a session; False when it was closed before (the first closing stays)."""
    row = {"school_id": school_id, "session_id": session_id, "closed_at": at, "reason": reason}
    done = await work.execute(
        pg_insert(closures).values(row).on_conflict_do_nothing().returning(closures.c.session_id)
    )
    return done.scalar_one_or_none() is not None


async def idle_sessions(
    work: Work, before: datetime, *, session_id: UUID | None = None
) -> list[tuple[UUID, UUID]]:
    """(school, session) of open sessions whose last event was received before that time; of one id, or all."""
    open_ones = (
        select(sessions.c.school_id, sessions.c.session_id)
        .where(
            ~select(closures.c.session_id)
            .where(closures.c.school_id == sessions.c.school_id, closures.c.session_id == sessions.c.session_id)
            .exists()
        )
        .subquery()
    )
    found = await work.execute(
        select(open_ones.c.school_id, open_ones.c.session_id)
        .join(
            events,
            tuple_(events.c.school_id, events.c.session_id)
            == tuple_(open_ones.c.school_id, open_ones.c.session_id),
        )
        .where(true() if session_id is None else open_ones.c.session_id == session_id)
        .group_by(open_ones.c.school_id, open_ones.c.session_id)
        .having(func.max(events.c.received_at) < before)
        .order_by(open_ones.c.school_id, open_ones.c.session_id)
    )
    return [(row.school_id, row.session_id) for row in found]


async def last_answer(
    work: Work, school_id: UUID, batch_id: UUID, *, launch_id: UUID | None = None
) -> Mapping[str, Any] | None:
    """The answer to the newest attempt at a batch, of that launch or of any; None when it was never seen."""
    found = await work.execute(
        select(batches.c.answer)
        .where(
            batches.c.school_id == school_id,
            batches.c.batch_id == batch_id,
            true() if launch_id is None else batches.c.launch_id == launch_id,
        )
        .order_by(batches.c.attempt.desc())
        .limit(1)
    )
    answer: Mapping[str, Any] | None = found.scalar_one_or_none()
    return answer

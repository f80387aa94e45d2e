"""Events, sessions, batches and rejects: appended once, found again by their own ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, insert, select, text, true, tuple_
from sqlalchemy.dialects.postgresql import insert as pg_insert

from sightline.domain.records import Event
from sightline.store.database import Work
from sightline.store.schema import batches, closures, events, rejects, sessions

INSERT_EVENTS = text(
    """
    insert into events (school_id, event_id, student_id, session_id, event_type, stated_at, occurred_at,
                        received_at, sequence, mission_id, game_version, data, content_hash)
    select cast(:school_id as uuid), e.*
    from unnest(cast(:event_ids as uuid[]), cast(:student_ids as uuid[]), cast(:session_ids as uuid[]),
                cast(:event_types as text[]), cast(:stated as timestamptz[]), cast(:occurred as timestamptz[]),
                cast(:received as timestamptz[]), cast(:sequences as bigint[]), cast(:missions as text[]),
                cast(:versions as text[]), cast(:data as jsonb[]), cast(:hashes as bytea[])) as e
    on conflict (school_id, event_id) do nothing
    returning event_id
    """
)


@dataclass(frozen=True, slots=True)
class SessionState:
    """What is known of a session besides its events."""

    session_id: UUID
    student_id: UUID
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeptReject:
    """A rejected event as its sender may read it."""

    reject_id: int
    batch_id: UUID | None
    received_at: datetime
    event_id: str | None
    code: str
    pointer: str
    detail: str


async def hold_sittings(work: Work, school_id: UUID, session_ids: Sequence[UUID], *, alone: bool) -> None:
    """Keep reading a sitting whole and adding to it apart until the end of the transaction.

    A sitting is a session, a transcript or an occasion; scoring holds the school's own id alike. Writers of
    events hold it together; closing, mapping and scoring hold it alone. Taken in sorted order, so that two
    batches never wait for each other in a circle.
    """
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    keys = [f"{school_id}/{session_id}" for session_id in sorted(session_ids)]
    await work.execute(
        text(f"select {lock}(hashtextextended(key, 0)) from unnest(cast(:keys as text[])) as key"),  # noqa: S608
        {"keys": keys},
    )


async def open_sessions(
    work: Work, school_id: UUID, owners: Mapping[UUID, UUID], at: datetime
) -> Mapping[UUID, SessionState]:
    """Make the sessions that are new, owned by the given students; return the state of all of them."""
    if not owners:
        return {}
    rows = [
        {"school_id": school_id, "session_id": session_id, "student_id": owner, "first_seen_at": at}
        for session_id, owner in sorted(owners.items())
    ]
    await work.execute(pg_insert(sessions).on_conflict_do_nothing(), rows)
    return {s.session_id: s for s in await session_states(work, school_id, list(owners))}


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


async def add_events(
    work: Work, school_id: UUID, new: Sequence[tuple[Event, bytes]], received_at: datetime
) -> tuple[set[UUID], dict[UUID, bytes]]:
    """Append events with their content hashes (no id twice among them).

    Returns the ids that were new, and the stored content hashes of the ids that were not.
    """
    if not new:
        return set(), {}
    rows = sorted(new, key=lambda pair: pair[0].event_id)
    created = await work.execute(
        INSERT_EVENTS,
        {
            "school_id": school_id,
            "event_ids": [e.event_id for e, _ in rows],
            "student_ids": [e.student_id for e, _ in rows],
            "session_ids": [e.session_id for e, _ in rows],
            "event_types": [e.event_type for e, _ in rows],
            "stated": [e.stated_at for e, _ in rows],
            "occurred": [e.occurred_at for e, _ in rows],
            "received": [received_at] * len(rows),
            "sequences": [e.sequence for e, _ in rows],
            "missions": [e.mission_id for e, _ in rows],
            "versions": [e.game_version for e, _ in rows],
            "data": [msgspec.json.encode(e.data).decode() for e, _ in rows],
            "hashes": [content_hash for _, content_hash in rows],
        },
    )
    fresh = set(created.scalars())
    known = [e.event_id for e, _ in rows if e.event_id not in fresh]
    if not known:
        return fresh, {}
    stored = await work.execute(
        select(events.c.event_id, events.c.content_hash).where(
            events.c.school_id == school_id, events.c.event_id.in_(known)
        )
    )
    return fresh, {row.event_id: row.content_hash for row in stored}


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


async def add_batch(
    work: Work,
    school_id: UUID,
    credential_id: UUID,
    *,
    batch_id: UUID,
    received_at: datetime,
    client_version: str | None,
    answer: Mapping[str, object],
) -> None:
    """Keep what became of one attempt at a batch."""
    await work.execute(
        insert(batches).values(
            school_id=school_id,
            batch_id=batch_id,
            credential_id=credential_id,
            received_at=received_at,
            client_version=client_version,
            answer=answer,
        )
    )


async def last_answer(work: Work, school_id: UUID, batch_id: UUID) -> Mapping[str, Any] | None:
    """The answer to the newest attempt at a batch; None when it was never seen."""
    found = await work.execute(
        select(batches.c.answer)
        .where(batches.c.school_id == school_id, batches.c.batch_id == batch_id)
        .order_by(batches.c.attempt.desc())
        .limit(1)
    )
    answer: Mapping[str, Any] | None = found.scalar_one_or_none()
    return answer


async def keep_rejects(work: Work, rows: Sequence[Mapping[str, object]]) -> None:
    """Keep rejected events for their sender; rows carry the columns of the table."""
    if rows:
        await work.execute(insert(rejects), rows)


async def rejects_of(
    work: Work, school_id: UUID, credential_id: UUID, *, after: int, limit: int
) -> list[KeptReject]:
    """Rejects of one credential with an id above `after`, oldest first."""
    found = await work.execute(
        select(rejects)
        .where(
            rejects.c.school_id == school_id,
            rejects.c.credential_id == credential_id,
            rejects.c.reject_id > after,
        )
        .order_by(rejects.c.reject_id)
        .limit(limit)
    )
    return [
        KeptReject(r.reject_id, r.batch_id, r.received_at, r.event_id, r.code, r.pointer, r.detail) for r in found
    ]

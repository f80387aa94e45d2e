"""What a group of requests writes, on the driver's own connection: locks, sessions, events by binary COPY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from sightline.store.database import Driver
from sightline.store.event_rows import COLUMNS, EventRow, copy_stream
from sightline.store.telemetry import lock_key

Key = tuple[UUID, UUID]
"""(school, session) or (school, student)."""

LOCK_PATIENCE: LiteralString = "set local lock_timeout = '1500ms'"

HOLD: LiteralString = "select pg_advisory_xact_lock_shared(key) from unnest(%s::bigint[]) as key"

TRY_HOLD: LiteralString = "select key, pg_try_advisory_xact_lock_shared(key) from unnest(%s::bigint[]) as key"

KNOWN_STUDENTS: LiteralString = """
    select school_id, student_id from students
    where (school_id, student_id) in (select * from unnest(%s::uuid[], %s::uuid[]))
"""

SITTINGS: LiteralString = """
    with named as (
        select * from unnest(%s::uuid[], %s::uuid[], %s::uuid[]) as named (school_id, session_id, student_id)
    ), made as (
        insert into sessions (school_id, session_id, student_id, first_seen_at)
        select school_id, session_id, student_id, %s from named where student_id is not null
        on conflict do nothing
        returning school_id, session_id, student_id
    )
    select named.school_id, named.session_id, coalesce(made.student_id, sessions.student_id),
           closures.session_id is not null
    from named
    left join made using (school_id, session_id)
    left join sessions using (school_id, session_id)
    left join closures using (school_id, session_id)
"""

OWNERS: LiteralString = """
    select school_id, session_id, student_id from sessions
    where (school_id, session_id) in (select * from unnest(%s::uuid[], %s::uuid[]))
"""

COPY_EVENTS: LiteralString = f"copy events ({COLUMNS}) from stdin (format binary)"
COPY_ARRIVING: LiteralString = f"copy arriving ({COLUMNS}) from stdin (format binary)"
ARRIVING: LiteralString = "create temporary table if not exists arriving (like events) on commit delete rows"
MERGE: LiteralString = f"""
    insert into events ({COLUMNS}) select {COLUMNS} from arriving order by event_id
    on conflict (school_id, event_id) do nothing returning school_id, event_id
"""  # noqa: S608 - constants of this package

STORED: LiteralString = """
    select school_id, event_id, content_hash from events
    where (school_id, event_id) in (select * from unnest(%s::uuid[], %s::uuid[]))
"""

ADD_REJECTS: LiteralString = """
    insert into rejects (school_id, credential_id, launch_id, batch_id, received_at, event_id, event_type, code,
                         pointer, detail)
    select * from unnest(
        %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::text[],
        %s::text[], %s::text[]
    )
"""

ADD_BATCHES: LiteralString = """
    insert into batches (school_id, batch_id, credential_id, launch_id, received_at, client_version, answer)
    select * from unnest(
        %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::text[], %s::text[]::jsonb[]
    )
"""


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """What became of one attempt at a batch; `answer` as JSON."""

    school_id: UUID
    batch_id: UUID
    credential_id: UUID
    launch_id: UUID | None
    received_at: datetime
    client_version: str
    answer: str


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An event that was not taken, for its sender to read."""

    school_id: UUID
    credential_id: UUID
    launch_id: UUID | None
    batch_id: UUID | None
    received_at: datetime
    event_id: str | None
    event_type: str | None
    code: str
    pointer: str
    detail: str


async def _rows(driver: Driver, statement: LiteralString, *parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    found = await driver.execute(statement, parameters)
    return [] if found.description is None else await found.fetchall()


def _two(keys: Sequence[Key]) -> tuple[list[UUID], list[UUID]]:
    return [school for school, _ in keys], [other for _, other in keys]


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a group stands on until its transaction ends: sessions are held, so nobody closes one meanwhile.

    busy: sessions that somebody holds alone, for closing or extracting; who waits for them does so apart.
    owners: whose the sessions are, those that were claimed all of them. closed: those that are closed.
    """

    busy: set[Key]
    owners: dict[Key, UUID]
    closed: set[Key]


async def take_grounds(
    driver: Driver, sessions: Sequence[Key], claims: Mapping[Key, UUID], at: datetime
) -> Grounds:
    """Hold sessions together with other writers, make those that are claimed and new, and look at their state.

    One exchange with the server: a wait costs more than what is asked.
    """
    by_key = {lock_key(*session): session for session in sessions}
    ordered = sorted(sessions)
    claimed = [claims.get(session) for session in ordered]
    async with driver.pipeline():
        held = await driver.execute(TRY_HOLD, [sorted(by_key)])
        found = await driver.execute(SITTINGS, (*_two(ordered), claimed, at))
    busy = {by_key[key] for key, got in await held.fetchall() if not got}
    sittings = await found.fetchall()
    owners = {(row[0], row[1]): row[2] for row in sittings if row[2] is not None}
    unseen = [session for session in claims if session not in owners]
    if unseen:  # made by another writer after our statement had begun
        owners |= {(row[0], row[1]): row[2] for row in await _rows(driver, OWNERS, *_two(unseen))}
    return Grounds(busy, owners, closed={(row[0], row[1]) for row in sittings if row[3]})


async def wait_for_sessions(driver: Driver, school_id: UUID, sessions: Sequence[UUID]) -> None:
    """Hold sessions together with other writers, after whoever holds one alone is done.

    Raises psycopg.errors.LockNotAvailable after LOCK_PATIENCE.
    """
    await driver.execute(LOCK_PATIENCE)
    await driver.execute(HOLD, [sorted(lock_key(school_id, session) for session in sessions)])


async def known_students(driver: Driver, students: Sequence[Key]) -> set[Key]:
    """Those that are students of their school."""
    return {(row[0], row[1]) for row in await _rows(driver, KNOWN_STUDENTS, *_two(students))}


async def copy_events(driver: Driver, rows: Sequence[EventRow]) -> None:
    """Append events that are all new. Raises psycopg.errors.UniqueViolation, storing nothing, when one is not."""
    await _copy(driver, COPY_EVENTS, rows)


async def merge_events(driver: Driver, rows: Sequence[EventRow]) -> set[Key]:
    """Append those events that are new; returns the (school, event) ids that were."""
    await driver.execute(ARRIVING)
    await _copy(driver, COPY_ARRIVING, rows)
    return {(row[0], row[1]) for row in await _rows(driver, MERGE)}


async def refused_rows(driver: Driver, rows: Sequence[EventRow]) -> set[UUID]:
    """Ids of events that PostgreSQL cannot hold, tried one by one; nothing is stored."""
    await driver.execute(ARRIVING)
    refused: set[UUID] = set()
    for row in rows:
        try:
            async with driver.transaction(force_rollback=True):
                await _copy(driver, COPY_ARRIVING, [row])
        except psycopg.DataError:
            refused.add(row.event_id)
    return refused


async def _copy(driver: Driver, statement: LiteralString, rows: Sequence[EventRow]) -> None:
    async with driver.cursor() as cursor, cursor.copy(statement) as copy:
        await copy.write(copy_stream([row.packed for row in rows]))


async def stored_hashes(driver: Driver, events: Sequence[Key]) -> dict[Key, bytes]:
    """Content hashes of stored events by (school, event) id."""
    return {(row[0], row[1]): row[2] for row in await _rows(driver, STORED, *_two(events))}


async def keep(driver: Driver, batches: Sequence[KeptBatch], refused: Sequence[RefusedEvent]) -> None:
    """Keep what became of batches and of events that were not taken, for their senders."""
    if refused:
        await _rows(driver, ADD_REJECTS, *_columns(refused))
    if batches:
        await _rows(driver, ADD_BATCHES, *_columns(batches))


def _columns(rows: Sequence[KeptBatch] | Sequence[RefusedEvent]) -> list[list[Any]]:
    """The rows turned on their side, for unnest."""
    return [[getattr(row, field.name) for row in rows] for field in fields(rows[0])]

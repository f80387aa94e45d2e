"""What a group of requests writes, on the driver's own connection: locks, sessions, events by binary COPY."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from sightline.store.database import Driver
from sightline.store.event_rows import COLUMNS, EventRow, copy_stream, json_part, moment_part, packed_row
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

COPY_REJECTS: LiteralString = """copy rejects (school_id, credential_id, launch_id, batch_id, received_at,
    event_id, event_type, code, pointer, detail) from stdin (format binary)"""

COPY_BATCHES: LiteralString = """copy batches (school_id, batch_id, credential_id, launch_id, received_at,
    client_version, answer) from stdin (format binary)"""


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """What became of one attempt at a batch; `answer` as JSON."""

    school_id: UUID
    batch_id: UUID
    credential_id: UUID
    launch_id: UUID | None
    received_at: datetime
    client_version: str
    answer: bytes


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


def _rows(driver: Driver, statement: LiteralString, *parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    found = driver.execute(statement, parameters)
    return [] if found.description is None else found.fetchall()


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


def take_grounds(driver: Driver, sessions: Sequence[Key], claims: Mapping[Key, UUID], at: datetime) -> Grounds:
    """Hold sessions together with other writers, make those that are claimed and new, and look at their state.

    One exchange with the server: a wait costs more than what is asked.
    """
    by_key = {lock_key(*session): session for session in sessions}
    ordered = sorted(sessions)
    claimed = [claims.get(session) for session in ordered]
    with driver.pipeline():
        held = driver.execute(TRY_HOLD, [sorted(by_key)])
        found = driver.execute(SITTINGS, (*_two(ordered), claimed, at))
    busy = {by_key[key] for key, got in held.fetchall() if not got}
    grounds = grounds_of(busy, found.fetchall())
    unseen = [session for session in claims if session not in grounds.owners]
    if unseen:  # made by another writer after our statement had begun
        grounds.owners.update({(row[0], row[1]): row[2] for row in _rows(driver, OWNERS, *_two(unseen))})
    return grounds


def grounds_of(busy: set[Key], sittings: Sequence[tuple[Any, ...]]) -> Grounds:
    """From what SITTINGS has found."""
    return Grounds(
        busy,
        owners={(row[0], row[1]): row[2] for row in sittings if row[2] is not None},
        closed={(row[0], row[1]) for row in sittings if row[3]},
    )


def wait_for_sessions(driver: Driver, school_id: UUID, sessions: Sequence[UUID]) -> None:
    """Hold sessions together with other writers, after whoever holds one alone is done.

    Raises psycopg.errors.LockNotAvailable after LOCK_PATIENCE.
    """
    driver.execute(LOCK_PATIENCE)
    driver.execute(HOLD, [sorted(lock_key(school_id, session) for session in sessions)])


def known_students(driver: Driver, students: Sequence[Key]) -> set[Key]:
    """Those that are students of their school."""
    return {(row[0], row[1]) for row in _rows(driver, KNOWN_STUDENTS, *_two(students))}


def event_rows(rows: Sequence[EventRow]) -> list[bytes]:
    """Rows of COPY_EVENTS in the order of their ids, so that no two writers wait in a circle."""
    return sorted([row.packed for row in rows])


def copy_events(driver: Driver, rows: Sequence[EventRow]) -> None:
    """Append events that are all new. Raises psycopg.errors.UniqueViolation, storing nothing, when one is not."""
    _copy(driver, COPY_EVENTS, event_rows(rows))


def merge_events(driver: Driver, rows: Sequence[EventRow]) -> set[Key]:
    """Append those events that are new; returns the (school, event) ids that were."""
    driver.execute(ARRIVING)
    _copy(driver, COPY_ARRIVING, event_rows(rows))
    return {(row[0], row[1]) for row in _rows(driver, MERGE)}


def refused_rows(driver: Driver, rows: Sequence[EventRow]) -> set[UUID]:
    """Ids of events that PostgreSQL cannot hold, tried one by one; nothing is stored."""
    driver.execute(ARRIVING)
    refused: set[UUID] = set()
    for row in rows:
        try:
            with driver.transaction(force_rollback=True):
                _copy(driver, COPY_ARRIVING, [row.packed])
        except psycopg.DataError:
            refused.add(row.event_id)
    return refused


def _copy(driver: Driver, statement: LiteralString, rows: Iterable[bytes]) -> None:
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(copy_stream(rows))


def stored_hashes(driver: Driver, events: Sequence[Key]) -> dict[Key, bytes]:
    """Content hashes of stored events by (school, event) id."""
    return {(row[0], row[1]): row[2] for row in _rows(driver, STORED, *_two(events))}


def keep(driver: Driver, batches: Sequence[KeptBatch], refused: Sequence[RefusedEvent]) -> None:
    """Keep what became of batches and of events that were not taken, for their senders."""
    for statement, rows in (COPY_REJECTS, refused_rows_of(refused)), (COPY_BATCHES, batch_rows(batches)):
        if rows:
            _copy(driver, statement, rows)


def batch_rows(batches: Sequence[KeptBatch]) -> list[bytes]:
    """Rows of COPY_BATCHES."""
    return [
        packed_row(
            (
                one.school_id.bytes,
                one.batch_id.bytes,
                one.credential_id.bytes,
                _id(one.launch_id),
                moment_part(one.received_at),
                one.client_version.encode(),
                json_part(one.answer),
            )
        )
        for one in batches
    ]


def refused_rows_of(refused: Sequence[RefusedEvent]) -> list[bytes]:
    """Rows of COPY_REJECTS."""
    return [
        packed_row(
            (
                one.school_id.bytes,
                one.credential_id.bytes,
                _id(one.launch_id),
                _id(one.batch_id),
                moment_part(one.received_at),
                None if one.event_id is None else one.event_id.encode(),
                None if one.event_type is None else one.event_type.encode(),
                one.code.encode(),
                one.pointer.encode(),
                one.detail.encode(),
            )
        )
        for one in refused
    ]


def _id(value: UUID | None) -> bytes | None:
    return None if value is None else value.bytes

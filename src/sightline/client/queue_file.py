"""The queue on disk: what is not answered yet, what was not taken, and how far each session has counted.

One SQLite file, readable by its owner only. An event is written once and its bytes never change: the server tells
a resend from a new event by its content. Any number of threads and processes may use one file; two that send the
same event at once send the same bytes, and the server keeps one.

A rollback journal and not the write-ahead log, though the log is three times as fast (0.3 ms against 1.0 ms an
event, measured on an ext4 disk): SQLite 3.7.0 to 3.51.2, which most Pythons come with, may lose committed writes
when two connections reset the log at once (sqlite.org/wal.html, "The WAL-Reset Bug"), and one file is easier to
carry away from a broken tablet than three. TRUNCATE with synchronous=FULL also syncs the end of the journal, so
that a power cut right after a commit cannot bring the journal back.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sightline.client.clocks import Instant

PATIENCE = 10.0
"""Seconds to wait for another process that is writing to the file."""

REMEMBERED = timedelta(days=30)
"""How long the count of a session without waiting events is kept after its last use."""

FORM = 1
"""Version of the tables (SQLite's user_version)."""

TABLES = """
create table sessions (
    session_id text primary key, student_id text not null, next_sequence integer not null default 0,
    closing integer not null default 0, used_at text not null
);
create table events (
    position integer primary key autoincrement, event_id text not null unique,
    session_id text not null references sessions, body blob not null,
    wall text not null, boot text, uptime real
);
create index events_of_session on events (session_id);
create table rejected (
    number integer primary key autoincrement, event_id text unique, session_id text not null,
    student_id text not null, status text not null, code text not null, pointer text not null,
    detail text not null, answered_at text not null,
    body blob, wall text, boot text, uptime real
);
"""


class QueueUnusable(Exception):
    """The queue file cannot be read or written: the event at hand is not recorded, and the message says why."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One event that the server has not answered for."""

    event_id: str
    body: bytes
    recorded: Instant


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the server did not take one event, in its own words."""

    event_id: str
    status: str
    code: str
    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """What the server did not take and why; kept until it is sent again or forgotten.

    status: rejected, conflict or too_large; code, pointer (JSON pointer inside the event), detail: the server's
    words; event: as it was sent, None for the closing of a session (then event_id is None as well).
    """

    number: int
    event_id: UUID | None
    session_id: UUID
    student_id: UUID
    status: str
    code: str
    pointer: str
    detail: str
    answered_at: datetime
    event: dict[str, Any] | None


class QueueFile:
    """The queue in one file, made when it is not there. Raises QueueUnusable when it cannot be used."""

    def __init__(self, path: Path, now: Instant) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._process = os.getpid()
        try:
            self._make_private()
            self._connection = sqlite3.connect(
                path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
            for pragma in ("journal_mode=truncate", "synchronous=full", "fullfsync=on", "secure_delete=on"):
                self._connection.execute(f"pragma {pragma}").fetchall()
        except (OSError, sqlite3.Error) as problem:
            raise QueueUnusable(f"the queue file {path} cannot be opened: {problem}") from problem
        try:
            self._prepare(now)
        except QueueUnusable:
            self._connection.close()
            raise

    def _make_private(self) -> None:
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        os.close(handle)
        self.path.chmod(0o600)
        with suppress(OSError):  # where folders cannot be opened (Windows), the system keeps its own order
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _prepare(self, now: Instant) -> None:
        with self._writing() as connection:
            form = connection.execute("pragma user_version").fetchone()[0]
            if form > FORM:
                raise QueueUnusable(
                    f"{self.path} was written by a newer client; update this one, or use another file"
                )
            if form == 0:
                for statement in TABLES.strip().split(";\n"):
                    connection.execute(statement)
                connection.execute(f"pragma user_version={FORM}")
            # a session of long ago, of which nothing waits; a student's id stays no longer than it is needed
            connection.execute(
                "delete from sessions where used_at < ? and closing = 0 "
                "and not exists (select 1 from events where events.session_id = sessions.session_id) "
                "and not exists (select 1 from rejected where rejected.session_id = sessions.session_id)",
                ((now.wall - REMEMBERED).isoformat(),),
            )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; on disk when the block has ended."""
        with self._using() as connection:
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has rolled back by itself after some errors
                    connection.execute("rollback")
                raise

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        if os.getpid() != self._process:
            raise QueueUnusable("this process was forked from one with a client; make a client of its own here")
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as problem:
                raise QueueUnusable(f"the queue file {self.path} cannot be used: {problem}") from problem

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def open_session(self, session_id: UUID, student_id: UUID, now: Instant) -> None:
        """Begin a session or go on with it. Raises ValueError for another student's."""
        with self._writing() as connection:
            _remember(connection, str(session_id), str(student_id), now)
            (owner,) = connection.execute(
                "select student_id from sessions where session_id = ?", (str(session_id),)
            ).fetchone()
            if owner != str(student_id):
                raise ValueError("this session belongs to another student; use a new session id for each student")

    def add(self, event: dict[str, Any], recorded: Instant) -> None:
        """Record an event, which gets its time and the next number of its session.

        Raises ValueError or TypeError for data that JSON cannot hold.
        """
        with self._writing() as connection:
            _remember(connection, event["session_id"], event["student_id"], recorded)
            (sequence,) = connection.execute(
                "select next_sequence from sessions where session_id = ?", (event["session_id"],)
            ).fetchone()
            stamped = event | {"timestamp": recorded.wall.isoformat(), "sequence": sequence}
            body = json.dumps(stamped, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
            connection.execute(
                "update sessions set next_sequence = next_sequence + 1, used_at = ? where session_id = ?",
                (recorded.wall.isoformat(), event["session_id"]),
            )
            connection.execute(
                "insert into events (event_id, session_id, body, wall, boot, uptime) values (?, ?, ?, ?, ?, ?)",
                (event["event_id"], event["session_id"], body, *_columns(recorded)),
            )

    def ask_closing(self, session_id: UUID) -> None:
        """Queue the closing of a session; one that never had an event has nothing to close."""
        with self._writing() as connection:
            connection.execute(
                "update sessions set closing = 1 where session_id = ? and next_sequence > 0", (str(session_id),)
            )

    def head(self, most: int, student: UUID | None) -> list[Waiting]:
        """The oldest waiting events, of one student or of all."""
        with self._using() as connection:
            found = connection.execute(
                "select event_id, body, wall, boot, uptime from events join sessions using (session_id) "
                "where :student is null or student_id = :student order by position limit :most",
                {"student": _text(student), "most": most},
            ).fetchall()
        return [Waiting(i, body, Instant(datetime.fromisoformat(w), b, u)) for i, body, w, b, u in found]

    def ready_closing(self, student: UUID | None) -> UUID | None:
        """A session to be closed of which no event waits any more."""
        with self._using() as connection:
            found = connection.execute(
                "select session_id from sessions "
                "where closing = 1 and (:student is null or student_id = :student) and not exists "
                " (select 1 from events where events.session_id = sessions.session_id) limit 1",
                {"student": _text(student)},
            ).fetchone()
        return None if found is None else UUID(found[0])

    def waiting(self, student: UUID | None = None) -> int:
        """Events and closings that are not answered yet."""
        with self._using() as connection:
            (count,) = connection.execute(
                "select (select count(*) from events join sessions using (session_id) "
                "where :student is null or student_id = :student) + "
                "(select count(*) from sessions "
                "where closing = 1 and (:student is null or student_id = :student))",
                {"student": _text(student)},
            ).fetchone()
        return int(count)

    def settle(self, accepted: Iterable[str], refused: Sequence[Refusal], answered_at: datetime) -> None:
        """Take out what the server has, and put aside what it did not take. Again: nothing more happens."""
        with self._writing() as connection:
            connection.executemany("delete from events where event_id = ?", [(i,) for i in accepted])
            connection.executemany(
                "insert into rejected (event_id, session_id, student_id, status, code, pointer, detail, "
                "answered_at, body, wall, boot, uptime) "
                "select event_id, session_id, student_id, ?, ?, ?, ?, ?, body, wall, boot, uptime "
                "from events join sessions using (session_id) where event_id = ? on conflict do nothing",
                [(r.status, r.code, r.pointer, r.detail, answered_at.isoformat(), r.event_id) for r in refused],
            )
            connection.executemany("delete from events where event_id = ?", [(r.event_id,) for r in refused])

    def closed(self, session_id: UUID) -> None:
        with self._writing() as connection:
            connection.execute("update sessions set closing = 0 where session_id = ?", (str(session_id),))

    def closing_refused(self, session_id: UUID, code: str, detail: str, answered_at: datetime) -> None:
        """Put the closing of a session aside, with the reason."""
        with self._writing() as connection:
            connection.execute(
                "insert into rejected (session_id, student_id, status, code, pointer, detail, answered_at) "
                "select session_id, student_id, 'rejected', ?, '', ?, ? from sessions "
                "where session_id = ? and closing = 1",
                (code, detail, answered_at.isoformat(), str(session_id)),
            )
            connection.execute("update sessions set closing = 0 where session_id = ?", (str(session_id),))

    def rejected(self) -> list[Rejected]:
        """Everything put aside, oldest first."""
        with self._using() as connection:
            found = connection.execute(
                "select number, event_id, session_id, student_id, status, code, pointer, detail, "
                "answered_at, body from rejected order by number"
            ).fetchall()
        return [
            Rejected(
                number=number,
                event_id=None if event_id is None else UUID(event_id),
                session_id=UUID(session_id),
                student_id=UUID(student_id),
                status=status,
                code=code,
                pointer=pointer,
                detail=detail,
                answered_at=datetime.fromisoformat(at),
                event=None if body is None else json.loads(body),
            )
            for number, event_id, session_id, student_id, status, code, pointer, detail, at, body in found
        ]

    def send_again(self, numbers: Iterable[int]) -> None:
        """Put what was not taken back into the queue, with the same id, bytes and time."""
        with self._writing() as connection:
            for number in numbers:
                connection.execute(
                    "insert into events (event_id, session_id, body, wall, boot, uptime) "
                    "select event_id, session_id, body, wall, boot, uptime from rejected "
                    "where number = ? and event_id is not null on conflict do nothing",
                    (number,),
                )
                connection.execute(
                    "update sessions set closing = 1 where session_id in "
                    "(select session_id from rejected where number = ? and event_id is null)",
                    (number,),
                )
                connection.execute("delete from rejected where number = ?", (number,))

    def forget(self, numbers: Iterable[int]) -> None:
        with self._writing() as connection:
            connection.executemany("delete from rejected where number = ?", [(n,) for n in numbers])


def _remember(connection: sqlite3.Connection, session_id: str, student_id: str, now: Instant) -> None:
    connection.execute(
        "insert into sessions (session_id, student_id, used_at) values (?, ?, ?) "
        "on conflict (session_id) do nothing",
        (session_id, student_id, now.wall.isoformat()),
    )


def _columns(instant: Instant) -> tuple[str, str | None, float | None]:
    return instant.wall.astimezone(UTC).isoformat(), instant.boot, instant.uptime


def _text(student: UUID | None) -> str | None:
    return None if student is None else str(student)

"""What most groups of events need, in one exchange with PostgreSQL: one script that ends in COPY and commit.

Every wait for an answer costs a writer more than what is asked, and most groups hold nothing but new events of
sessions that nobody closes. So all statements go out at once; the answers to the first ones arrive before the
events are asked for, and who does not like them gives up the transaction and takes the long way (`arrivals`).
"""

from __future__ import annotations

import select
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Self
from uuid import UUID

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus, abc

from sightline.store.arrivals import COPY_BATCHES, COPY_EVENTS, COPY_REJECTS, SITTINGS, Grounds, Key, grounds_of
from sightline.store.database import Driver
from sightline.store.event_rows import copy_stream
from sightline.store.telemetry import lock_key

PREPARE: Final = "prepare sittings (uuid[], uuid[], uuid[], timestamptz) as " + SITTINGS.replace(
    "unnest(%s::uuid[], %s::uuid[], %s::uuid[])", "unnest($1, $2, $3)"
).replace("%s", "$4")

HOLD_OR_TELL: Final = """
    select key from unnest({keys}::bigint[]) as key where not pg_try_advisory_xact_lock_shared(key)
"""

_TRUE = b"t"


class Exchange:
    """One transaction of a writer whose connection has PREPARE behind it: `ask`, then `write`, which commits.

    Raises what the driver would raise. Leaving the block before `write` has come to its end gives up; the caller
    rolls back then, as after any error.
    """

    def __init__(self, driver: Driver) -> None:
        self._server: abc.PGconn = driver.pgconn
        self._begun = driver.info.transaction_status == TransactionStatus.INTRANS
        self._encoding = driver.info.encoding
        self._copying = False
        self._arrival = select.poll()
        self._arrival.register(self._server.socket, select.POLLIN)
        self._room = select.poll()
        self._room.register(self._server.socket, select.POLLIN | select.POLLOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: object) -> None:
        if self._copying:
            self._copying = False
            self._server.put_copy_end(b"not this way")
            self._flush()
            self._drain()

    def ask(
        self, sessions: Iterable[Key], claims: Mapping[Key, UUID], at: datetime, *, with_rejects: bool
    ) -> Grounds:
        """Hold sessions, make those that are claimed and new, look at their state; ready to write after that."""
        by_key = {lock_key(*session): session for session in sessions}
        ordered = sorted(by_key.values())
        keys = _array(sorted(by_key))
        schools = _array(school for school, _ in ordered)
        sittings = _array(sitting for _, sitting in ordered)
        claimed = _array(claims.get(session) for session in ordered)
        steps = [
            HOLD_OR_TELL.format(keys=keys),
            f"execute sittings({schools}, {sittings}, {claimed}, '{at.isoformat()}')",
            COPY_EVENTS,
            *([COPY_REJECTS] if with_rejects else []),
            COPY_BATCHES,
            "commit",
        ]
        if not self._begun:
            steps.insert(0, "begin")
        self._server.send_query("; ".join(steps).encode())
        self._flush()
        if not self._begun:
            self._expect(ExecStatus.COMMAND_OK)
        held = self._expect(ExecStatus.TUPLES_OK)
        busy = {by_key[int(_text(held, row, 0))] for row in range(held.ntuples)}
        found = self._expect(ExecStatus.TUPLES_OK)
        states = [
            (
                UUID(_text(found, row, 0)),
                UUID(_text(found, row, 1)),
                None if found.get_value(row, 2) is None else UUID(_text(found, row, 2)),
                found.get_value(row, 3) == _TRUE,
            )
            for row in range(found.ntuples)
        ]
        self._expect(ExecStatus.COPY_IN)
        self._copying = True
        return grounds_of(busy, states)

    def write(self, *streams: Sequence[bytes]) -> None:
        """Copy the rows for the tables that were announced, and commit."""
        for last, rows in enumerate(streams, start=1 - len(streams)):
            self._server.put_copy_data(copy_stream(rows))
            self._server.put_copy_end()
            self._copying = False
            self._flush()
            self._expect(ExecStatus.COMMAND_OK)
            if last:
                self._expect(ExecStatus.COPY_IN)
                self._copying = True
        self._expect(ExecStatus.COMMAND_OK)
        self._drain()

    def _flush(self) -> None:
        while self._server.flush():
            for _, what in self._room.poll():
                if what & select.POLLIN:
                    self._server.consume_input()

    def _next(self) -> abc.PGresult | None:
        while self._server.is_busy():
            self._arrival.poll()
            self._server.consume_input()
        return self._server.get_result()

    def _drain(self) -> None:
        while self._next() is not None:
            pass

    def _expect(self, status: ExecStatus) -> abc.PGresult:
        found = self._next()
        if found is not None and found.status == status:
            return found
        self._drain()
        if found is not None and found.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(found, self._encoding)
        raise psycopg.OperationalError("the server answered out of turn")


def _array(values: Iterable[UUID | int | None]) -> str:
    """A literal of ids and numbers, which need no quoting."""
    return "'{" + ",".join("null" if value is None else str(value) for value in values) + "}'"


def _text(found: abc.PGresult, row: int, column: int) -> str:
    return (found.get_value(row, column) or b"").decode()

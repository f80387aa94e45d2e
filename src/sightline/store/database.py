"""The connection to PostgreSQL: one engine a process, one transaction a request or job, migrations at start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, LiteralString
from weakref import WeakSet

import msgspec
import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Executable, create_engine, make_url, text
from sqlalchemy.dialects.postgresql import psycopg as sqlalchemy_psycopg
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sightline.errors import DatabaseUnavailable
from sightline.store.pulse import CONNECT_SECONDS, Pulse

Driver = psycopg.Connection[tuple[Any, ...]]
"""The driver's own connection, for what only PostgreSQL offers: binary COPY, pipelines. It waits in its thread."""

Work = AsyncConnection
"""One transaction. Functions of this package take it first and never commit: the edge does, once."""

MIGRATION_LOCK = 7_305_019_412
"""Advisory lock that lets one process migrate at a time; any fixed number does."""

ANSWER_TIMEOUT_MS = 20_000
"""A statement that runs longer than this is ended by the server; `pulse` watches over the server itself."""

CONNECTION_PATIENCE = 1.0
"""Seconds that work waits for one of the connections; longer means that more is asked than can be done."""

UNREACHABLE = "the database cannot be reached at the moment; try again in a few seconds"
FULL = "the disk of the database is full; nothing of this request is stored, try again when there is room"

NOT_THERE = (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError)
"""What says that the database is not there, through SQLAlchemy or on the driver's own connection."""


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def driver_url(url: str) -> str:
    """The URL with the psycopg driver named, whatever dialect of it was given."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def plain_url(url: str) -> str:
    """The URL as libpq takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


PSYCOPG = sqlalchemy_psycopg.PGDialect_psycopg()  # type: ignore[no-untyped-call]

CONNECT: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "options": f"-c statement_timeout={ANSWER_TIMEOUT_MS} -c timezone=UTC",
}
"""How every connection is made."""


class Store:
    """The database of one process, used in one event loop."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pulse = Pulse(plain_url(url))
        self.engine: AsyncEngine = create_async_engine(
            driver_url(url),
            pool_size=10,
            max_overflow=10,
            pool_timeout=CONNECTION_PATIENCE,
            pool_pre_ping=True,
            hide_parameters=True,  # an error that is logged must not say who looked at whom
            json_serializer=_encoded,
            json_deserializer=msgspec.json.decode,
            connect_args={"async_creator_fn": self.pulse.connect, **CONNECT},
        )
        self._writers: WeakSet[Writer] = WeakSet()
        self.for_jobs = self.writer()

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Work]:
        """One transaction, committed at the end of the block, rolled back on any error.

        Raises DatabaseUnavailable when PostgreSQL cannot be reached, goes away or hangs in between, when no
        connection is free, and when its disk is full.
        """
        self.pulse.begin()
        if self.pulse.hangs:
            raise DatabaseUnavailable(UNREACHABLE)
        try:
            async with self.engine.begin() as connection:
                yield connection
        except NOT_THERE as problem:
            raise _unavailable(problem) from problem

    def writer(self, prepare: LiteralString | None = None) -> Writer:
        """A connection for one thread that writes events; `close` closes it, too.

        `prepare` is said to each connection that is made for it.
        """
        made = Writer(self.url, self.pulse, prepare)
        self._writers.add(made)
        return made

    async def ready(self) -> None:
        """Answer within a second whether a statement can run. Raises DatabaseUnavailable."""
        async with self.work() as work:
            await work.execute(text("select 1"))

    async def close(self) -> None:
        await self.pulse.end()
        for writer in list(self._writers):
            writer.close()
        await self.engine.dispose()


class Writer:
    """One connection of the driver's own, kept for one thread, which waits in libpq and not in the event loop.

    Without the layer between, whose cost a transaction is more than that of most groups of events.
    """

    def __init__(self, url: str, pulse: Pulse, prepare: LiteralString | None) -> None:
        self._url = plain_url(url)
        self._prepare = prepare
        self._pulse = pulse
        self._connection: Driver | None = None

    @contextmanager
    def work(self) -> Iterator[Driver]:
        """One transaction, as `Store.work` is one. Raises DatabaseUnavailable as that does, and what the driver
        raises else. For one thread at a time.
        """
        if self._pulse.hangs:
            raise DatabaseUnavailable(UNREACHABLE)
        try:
            if self._connection is None or self._connection.closed:
                self._connection = self._pulse.connect_here(self._url, prepare_threshold=None, **CONNECT)
                if self._prepare is not None:  # `prepare_threshold` keeps the driver from taking it back
                    self._connection.execute(self._prepare)
                    self._connection.commit()
            connection = self._connection
            try:
                yield connection
                connection.commit()
            except BaseException:
                _give_up(connection)
                raise
        except NOT_THERE as problem:
            raise _unavailable(problem) from problem

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _give_up(connection: Driver) -> None:
    """Undo what was begun; a connection on which that is not possible is not used again."""
    try:
        connection.rollback()
    except psycopg.Error:
        connection.close()


def _unavailable(problem: Exception) -> DatabaseUnavailable:
    cause = problem.orig if isinstance(problem, OperationalError) else problem
    if isinstance(cause, psycopg.errors.DiskFull):
        return DatabaseUnavailable(FULL, code="disk_full")
    return DatabaseUnavailable(UNREACHABLE)


def driver_sql(statement: Executable) -> LiteralString:
    """A statement as the driver takes it, made once at start; its parameters keep their names."""
    return str(statement.compile(dialect=PSYCOPG))  # type: ignore[attr-defined]


async def driver_of(work: Work) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """The driver's connection below a transaction."""
    connection = (await work.get_raw_connection()).driver_connection
    if not isinstance(connection, psycopg.AsyncConnection):
        raise TypeError("the engine of this program runs on psycopg")
    return connection


def migrate(url: str) -> None:
    """Bring the database to the newest schema; safe to run by several processes at once."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = create_engine(driver_url(url), json_serializer=_encoded)
    try:
        with engine.begin() as connection:
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as problem:
        raise DatabaseUnavailable(f"the database cannot be migrated: {problem.orig}") from problem
    finally:
        engine.dispose()

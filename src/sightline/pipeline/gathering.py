"""The group commit: requests that arrive while one transaction is written are written together by the next.

The writing has a thread of its own. It waits for PostgreSQL without the interpreter's lock, so one group is
written while the requests of the next are read.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from sightline import metrics
from sightline.errors import Busy, DatabaseUnavailable, SightlineError
from sightline.pipeline.counting import count
from sightline.pipeline.receiving import (
    Arrival,
    BatchAnswer,
    LongWay,
    Settled,
    Stored,
    store_group,
    store_new,
)
from sightline.pipeline.roll import Roll
from sightline.store import arrivals
from sightline.store.database import UNREACHABLE, Store, Writer
from sightline.store.exchange import PREPARE

logger = logging.getLogger("sightline.ingest")

MAX_WAITING = 8_000
"""Events that may wait, well under a second of work; who comes after that is asked to come back."""

MAX_GROUP_EVENTS = 4_000
"""Events a transaction: enough to spread the cost of a commit, few enough to answer in a tenth of a second."""

MAX_GROUP_SESSIONS = 1_000
"""Sessions a transaction: each is a lock, and PostgreSQL has room for some thousands as it is installed."""

PATIENCE = 1.5
"""Seconds in which a request is answered, or told that it is not known yet: sent again, nothing is doubled."""

STALLED = 1.0
"""Seconds of one transaction after which nobody else begins to wait."""

LINGER = 0.01
"""Seconds that the writer waits at most for half of those who were here a moment ago, and never longer than the
last group took: two halves that take turns keep both the reading and the writing busy."""

RETRIES = 3
"""Times that a group is tried again after a deadlock, which sorted writing makes unlikely."""

APART = 4
"""Requests at a time that wait for a session which is just being closed, each in a transaction of its own."""


@dataclass(slots=True, eq=False)
class _Waiting:
    arrival: Arrival
    answer: asyncio.Future[Settled]
    since: float = field(default_factory=time.monotonic)


class Gatherer:
    """One writer of events a process. What it answers is committed; what it does not answer may be sent again.

    `submit`, `check` and `close` belong to one event loop.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._roll = Roll()
        self._queue: deque[_Waiting] = deque()
        self._events = 0
        self._group: list[_Waiting] = []
        self._began: float | None = None
        self._here = 1
        self._took = 0.0
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._apart = asyncio.Semaphore(APART)
        self._others: set[asyncio.Task[None]] = set()
        store.pulse.tell(self._silent)

    def check(self) -> None:
        """Raises Busy when a request that comes now would wait too long: cheaper to know before it is read."""
        began = self._began
        if self._events > MAX_WAITING or (began is not None and time.monotonic() - began > STALLED):
            metrics.TURNED_AWAY.labels("busy").inc()
            raise Busy("more events are waiting than can be stored at once; send this again in a second")

    async def submit(self, arrival: Arrival) -> BatchAnswer:
        """What became of the events of a request, once that is committed.

        Raises Busy or DatabaseUnavailable when it is not known: the same request can then be sent again.
        """
        self.check()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(arrival, loop.create_future())
        waiting.answer.add_done_callback(_forgotten)
        with self._changed:
            self._queue.append(waiting)
            self._events += len(arrival.items)
            self._changed.notify()
        metrics.BATCH_SIZE.observe(len(arrival.items))
        if self._thread is None:
            self._store.pulse.begin()
            self._thread = threading.Thread(target=self._write, args=(loop,), name="writer of events", daemon=True)
            self._thread.start()
        late = loop.call_later(PATIENCE, self._too_late, waiting)
        try:
            settled = await waiting.answer
        finally:
            late.cancel()
        count(arrival, settled, time.monotonic() - waiting.since)
        return settled.answer

    def _too_late(self, waiting: _Waiting) -> None:
        with self._changed:
            if waiting in self._queue:  # nobody waits for it any more, and it will be sent again
                self._queue.remove(waiting)
                self._events -= len(waiting.arrival.items)
        metrics.TURNED_AWAY.labels("too_slow").inc()
        _fail([waiting], Busy("it is not known in time whether these events are stored; send the same again"))

    async def close(self) -> None:
        """Wait until everything that waits is answered."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)  # what the thread has said last is heard
        while self._others:
            await asyncio.wait(self._others)

    def _silent(self) -> None:
        """The database hangs: nobody waits for what it does with the group, or for those behind it."""
        with self._changed:
            given_up = [*self._group, *self._queue]
            self._queue.clear()
            self._events = sum(len(w.arrival.items) for w in self._group)
        _fail(given_up, DatabaseUnavailable(UNREACHABLE))

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        """The writer's thread, until `close`."""
        writer = self._store.writer(PREPARE)
        try:
            while group := self._next_group():
                metrics.GROUP_EVENTS.observe(sum(len(w.arrival.items) for w in group))
                metrics.GROUP_WAIT.observe(time.monotonic() - group[0].since)
                self._commit(writer, group, loop)
                self._took = time.monotonic() - (self._began or 0.0)
                metrics.GROUP_SECONDS.observe(self._took)
                with self._changed:
                    self._here = len(group) + len(self._queue)
                    self._events -= sum(len(w.arrival.items) for w in group)
                    self._group, self._began = [], None
                    metrics.WAITING.set(self._events)
        finally:
            writer.close()

    def _next_group(self) -> list[_Waiting]:
        """The next requests to write together; none when it is time to end."""
        with self._changed:
            while not self._queue:
                if self._closing:
                    return []
                self._changed.wait()
            half = (self._here + 1) // 2
            if len(self._queue) < half:
                self._changed.wait_for(lambda: len(self._queue) >= half or self._closing, min(LINGER, self._took))
            events = sessions = 0
            group: list[_Waiting] = []
            while self._queue:
                following = self._queue[0].arrival
                events += len(following.items)
                sessions += len(following.owners)
                if group and (events > MAX_GROUP_EVENTS or sessions > MAX_GROUP_SESSIONS):
                    break
                group.append(self._queue.popleft())
            self._group, self._began = group, time.monotonic()
            metrics.WAITING.set(self._events)
            return group

    def _commit(self, writer: Writer, group: Sequence[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
        """Store a group and answer each of it; a group that fails is tried one by one."""
        try:
            stored = self._stored(writer, [w.arrival for w in group])
        except SightlineError as problem:
            loop.call_soon_threadsafe(_fail, group, problem)
        except Exception as problem:
            if len(group) == 1:
                logger.exception("a request could not be stored")
                loop.call_soon_threadsafe(_fail, group, problem)
                return
            for one in group:
                self._commit(writer, [one], loop)
        else:
            loop.call_soon_threadsafe(self._answer, group, stored)

    def _answer(self, group: Sequence[_Waiting], stored: Stored) -> None:
        for waiting, settled in zip(group, stored.settled, strict=True):
            if settled is None:
                task = asyncio.create_task(self._commit_apart(waiting))
                self._others.add(task)
                task.add_done_callback(self._others.discard)
            elif not waiting.answer.done():
                waiting.answer.set_result(settled)

    def _stored(self, writer: Writer, group: Sequence[Arrival]) -> Stored:
        """Store a group, the short way first, and after what stands in its way once more in the long one."""
        asked, merge = self._roll.now(), True
        try:
            with writer.work() as driver:
                stored = store_new(driver, group, self._roll)
        except psycopg.errors.UniqueViolation:
            pass  # something was sent before: find out what
        except (LongWay, psycopg.DataError):
            merge = False
        except DatabaseUnavailable as problem:
            if not _deadlocked(problem):
                raise
        else:
            self._roll.saw_sessions(stored.owners, asked)
            return stored
        return self._stored_again(writer, group, merge=merge)

    def _stored_again(
        self, writer: Writer, group: Sequence[Arrival], *, merge: bool, patient: bool = False
    ) -> Stored:
        careful = False
        for attempt in range(RETRIES + 2):
            asked = self._roll.now()
            try:
                with writer.work() as driver:
                    if patient:
                        one = group[0]
                        arrivals.wait_for_sessions(driver, one.sender.school_id, [s for s, _ in one.owners])
                    stored = store_group(driver, group, self._roll, merge=merge, careful=careful)
            except psycopg.errors.UniqueViolation:
                merge = True
            except psycopg.DataError:
                if careful or len(group) > 1:
                    raise
                merge = careful = True
            except DatabaseUnavailable as problem:
                if attempt == RETRIES or not _deadlocked(problem):
                    raise
            else:
                self._roll.saw_sessions(stored.owners, asked)
                return stored
        raise DatabaseUnavailable("the database did not settle; send the same again")

    async def _commit_apart(self, waiting: _Waiting) -> None:
        """Store a request whose session is just being closed, once that is done, without holding up the others."""
        async with self._apart:
            writer = self._store.writer()
            try:
                stored = await asyncio.to_thread(
                    self._stored_again, writer, [waiting.arrival], merge=False, patient=True
                )
            except Exception as problem:  # noqa: BLE001 - whatever it is goes to the request that waits for it
                _fail([waiting], problem)
            else:
                settled = stored.settled[0]
                if settled is None:
                    metrics.TURNED_AWAY.labels("busy").inc()
                    _fail([waiting], Busy("this session is being closed; send the same again in a second"))
                elif not waiting.answer.done():
                    waiting.answer.set_result(settled)
            finally:
                writer.close()


def _deadlocked(problem: DatabaseUnavailable) -> bool:
    """Whether two writers waited for each other."""
    return isinstance(problem.__cause__, psycopg.errors.DeadlockDetected)


def _fail(group: Sequence[_Waiting], problem: Exception) -> None:
    for waiting in group:
        if not waiting.answer.done():
            waiting.answer.set_exception(problem)


def _forgotten(answer: asyncio.Future[Settled]) -> None:
    """Take note of an answer that perhaps nobody waits for any more, so that nothing warns of it."""
    if not answer.cancelled():
        answer.exception()

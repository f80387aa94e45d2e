"""The group commit: requests that arrive while one transaction is written are written together by the next."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from sightline import metrics
from sightline.errors import Busy, DatabaseUnavailable, SightlineError
from sightline.pipeline.receiving import Arrival, BatchAnswer, NeedsJobs, Settled, Stored, count, store_group
from sightline.pipeline.roll import Roll
from sightline.store import arrivals
from sightline.store.database import Store, driver_of

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
    """One writer of events a process. What it answers is committed; what it does not answer may be sent again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._roll = Roll()
        self._queue: deque[_Waiting] = deque()
        self._events = 0
        self._began: float | None = None
        self._draining: asyncio.Task[None] | None = None
        self._apart = asyncio.Semaphore(APART)
        self._others: set[asyncio.Task[None]] = set()

    def check(self) -> None:
        """Raises Busy when a request that comes now would wait too long: cheaper to know before it is read."""
        if self._events > MAX_WAITING or (self._began is not None and time.monotonic() - self._began > STALLED):
            metrics.TURNED_AWAY.labels("busy").inc()
            raise Busy("more events are waiting than can be stored at once; send this again in a second")

    async def submit(self, arrival: Arrival) -> BatchAnswer:
        """What became of the events of a request, once that is committed.

        Raises Busy or DatabaseUnavailable when it is not known: the same request can then be sent again.
        """
        self.check()
        waiting = _Waiting(arrival, asyncio.get_running_loop().create_future())
        waiting.answer.add_done_callback(_forgotten)
        self._queue.append(waiting)
        self._events += len(arrival.items)
        metrics.BATCH_SIZE.observe(len(arrival.items))
        metrics.WAITING.set(self._events)
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self._drain())
        done, _ = await asyncio.wait({waiting.answer}, timeout=PATIENCE)
        if not done:
            if waiting in self._queue:  # nobody waits for it any more, and it will be sent again
                self._queue.remove(waiting)
                self._events -= len(arrival.items)
            metrics.TURNED_AWAY.labels("too_slow").inc()
            raise Busy("it is not known in time whether these events are stored; send the same again")
        settled = waiting.answer.result()
        count(arrival, settled, time.monotonic() - waiting.since)
        return settled.answer

    async def close(self) -> None:
        """Wait until everything that waits is answered."""
        while tasks := [t for t in (self._draining, *self._others) if t is not None and not t.done()]:
            await asyncio.wait(tasks)

    async def _drain(self) -> None:
        while self._queue:
            group = self._next_group()
            events = sum(len(w.arrival.items) for w in group)
            self._began = time.monotonic()
            metrics.GROUP_EVENTS.observe(events)
            metrics.GROUP_WAIT.observe(self._began - group[0].since)
            try:
                await self._commit(group)
            finally:
                metrics.GROUP_SECONDS.observe(time.monotonic() - self._began)
                self._began = None
                self._events -= events
                metrics.WAITING.set(self._events)

    def _next_group(self) -> list[_Waiting]:
        group = [self._queue.popleft()]
        events, sessions = len(group[0].arrival.items), len(group[0].arrival.owners)
        while self._queue:
            following = self._queue[0].arrival
            events += len(following.items)
            sessions += len(following.owners)
            if events > MAX_GROUP_EVENTS or sessions > MAX_GROUP_SESSIONS:
                break
            group.append(self._queue.popleft())
        return group

    async def _commit(self, group: Sequence[_Waiting]) -> None:
        """Store a group and answer each of it; a group that fails is tried one by one."""
        try:
            stored = await self._stored([w.arrival for w in group])
        except SightlineError as problem:
            _fail(group, problem)
        except Exception as problem:
            if len(group) == 1:
                logger.exception("a request could not be stored")
                _fail(group, problem)
                return
            for one in group:
                await self._commit([one])
        else:
            for waiting, settled in zip(group, stored.settled, strict=True):
                if settled is None:
                    self._set_apart(waiting)
                else:
                    waiting.answer.set_result(settled)

    async def _stored(self, group: Sequence[Arrival]) -> Stored:
        """Store a group: the short way, or after what stands in its way once more in the long one."""
        asked = self._roll.now()
        try:
            async with self._store.writing() as driver:
                stored = await store_group(driver, group, self._roll, merge=False)
        except psycopg.errors.UniqueViolation:
            return await self._stored_again(group, merge=True)  # something was sent before: find out what
        except (NeedsJobs, psycopg.DataError):
            return await self._stored_again(group, merge=False)
        except DatabaseUnavailable as problem:
            if not _deadlocked(problem):
                raise
            return await self._stored_again(group, merge=True)
        self._roll.saw_sessions(stored.owners, asked)
        return stored

    async def _stored_again(self, group: Sequence[Arrival], *, merge: bool, patient: bool = False) -> Stored:
        careful = False
        for attempt in range(RETRIES + 2):
            asked = self._roll.now()
            try:
                async with self._store.work() as work:
                    driver = await driver_of(work)
                    if patient:
                        one = group[0]
                        await arrivals.wait_for_sessions(driver, one.sender.school_id, [s for s, _ in one.owners])
                    stored = await store_group(driver, group, self._roll, merge=merge, careful=careful, work=work)
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

    def _set_apart(self, waiting: _Waiting) -> None:
        task = asyncio.create_task(self._commit_apart(waiting))
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    async def _commit_apart(self, waiting: _Waiting) -> None:
        """Store a request whose session is just being closed, once that is done, without holding up the others."""
        async with self._apart:
            try:
                stored = await self._stored_again([waiting.arrival], merge=False, patient=True)
            except Exception as problem:  # noqa: BLE001 - whatever it is goes to the request that waits for it
                _fail([waiting], problem)
            else:
                settled = stored.settled[0]
                if settled is None:
                    metrics.TURNED_AWAY.labels("busy").inc()
                    _fail([waiting], Busy("this session is being closed; send the same again in a second"))
                else:
                    waiting.answer.set_result(settled)


def _deadlocked(problem: DatabaseUnavailable) -> bool:
    """Whether two writers waited for each other, said by the driver or by the layer above it."""
    cause = problem.__cause__
    return isinstance(getattr(cause, "orig", cause), psycopg.errors.DeadlockDetected)


def _fail(group: Sequence[_Waiting], problem: Exception) -> None:
    for waiting in group:
        waiting.answer.set_exception(problem)


def _forgotten(answer: asyncio.Future[Settled]) -> None:
    """Take note of an answer that perhaps nobody waits for any more, so that nothing warns of it."""
    if not answer.cancelled():
        answer.exception()

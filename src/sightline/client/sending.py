"""One attempt at a time: what to send next, and what each answer means for the queue."""

from __future__ import annotations

import logging
import random
import re
import threading
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from uuid import UUID

import httpx

from sightline.client import wire
from sightline.client.clocks import Clocks
from sightline.client.queue_file import QueueFile, Refusal

logger = logging.getLogger("sightline.client")

FIRST_WAIT = 1.0
"""Seconds; the most that the wait after a first failure takes. It doubles with each further one."""

LAST_WAIT = 300.0
"""Seconds; the most that a wait grows to without a Retry-After."""

TIMEOUT = httpx.Timeout(30.0, connect=10.0)

PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Answers below 500 that a later attempt may not get."""

NOT_OURS = "the answer is not Sightline's; perhaps this network wants a sign-in first"

REGAIN = 20
"""Good answers until a batch that had to be halved to nothing is of full size again."""

WORD = re.compile(r"[a-z0-9_]{1,60}")


class State(StrEnum):
    """What came of an attempt."""

    SENT = "sent"  # the server answered for something; there may be more
    IDLE = "idle"  # nothing waits
    LATER = "later"  # not now: the report says when and why
    STOPPED = "stopped"  # no attempt helps until a person does something: the report says what was answered


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an attempt: `settled` events left the queue; the next attempt is made in `wait` seconds."""

    state: State
    settled: int = 0
    wait: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Credential:
    """The token that is shown, and the only student it may send for (None: any of the school)."""

    header: str
    student: UUID | None

    def __repr__(self) -> str:
        return "Credential(...)"


class Sender:
    """Sends from a queue over one connection. Threads may share it; one attempt is made at a time."""

    def __init__(
        self,
        url: str,
        credential: Credential,
        queue: QueueFile,
        *,
        client_version: str,
        clocks: Clocks,
        most: int = wire.MOST_EVENTS,
    ) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1/telemetry", timeout=TIMEOUT)
        self._queue = queue
        self._clocks = clocks
        self._version = client_version
        self._jitter = random.Random()  # noqa: S311 - spreads devices in time; nothing is secret about it
        self._attempting = threading.Lock()
        self._credential = credential
        self._fresh: Credential | None = None
        self._swapping = threading.Lock()
        self._most_ever = self._most = most
        self._failures = 0
        self._not_before = 0.0
        self.last = Report(State.IDLE)

    @property
    def credential(self) -> Credential:
        return self._fresh or self._credential

    @property
    def stopped(self) -> bool:
        """Whether attempts are pointless until another token, or a person, comes."""
        return self.last.state is State.STOPPED and self._fresh is None

    def use(self, credential: Credential) -> None:
        """Go on with another token from the next attempt on; never waits for the one that is under way."""
        with self._swapping:
            self._fresh = credential

    def _take_fresh(self) -> None:
        with self._swapping:
            if self._fresh is not None:
                self._credential, self._fresh = self._fresh, None
                self._failures, self._not_before = 0, 0.0
                self.last = Report(State.IDLE)

    def close(self) -> None:
        self._http.close()

    def attempt(self) -> Report:
        """Send the next thing, unless it is too early or a person is needed first: then nothing goes out.

        Raises QueueUnusable when the queue cannot be read, or cannot be told what was answered; the events are
        then sent again, and the server knows them.
        """
        with self._attempting:
            self._take_fresh()
            left = self._not_before - self._clocks.timer()
            if self.last.state is State.STOPPED:
                return self.last
            if left > 0:
                return Report(State.LATER, wait=left, reason=self.last.reason)
            said = self.last
            self.last = self._next()
            if self.last.reason and (self.last.state, self.last.reason) != (said.state, said.reason):
                level = logging.WARNING if self.last.state is State.STOPPED else logging.INFO
                logger.log(level, "%s: %s", self.last.state, self.last.reason)
            return self.last

    def _next(self) -> Report:
        closing = self._queue.ready_closing(self._credential.student)
        if closing is not None:
            return self._close(closing)
        head = self._queue.head(self._most, self._credential.student)
        if not head:
            return Report(State.IDLE)
        batch = wire.pack(head, self._version, self._clocks.now())
        answer = self._asked("/batch", batch.content, len(batch.events))
        if isinstance(answer, Report):
            return answer
        if answer.status_code in {HTTPStatus.CREATED, HTTPStatus.MULTI_STATUS}:
            return self._settle(batch, wire.read_answer(batch, answer))
        if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return self._split(batch, answer)
        return self._problem(answer)

    def _asked(self, path: str, content: bytes, size: int) -> httpx.Response | Report:
        headers = {"Authorization": self._credential.header}
        if content:
            headers |= {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        try:
            return self._http.post(path, content=content, headers=headers)
        except httpx.TimeoutException:
            self._most = max(1, size // 2)  # a line too slow for so many may carry fewer
            return self._later("the server did not answer in time")
        except httpx.RequestError as problem:
            return self._later(f"the server cannot be reached ({type(problem).__name__})")

    def _settle(self, batch: wire.Batch, settled: wire.Settled | None) -> Report:
        if settled is None:
            return self._later(NOT_OURS)
        self._queue.settle(settled.accepted, settled.refused, self._clocks.now().wall)
        self._went_well()
        return Report(State.SENT, settled=len(batch.events))

    def _split(self, batch: wire.Batch, answer: httpx.Response) -> Report:
        """Try with half; one event that is too large by itself is put aside."""
        size = len(batch.events)
        if size > 1:
            self._most = size // 2
            return Report(State.SENT)
        code, detail = wire.problem_of(answer) or ("too_large", "this event alone is larger than the server takes")
        refusal = Refusal(batch.events[0].event_id, "too_large", code, "", detail)
        return self._settle(batch, wire.Settled((), [refusal]))

    def _close(self, session_id: UUID) -> Report:
        answer = self._asked(f"/session/{session_id}/close", b"", 0)
        if isinstance(answer, Report):
            return answer
        problem = wire.problem_of(answer)
        if answer.status_code == HTTPStatus.NOT_FOUND and problem is not None:
            # none of its events was taken: each has its reason among the rejected, and so has this
            self._queue.closing_refused(session_id, *problem, self._clocks.now().wall)
        elif wire.answers_closing(answer, session_id):
            self._queue.closed(session_id)
        elif answer.is_success:
            return self._later(NOT_OURS)
        else:
            return self._problem(answer)
        self._went_well()
        return Report(State.SENT)

    def _problem(self, answer: httpx.Response) -> Report:
        """Wait after what may pass; stop after the server's own no. What stands between may say anything."""
        status = answer.status_code
        problem = wire.problem_of(answer)
        if problem is None:
            return self._later(f"HTTP {status}, and not in Sightline's words", wire.retry_after(answer))
        code = problem[0] if WORD.fullmatch(problem[0]) else "problem"
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in PASSING:
            return self._later(f"HTTP {status} {code}", wire.retry_after(answer))
        return Report(State.STOPPED, reason=f"HTTP {status} {code}")

    def _later(self, reason: str, at_least: float = 0.0) -> Report:
        """Full jitter: anywhere between nothing and a limit that doubles, on top of what the server asked for."""
        limit = min(LAST_WAIT, FIRST_WAIT * 2.0 ** min(self._failures, 30))
        self._failures += 1
        wait = at_least + self._jitter.uniform(0.0, limit)
        self._not_before = self._clocks.timer() + wait
        return Report(State.LATER, wait=wait, reason=reason)

    def _went_well(self) -> None:
        self._failures, self._not_before = 0, 0.0
        self._most = min(self._most_ever, self._most + -(-self._most_ever // REGAIN))

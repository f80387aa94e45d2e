"""A load generator in a process of its own: prebuilt batches over many connections, at a rate or as fast as it goes.

    python -m campaigns.pouring < plan.json

Reads a plan, prints "ready" when the bodies are built, waits for a line, sends, prints what came back as JSON. At a
rate it is an open loop: a batch goes out when it is due, whatever became of the others, as long as a connection is
free or may be opened. A batch that was refused goes back to the others and is sent again later, as a client would.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

SPREAD = 0x9E3779B97F4B
"""An odd number: multiplied by it, ids in a row lie all over the index, as random ones do."""

TICK = 0.005
"""Seconds between two looks at what is due."""

TAKEN = frozenset({201, 207})
"""Statuses of batches that are stored."""

LAST_ANSWERS = 5.0
"""Seconds to wait for answers after the last batch is sent."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `rate` in batches a second; None is a closed loop. `run` makes the ids of this plan its own."""

    port: int
    path: str
    key: str
    students: list[str]
    run: int
    per_batch: int
    batches: int
    connections: int
    seconds: float
    rate: float | None = None


@dataclass
class Poured:
    """What came back: of each answer when it was sent (seconds from the start), how long it took, status, whether it
    said when to come back, which batch it was. `missed` were due when no connection was free.
    """

    answers: list[tuple[float, float, int, bool, int]] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    missed: int = 0
    broken: int = 0
    unanswered: int = 0
    seconds: float = 0.0


def ids_of(run: int, batch: int, per_batch: int) -> list[UUID]:
    """The event ids of a batch; a plan's batches are known by their number."""
    first = batch * per_batch
    return [UUID(f"{run:08x}-0000-4000-8000-{n * SPREAD % 2**48:012x}") for n in range(first, first + per_batch)]


def bodies(plan: Plan) -> list[bytes]:
    """Whole requests: each batch is a session of its own."""
    now = datetime.now(UTC)
    made = []
    for batch in range(plan.batches):
        session = f"{plan.run:08x}-0001-4000-8000-{batch * SPREAD % 2**48:012x}"
        student = plan.students[batch % len(plan.students)]
        events = [
            {
                "event_id": str(event_id),
                "student_id": student,
                "session_id": session,
                "event_type": "choice_made",
                "timestamp": (now - timedelta(seconds=plan.per_batch - n)).isoformat(),
                "sequence": n,
                "data": {"task": f"bridge {n % 7}", "choice": "beam", "takes_perspective": n % 3 == 0},
            }
            for n, event_id in enumerate(ids_of(plan.run, batch, plan.per_batch))
        ]
        sent = {"batch_id": session, "client_version": "campaign", "sent_at": now.isoformat(), "events": events}
        body = msgspec.json.encode(sent)
        head = (
            f"POST {plan.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {plan.key}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


class _Line(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self, pump: _Pump) -> None:
        self._pump = pump
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._sent_at = 0.0
        self._batch: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport

    def send(self, batch: int) -> None:
        if self._transport is None:
            raise RuntimeError("not connected yet")
        self._batch, self._sent_at = batch, time.monotonic()
        self._transport.write(self._pump.bodies[batch])

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or self._batch is None:
            return
        lower = bytes(head).lower()
        length = int(lower.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(body) < length:
            return
        batch, self._batch = self._batch, None
        self._received = bytearray()
        status, says_when = int(head[9:12]), b"retry-after:" in lower
        self._pump.answered(self, batch, self._sent_at, status, says_when=says_when)
        if status not in TAKEN:
            self._pump.refused(bytes(body))
        if b"connection: close" in lower and self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._pump.lost(self, self._batch)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _Pump:
    """Sends what the plan says over as many connections as it allows."""

    def __init__(self, plan: Plan, made: list[bytes]) -> None:
        self.plan, self.bodies = plan, made
        self.poured = Poured()
        self.waiting = deque(range(len(made)))
        self.lines: set[_Line] = set()
        self.idle: list[_Line] = []
        self.opening: set[asyncio.Task[None]] = set()
        self.under_way = 0
        self.began = 0.0
        self.ending = False

    async def pour(self) -> Poured:
        plan = self.plan
        self.began = time.monotonic()
        if plan.rate is None:
            for _ in range(plan.connections):
                self._open(self.waiting.popleft())
            await asyncio.sleep(plan.seconds)
        else:
            await self._at_rate(plan.rate)
        self.ending = True
        self.poured.seconds = time.monotonic() - self.began
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_ANSWERS):
                while self.under_way:  # noqa: ASYNC110 - counted in callbacks
                    await asyncio.sleep(TICK)
        self.poured.unanswered = self.under_way
        for line in list(self.lines):
            line.close()
        return self.poured

    async def _at_rate(self, rate: float) -> None:
        due = 0
        while (passed := time.monotonic() - self.began) < self.plan.seconds:
            while due < passed * rate:
                due += 1
                if not self.waiting:
                    self.poured.missed += 1
                elif self.idle:
                    self._go(self.idle.pop(), self.waiting.popleft())
                elif len(self.lines) + len(self.opening) < self.plan.connections:
                    self._open(self.waiting.popleft())
                else:
                    self.poured.missed += 1
            await asyncio.sleep(TICK)

    def _open(self, batch: int) -> None:
        self.under_way += 1
        task = asyncio.create_task(self._opened(batch))
        self.opening.add(task)
        task.add_done_callback(self.opening.discard)

    async def _opened(self, batch: int) -> None:
        self.under_way -= 1
        try:
            _, line = await asyncio.get_running_loop().create_connection(
                lambda: _Line(self), "127.0.0.1", self.plan.port
            )
        except OSError:
            self.poured.broken += 1
            self.waiting.append(batch)
            return
        self.lines.add(line)
        self._go(line, batch)

    def _go(self, line: _Line, batch: int) -> None:
        self.under_way += 1
        line.send(batch)

    def answered(self, line: _Line, batch: int, sent_at: float, status: int, *, says_when: bool) -> None:
        self.under_way -= 1
        took = time.monotonic() - sent_at
        self.poured.answers.append((sent_at - self.began, took, status, says_when, batch))
        if status not in TAKEN:
            self.waiting.append(batch)
        if self.plan.rate is None and not self.ending and self.waiting:
            self._go(line, self.waiting.popleft())
        else:
            self.idle.append(line)

    def refused(self, body: bytes) -> None:
        code = body.partition(b'"code":"')[2].partition(b'"')[0].decode(errors="replace")
        self.poured.codes[code] = self.poured.codes.get(code, 0) + 1

    def lost(self, line: _Line, batch: int | None) -> None:
        self.lines.discard(line)
        if line in self.idle:
            self.idle.remove(line)
        if batch is not None:
            self.under_way -= 1
            if not self.ending:
                self.poured.broken += 1
                self.waiting.append(batch)


def pour(plan: Plan, made: list[bytes]) -> Poured:
    return asyncio.run(_Pump(plan, made).pour())


def main(lines: Sequence[str]) -> None:
    plan = Plan(**json.loads(lines[0]))
    made = bodies(plan)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(pour(plan, made))), flush=True)


if __name__ == "__main__":
    main([sys.stdin.readline()])

"""Senders for campaigns: batches with known ids, a lean HTTP client, and clients that resend until answered.

The HTTP client is plain asyncio streams, so that the load and the system under it share two cores fairly.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from campaigns.served import Roll, Served

BATCH_PATH = "/api/v1/telemetry/batch"
PATIENCE = 30.0
"""Seconds after which a client gives a request up."""

LINE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status (0 when nothing did), when it was asked and answered (monotonic seconds)."""

    status: int
    asked_at: float
    answered_at: float
    headers: Mapping[str, str]
    body: bytes

    @property
    def seconds(self) -> float:
        return self.answered_at - self.asked_at

    @property
    def taken(self) -> bool:
        return self.status in {201, 207}

    @property
    def says_when(self) -> bool:
        """Whether a refusal says when to come back."""
        return self.headers.get("retry-after", "").isdigit()


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The bytes of one request that keeps its connection."""
    named = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Wire:
    """One kept connection; opened when needed, and again after the server closed it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, asked: bytes, *, patience: float = PATIENCE) -> Answer:
        """Send a request and wait for its answer; status 0 with the reason as body when none comes."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(patience):
                status, headers, body = await self._asked(asked)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as problem:  # TimeoutError is an OSError
            self.close()
            return Answer(0, began, time.monotonic(), {}, repr(problem).encode())
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, began, time.monotonic(), headers, body)

    async def _asked(self, asked: bytes) -> tuple[int, dict[str, str], bytes]:
        if self._streams is not None and self._streams[0].at_eof():
            self.close()  # the server closes a connection on which nothing came for some seconds
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port, limit=LINE)
        reader, writer = self._streams
        writer.write(asked)  # not drained: an answer may come, and the connection close, before all is sent
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split(" ")[1]), headers, body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


def event_of(event_id: UUID, student: UUID, session: UUID, at: datetime, sequence: int) -> dict[str, object]:
    """A good event of a game."""
    return {
        "event_id": str(event_id),
        "student_id": str(student),
        "session_id": str(session),
        "event_type": "choice_made",
        "timestamp": at.isoformat(),
        "sequence": sequence,
        "data": {"task": f"bridge {sequence % 7}", "choice": "beam", "takes_perspective": sequence % 3 == 0},
    }


def id_from(rng: random.Random) -> UUID:
    return UUID(int=rng.getrandbits(128), version=4)


def batch_of(events: Sequence[object], rng: random.Random, now: datetime) -> bytes:
    """The body of a batch."""
    return msgspec.json.encode(
        {"batch_id": str(id_from(rng)), "client_version": "campaign", "sent_at": now.isoformat(), "events": events}
    )


def good_batch(roll: Roll, size: int, rng: random.Random) -> tuple[bytes, list[UUID]]:
    """A batch of good events of one student's new session, and their ids."""
    now, session, student = datetime.now(UTC), id_from(rng), rng.choice(roll.students)
    ids = [id_from(rng) for _ in range(size)]
    events = [event_of(e, student, session, now - timedelta(seconds=size - n), n) for n, e in enumerate(ids)]
    return batch_of(events, rng, now), ids


@dataclass
class Heard:
    """What the clients were told: every answer, the ids that were answered as stored, answers that name others."""

    answers: list[Answer] = field(default_factory=list)
    taken: set[UUID] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def note(self, answer: Answer, ids: Sequence[UUID]) -> bool:
        """Note an answer to a batch; whether the batch is done."""
        self.answers.append(answer)
        if not answer.taken:
            return False
        said = msgspec.json.decode(answer.body)
        if said["received_count"] == len(ids):
            self.taken.update(ids)
        else:
            self.wrong.append(answer.body[:500].decode(errors="replace"))
        return True

    def lost(self, served: Served) -> list[UUID]:
        """Ids that were answered as stored and are not in the database."""
        return sorted(self.taken - served.stored().keys())


async def resend_until_answered(
    served: Served, heard: Heard, rng: random.Random, *, size: int, pause: float, going: Callable[[], bool]
) -> None:
    """One client: batch after batch while `going`, each sent again, under the same ids, until it is taken."""
    wire = Wire(served.port)
    try:
        while going():
            body, ids = good_batch(served.roll, size, rng)
            asked = request("POST", BATCH_PATH, served.roll.sending, body)
            done = False
            while not done and going():
                done = heard.note(await wire.ask(asked), ids)
                await asyncio.sleep(pause)
    finally:
        wire.close()

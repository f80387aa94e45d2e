"""The clients of a campaign, in a process of their own: each resends until it is answered, and keeps a journal.

    python -m campaigns.senders FOLDER

FOLDER/plan.json says what to do (`Plan`), FOLDER/journal-N.jsonl is what client N was answered, a line an answer,
written before the next request is sent. Clients run until standard input is closed, or up to the plan's limits.

A client in the wild is impatient, and so are these: now and then one hangs up without waiting for the answer and
sends the same again through another server. What was stored and not answered must not be doubled by that.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from random import Random
from uuid import UUID, uuid5

import msgspec

from campaigns.plays import Request, requests

TIMEOUT = 15.0
"""Seconds after which a client gives an answer up."""

MOST_WAIT = 0.5
"""Seconds that a client waits after a 503, though asked for more: harder on the server than a polite one."""

BACK_OFF = 0.05
"""Seconds after a refused connection, times 1 to 2."""

HANGS_UP = 0.04
"""Share of requests whose answer is not waited for."""

LONGEST_PATIENCE = 0.03
"""Seconds, at most, after which a client that hangs up does so: about as long as an answer takes."""

NOT_NOW = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class Plan(msgspec.Struct, frozen=True):
    """What the clients do.

    keys, teachers: server key of each client and a token of its school's teacher (transcripts and ratings are sent
    only with them); limits: requests of each, empty for no end.

    think: mean seconds between an answer and the next request; hangs_up: share of requests not waited for;
    renames: negative control, events get new ids when they are sent again.
    """

    seed: int
    ports: list[int]
    keys: list[str]
    teachers: list[str] = []
    limits: list[int] = []
    think: float = 0.0
    hangs_up: float = 0.0
    renames: bool = False


class Counts(msgspec.Struct):
    """How many of each status an answer states."""

    created: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0


class Answered(msgspec.Struct):
    """One line of a journal: which request of the stream, how often it was sent, and what came back.

    counts: of a batch or an event, as the server states them; unclear: answers 5xx other than 503 on the way.
    """

    n: int
    sent: int
    status: int
    counts: Counts
    unclear: int = 0
    complaint: str = ""


class _Told(msgspec.Struct):
    """What a client reads of an answer to events."""

    counts: Counts | None = None


class Client:
    """One client: its stream, its journal, its own chance for what is not part of the input."""

    def __init__(self, plan: Plan, number: int, folder: Path, stopping: threading.Event) -> None:
        self.plan, self.number, self.stopping = plan, number, stopping
        self.journal = folder / f"journal-{number}.jsonl"
        self.chance = Random(f"{plan.seed}/{number}/behaviour")  # noqa: S311 - it plays, and guards nothing
        self.place = number
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        stream = requests(self.plan.seed, self.number, everything=bool(self.plan.teachers))
        if self.plan.limits:
            stream = islice(stream, self.plan.limits[self.number])
        with self.journal.open("ab", buffering=0) as journal:
            for n, request in enumerate(stream):
                if self.stopping.is_set() and not self.plan.limits:
                    break
                journal.write(msgspec.json.encode(self._delivered(n, request)) + b"\n")
                if self.plan.think:
                    time.sleep(self.chance.expovariate(1 / self.plan.think))
        self._elsewhere()

    def _delivered(self, n: int, request: Request) -> Answered:
        """Send until answered."""
        sent = unclear = 0
        while True:
            sent += 1
            try:
                answer = self._asked(request, sent)
                content = answer.read()
            except (OSError, http.client.HTTPException) as problem:
                self._elsewhere()
                if isinstance(problem, ConnectionRefusedError):
                    time.sleep(BACK_OFF * (1 + self.chance.random()))
                continue
            if answer.status in NOT_NOW:
                self._elsewhere()
                asked = float(answer.headers.get("Retry-After", "1"))
                time.sleep(asked if answer.status == HTTPStatus.TOO_MANY_REQUESTS else min(asked, MOST_WAIT))
            elif answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                unclear += 1
                time.sleep(MOST_WAIT * self.chance.random())
            else:
                return _noted(n, sent, answer.status, content, unclear)

    def _asked(self, request: Request, sent: int) -> http.client.HTTPResponse:
        path, body = self._form(request, sent)
        rates = request.kind == "ratings"
        token = self.plan.teachers[self.number] if rates else self.plan.keys[self.number]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if self.connection is None:
            port = self.plan.ports[self.place % len(self.plan.ports)]
            self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        self.connection.request("PUT" if rates else "POST", path, body, headers)
        if self.chance.random() < self.plan.hangs_up:
            time.sleep(self.chance.random() * LONGEST_PATIENCE)
            raise TimeoutError
        return self.connection.getresponse()

    def _elsewhere(self) -> None:
        """Hang up; the next request goes to the next server."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        self.place += 1

    def _form(self, request: Request, sent: int) -> tuple[str, bytes]:
        events = request.events
        if self.plan.renames and sent > 1:
            events = tuple(
                {**event, "event_id": str(uuid5(UUID(event["event_id"]), str(sent)))} for event in events
            )
        if request.kind in {"transcripts", "ratings"}:
            return f"/api/v1/{request.kind}", msgspec.json.encode(request.body)
        if request.kind == "close":
            return f"/api/v1/telemetry/session/{request.key}/close", b""
        if request.kind == "event":
            return "/api/v1/telemetry/events", msgspec.json.encode(events[0])
        now = datetime.now(UTC).isoformat()
        batch = {"batch_id": request.key, "client_version": "campaign-1", "sent_at": now, "events": events}
        return "/api/v1/telemetry/batch", msgspec.json.encode(batch)


def _noted(n: int, sent: int, status: int, content: bytes, unclear: int) -> Answered:
    counts, complaint = None, ""
    if status in {HTTPStatus.CREATED, HTTPStatus.MULTI_STATUS}:
        counts = msgspec.json.decode(content, type=_Told).counts
    if status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
        complaint = content[:500].decode(errors="replace")
    return Answered(n, sent, status, counts or Counts(), unclear, complaint)


def journal(folder: Path, client: int) -> list[Answered]:
    """What a client was answered, in the order of its requests."""
    path = folder / f"journal-{client}.jsonl"
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=Answered) for line in lines]


def main(folder: Path) -> None:
    plan = msgspec.json.decode((folder / "plan.json").read_bytes(), type=Plan)
    stopping = threading.Event()
    clients = [Client(plan, number, folder, stopping) for number in range(len(plan.keys))]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    if not plan.limits:
        sys.stdin.read()
        stopping.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

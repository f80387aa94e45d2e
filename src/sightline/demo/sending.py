"""Sending through the front door: the real HTTP API, with progress, resending what was not answered."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Self
from uuid import UUID, uuid5

import httpx
import msgspec

from sightline.errors import BadInput

TRIES = 6
BATCH = 1_000
CLIENTS = 4
"""Requests in flight; more gain nothing on two cores."""

RETRYABLE = frozenset({429, 502, 503, 504})


@dataclass(slots=True)
class Sent:
    """What became of everything sent: counts by what it was, and the reasons of what was not taken."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Sitting:
    """One session's wire events, to be sent and closed."""

    session_id: str
    events: Sequence[Mapping[str, object]]


class Sending:
    """A sender with one credential. `step` is told after each piece, for a progress bar."""

    def __init__(self, url: str, token: str, step: Callable[[], None]) -> None:
        self.client = httpx.AsyncClient(
            base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        self.step = step
        self.sent = Sent()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def sessions(self, sittings: Iterable[Sitting]) -> None:
        """Send and close sessions, some at a time."""
        await self._all(self._session(sitting) for sitting in sittings)

    async def transcripts(self, wired: Iterable[Mapping[str, object]]) -> None:
        await self._all(self._transcript(one) for one in wired)

    async def ratings(self, wired: Sequence[Mapping[str, object]]) -> None:
        for start in range(0, len(wired), BATCH):
            part = wired[start : start + BATCH]
            answer = await self._asked("PUT", "/ratings", {"ratings": part})
            self.sent.counts["ratings"] += int(answer["created"]) + int(answer["unchanged"])
            self.step()

    async def _all(self, work: Iterable[Awaitable[None]]) -> None:
        gate = asyncio.Semaphore(CLIENTS)

        async def one(piece: Awaitable[None]) -> None:
            async with gate:
                await piece
                self.step()

        async with asyncio.TaskGroup() as group:
            for piece in work:
                group.create_task(one(piece))

    async def _session(self, sitting: Sitting) -> None:
        for start in range(0, len(sitting.events), BATCH):
            part = sitting.events[start : start + BATCH]
            batch = {
                "batch_id": str(uuid5(UUID(sitting.session_id), f"batch/{start}")),
                "client_version": "sightline-sandbox",
                "sent_at": datetime.now(UTC).isoformat(),
                "events": part,
            }
            answer = await self._asked("POST", "/telemetry/batch", batch)
            self.sent.counts["events"] += int(answer["received_count"])
            for result in answer["results"]:
                if result["status"] in {"rejected", "conflict"}:
                    self.sent.refused[f"{result['code']}: {result['detail']}"] += 1
        await self._asked("POST", f"/telemetry/session/{sitting.session_id}/close", None)
        self.sent.counts["sessions"] += 1

    async def _transcript(self, wired: Mapping[str, object]) -> None:
        answer = await self._asked("POST", "/transcripts", wired)
        self.sent.counts["transcripts"] += 1
        self.sent.counts["turns"] += int(answer["turns"])

    async def _asked(self, method: str, path: str, content: object) -> Any:
        body = b"" if content is None else gzip.compress(msgspec.json.encode(content), 1)
        headers = {} if content is None else {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        for attempt in range(TRIES):
            try:
                answer = await self.client.request(method, path, content=body, headers=headers)
            except httpx.TransportError:
                if attempt == TRIES - 1:
                    raise
            else:
                if answer.status_code not in RETRYABLE:
                    return self._taken(answer)
                stated = answer.headers.get("Retry-After", "")
                if stated.isdecimal():
                    await asyncio.sleep(int(stated))
                    continue
            await asyncio.sleep(min(0.2 * 2**attempt, 5))
        raise BadInput(f"{method} {path} was not answered after {TRIES} tries")

    @staticmethod
    def _taken(answer: httpx.Response) -> Any:
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            raise BadInput(f"{answer.request.method} {answer.request.url.path}: {answer.json()['detail']}")
        return answer.json()

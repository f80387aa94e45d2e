"""What goes over the wire: a batch into bytes within the server's limits, its answer into what is settled."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID, uuid5

import httpx

from sightline.client.clocks import Instant
from sightline.client.queue_file import Refusal, Waiting

MOST_EVENTS = 1_000
MOST_INFLATED = 10 * 1024 * 1024
"""Bytes; the server takes no more of one batch."""

MOST_COMPRESSED = 1024 * 1024
"""Bytes of gzip."""

ENVELOPE = 1_024
"""Bytes kept free for what stands around the events of a batch."""

LONGEST_WAIT = 3_600.0
"""Seconds; a longer Retry-After is taken for a mistake of something between."""

TAKEN = frozenset({"created", "duplicate"})
NOT_TAKEN = frozenset({"rejected", "conflict"})


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of one attempt, and the attempt itself as gzip."""

    batch_id: UUID
    events: Sequence[Waiting]
    content: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """What the server answered for: event ids that it has, and those that it did not take."""

    accepted: Sequence[str]
    refused: Sequence[Refusal]


def pack(waiting: Sequence[Waiting], client_version: str, now: Instant) -> Batch:
    """As many of the oldest waiting events as fit one batch, sent now; at least one, however large it is.

    All of a batch were stamped by the same clock, since one `sent_at` stands for all. The batch's id follows from
    its events' ids: the same events again are the same batch.
    """
    events: list[Waiting] = []
    room = MOST_INFLATED - ENVELOPE
    for one in waiting:
        room -= len(one.body) + 1
        if events and (room < 0 or not events[0].recorded.same_clock(one.recorded)):
            break
        events.append(one)
    while True:
        batch_id = uuid5(UUID(events[0].event_id), ",".join(one.event_id for one in events))
        about = {
            "batch_id": str(batch_id),
            "client_version": client_version,
            "sent_at": now.by_the_clock_of(events[0].recorded).isoformat(),
        }
        head = json.dumps(about, ensure_ascii=False)[:-1].encode()
        body = head + b', "events": [' + b",".join(one.body for one in events) + b"]}"
        content = gzip.compress(body, 6)
        if len(content) < MOST_COMPRESSED or len(events) == 1:
            return Batch(batch_id, events, content)
        events = events[: len(events) // 2]


def read_answer(batch: Batch, answer: httpx.Response) -> Settled | None:
    """What the answer settles; None when it is not the server's answer to this batch.

    A network that asks people to sign in first answers 200 to everything; so only an answer that names this batch
    and accounts for each of its events is believed.
    """
    said = _json(answer)
    ids = {one.event_id for one in batch.events}
    try:
        results = {str(r["event_id"]): r for r in said["results"]}
        counts = said["counts"]
        whole = said["batch_id"] == str(batch.batch_id) and sum(counts.values()) == len(ids)
        statuses = {i: str(r["status"]) for i, r in results.items()}
        refused = [
            Refusal(i, r["status"], str(r["code"]), str(r.get("pointer") or ""), str(r["detail"]))
            for i, r in results.items()
            if r["status"] in NOT_TAKEN
        ]
    except (KeyError, TypeError, AttributeError):
        return None
    known = results.keys() <= ids and set(statuses.values()) <= TAKEN | NOT_TAKEN
    if not (whole and known and counts.get("rejected", 0) + counts.get("conflict", 0) == len(refused)):
        return None
    return Settled(sorted(ids - {r.event_id for r in refused}), refused)


def answers_closing(answer: httpx.Response, session_id: UUID) -> bool:
    """Whether this is the server's word that the session is closed."""
    return answer.is_success and _json(answer).get("session_id") == str(session_id)


def problem_of(answer: httpx.Response) -> tuple[str, str] | None:
    """Code and detail of a problem document (RFC 9457), or None: then something else than the server answered."""
    if not answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        return None
    said = _json(answer)
    return str(said.get("code", "problem")), str(said.get("detail", ""))


def retry_after(answer: httpx.Response) -> float:
    """Seconds to wait at least: given as seconds, or as a date, which is read against the answer's own Date.

    0 without the header; the device's clock may be wrong, so a date alone says nothing.
    """
    stated = answer.headers.get("Retry-After", "").strip()
    if stated.isascii() and stated.isdigit():
        return min(float(stated), LONGEST_WAIT)
    until, since = _date(stated), _date(answer.headers.get("Date", ""))
    if until is None or since is None:
        return 0.0
    return min(max((until - since).total_seconds(), 0.0), LONGEST_WAIT)


def _date(stated: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(stated)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = json.loads(answer.content)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}

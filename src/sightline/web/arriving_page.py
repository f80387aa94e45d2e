"""Arrivals as rows: what came, what became of it and why, with counts; no student is named or numbered."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from sightline.ingest.event_types import KNOWN_TYPES
from sightline.store.sender_view import Arrived

SESSION_SHOWN = 8
"""Characters of a session's id: enough to tell a morning's sessions apart."""

LONGEST_DATA = 2000
"""Characters of an event's data that the page shows; the API has the whole of it."""

LONGEST_PREVIEW = 40
"""Characters of it that stand in the row before it is opened."""


@dataclass(frozen=True, slots=True)
class ArrivalRow:
    """One arrival. `unread`: stored, of a type that no rule reads; `data` is None of what was refused.

    `key` is the same for the same arrival each time, so that a row that is open stays open.
    """

    key: str
    at: datetime
    stored: bool
    unread: bool
    event_type: str | None
    event_id: str | None
    session: str | None
    sequence: int | None
    code: str | None
    pointer: str | None
    detail: str | None
    data: str | None
    preview: str | None


@dataclass(frozen=True, slots=True)
class ArrivingPage:
    """All rows, newest first, and how many of them are which; `unread` is a part of `stored`."""

    rows: tuple[ArrivalRow, ...]
    stored: int
    refused: int
    unread: int


def arriving_page(found: Sequence[Arrived]) -> ArrivingPage:
    seen: Counter[str] = Counter()
    rows = tuple(_row(one, seen) for one in found)
    stored = sum(row.stored for row in rows)
    return ArrivingPage(rows, stored, len(rows) - stored, sum(row.unread for row in rows))


def _row(one: Arrived, seen: Counter[str]) -> ArrivalRow:
    stored = one.code is None
    data = None if one.data is None else msgspec.json.encode(one.data).decode()
    said = f"{one.received_at.isoformat()} {one.event_id} {one.code} {one.pointer}"
    seen[said] += 1  # the same fault twice in one batch, without an id, is two rows
    return ArrivalRow(
        key=hashlib.sha256(f"{said} {seen[said]}".encode()).hexdigest()[:16],
        at=one.received_at,
        stored=stored,
        unread=stored and one.event_type not in KNOWN_TYPES,
        event_type=one.event_type,
        event_id=one.event_id,
        session=None if one.session_id is None else str(one.session_id)[:SESSION_SHOWN],
        sequence=one.sequence,
        code=one.code,
        pointer=one.pointer,
        detail=one.detail,
        data=None if data is None else _cut(data, LONGEST_DATA),
        preview=None if data is None else _cut(data, LONGEST_PREVIEW),
    )


def _cut(said: str, longest: int) -> str:
    return said if len(said) <= longest else f"{said[: longest - 1]}…"

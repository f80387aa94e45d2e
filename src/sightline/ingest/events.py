"""Native telemetry events: decoded, checked against limits, their times corrected, or rejected with a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from sightline.domain.records import Event
from sightline.errors import BadInput, TooLarge
from sightline.ingest.event_types import KNOWN_TYPES, check_data
from sightline.ingest.personal import harmless, is_personal
from sightline.ingest.splitting import split_batch
from sightline.ingest.times import EARLIEST_US, FUTURE_US, Clock, clock_of, microseconds, moment
from sightline.ingest.unreadable import UNREADABLE, explained, stated_id, why

MAX_EVENTS = 1_000
MAX_DATA_BYTES = 10 * 1024
"""Of an event's data as compact JSON."""

MAX_DEPTH = 8

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, extra_json_schema={"pattern": "^[a-z0-9_]+$"})]
"""The pattern is checked for names that are in no catalog only: most are, and it would cost more than the rest."""

Label = Annotated[str, msgspec.Meta(max_length=200)]
Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class WireEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as it is sent."""

    event_id: UUID
    student_id: UUID
    session_id: UUID
    event_type: Name
    timestamp: Aware
    data: dict[str, Any]
    mission_id: Label | None = None
    game_version: Label | None = None
    sequence: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch says of itself; `launch_token` is for senders that can set no header, such as a beacon."""

    batch_id: UUID
    client_version: Annotated[str, msgspec.Meta(max_length=100)]
    sent_at: Aware
    launch_token: Annotated[str, msgspec.Meta(max_length=1000)] | None = None


class WireBatch(Envelope, frozen=True, kw_only=True):
    """A batch as it is sent."""

    events: list[WireEvent]


class _UnreadBatch(Envelope, frozen=True, kw_only=True):
    """A batch whose events stay raw, so that each is judged alone."""

    events: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class SentBatch:
    """A batch that could be read as such: its envelope, and events decoded or, where that failed, raw."""

    envelope: Envelope
    events: list[WireEvent] | list[bytes]


@dataclass(frozen=True, slots=True)
class Reject:
    """Why one event was not taken: a stable code, where it is (JSON pointer inside the event), what to do."""

    event_id: str | None
    code: str
    pointer: str
    detail: str


class Taken(msgspec.Struct, frozen=True, gc=False):
    """An event that may be stored: `data` as compact JSON, times in microseconds since 1970 UTC.

    `stated_us` is what the sender said, `occurred_us` the same with its clock corrected. A struct of the decoder's
    library and not a dataclass: one is made for every event, and this is the cheapest to make.
    """

    wire: WireEvent
    data: bytes
    stated_us: int
    occurred_us: int


NAME = re.compile("[a-z0-9_]+")

_event = msgspec.json.Decoder(WireEvent)
_batch = msgspec.json.Decoder(WireBatch)
_unread = msgspec.json.Decoder(_UnreadBatch)
_canonical = msgspec.json.Encoder(order="deterministic")


def read_batch(body: bytes) -> SentBatch:
    """A batch, each of its events apart.

    Raises BadInput for a body that is no batch at all, TooLarge for more than MAX_EVENTS events.
    """
    if body.count(b'"event_id"') <= MAX_EVENTS:
        try:
            batch = _batch.decode(body)
        except UNREADABLE:
            pass  # at least one event, or the envelope, cannot be read: found out below, one by one
        else:
            return _checked_batch(batch, batch.events)
    try:
        unread = _unread.decode(body)
        pieces = [bytes(raw) for raw in unread.events]
    except UNREADABLE:
        emptied, pieces = split_batch(body)
        try:
            unread = _unread.decode(emptied)
        except UNREADABLE as problem:
            code, pointer, detail = explained(problem)
            raise BadInput(f"the batch cannot be read: {detail}", code=code, pointer=pointer) from problem
    return _checked_batch(unread, pieces)


class _Beacon(msgspec.Struct, frozen=True):
    launch_token: str | None = None


_beacon = msgspec.json.Decoder(_Beacon)


def beacon_token(body: bytes) -> str | None:
    """The launch token that a batch holds; None without one, and for what is no JSON object."""
    try:
        return _beacon.decode(body).launch_token
    except UNREADABLE:
        return None


def _checked_batch(envelope: Envelope, events: list[WireEvent] | list[bytes]) -> SentBatch:
    if "\x00" in envelope.client_version:
        raise BadInput(
            "the client_version holds a NUL character; remove it", code="nul_character", pointer="/client_version"
        )
    if len(events) > MAX_EVENTS:
        raise TooLarge(
            f"the batch has {len(events)} events and {MAX_EVENTS} is the most; send it in parts",
            code="too_many_events",
            pointer="/events",
        )
    return SentBatch(envelope, events)


def judge_one(event: WireEvent | bytes, clock: Clock) -> Taken | Reject:
    """An event with its data made canonical and its time corrected, or why it is not taken."""
    if isinstance(event, bytes):
        try:
            wire = _event.decode(event)
        except UNREADABLE as problem:
            return Reject(stated_id(event), *why(event, problem, deepest=MAX_DEPTH))
    else:
        wire = event
    try:
        data = _canonical.encode(wire.data)
    except RecursionError:
        return Reject(str(wire.event_id), "too_deep", "/data", f"data is nested deeper than {MAX_DEPTH} levels")
    refused = _refused(wire, data)
    if refused is not None:
        return Reject(str(wire.event_id), *refused)
    stated = microseconds(wire.timestamp)
    occurred = stated + clock.shift_us
    if occurred > clock.received_us + FUTURE_US:
        return Reject(
            str(wire.event_id), "future_time", "/timestamp", "the time lies in the future; check the clock"
        )
    if occurred < EARLIEST_US:
        return Reject(str(wire.event_id), "too_old", "/timestamp", "the time lies before 2015; check the clock")
    return Taken(wire, data, stated, occurred)


def read_event(raw: bytes, *, received_at: datetime, sent_at: datetime | None) -> Event | Reject:
    """One event from its bytes as a record, its time corrected by the sender's clock, or why it was not taken."""
    taken = judge_one(raw, clock_of(received_at, sent_at))
    if isinstance(taken, Reject):
        return taken
    wire = taken.wire
    return Event(
        event_id=wire.event_id,
        student_id=wire.student_id,
        session_id=wire.session_id,
        event_type=wire.event_type,
        stated_at=moment(taken.stated_us),
        occurred_at=moment(taken.occurred_us),
        data=wire.data,
        mission_id=wire.mission_id,
        game_version=wire.game_version,
        sequence=wire.sequence,
    )


def _refused(wire: WireEvent, data: bytes) -> tuple[str, str, str] | None:
    """Code, pointer and what to do, for an event that is not taken; None for one that is."""
    plain = (
        wire.event_type in KNOWN_TYPES
        and len(data) <= MAX_DATA_BYTES
        and wire.mission_id is None
        and wire.game_version is None
        and harmless.issuperset(wire.data)
        and b"[" not in data
        and data.find(b"{", 1) < 0
        and b"\\u0000" not in data
    )  # nearly all events, and no more than a few looks at each
    return check_data(wire.event_type, wire.data) if plain else _refused_looked_at(wire, data)


def _refused_looked_at(wire: WireEvent, data: bytes) -> tuple[str, str, str] | None:
    if wire.event_type not in KNOWN_TYPES and not NAME.fullmatch(wire.event_type):
        return "invalid_name", "/event_type", "use lower-case letters, digits and underscores, 100 at most"
    if len(data) > MAX_DATA_BYTES:
        return "data_too_large", "/data", f"data has {len(data)} bytes and {MAX_DATA_BYTES} is the most"
    labelled = wire.mission_id is not None or wire.game_version is not None
    if b"\\u0000" in data or (labelled and _nul_outside(wire)):
        found = _has_nul(wire, data)
        if found is not None:
            return "nul_character", found, "remove the NUL character from the text"
    nested = False
    for key, value in wire.data.items():
        if key not in harmless and is_personal(key):
            return _personal(f"/data/{_escaped(key)}")
        nested = nested or type(value) in _CONTAINERS
    if nested and (below := _refused_below(wire.data)) is not None:
        return below
    return check_data(wire.event_type, wire.data)


_CONTAINERS = frozenset({dict, list})


def _refused_below(data: dict[str, Any]) -> tuple[str, str, str] | None:
    for pointer, key, depth in _walk(data, "/data", 1):
        if depth > MAX_DEPTH:
            return "too_deep", pointer, f"data is nested deeper than {MAX_DEPTH} levels"
        if key is not None and is_personal(key):
            return _personal(pointer)
    return None


def _personal(pointer: str) -> tuple[str, str, str]:
    return "personal_data", pointer, "remove this key: events carry no personal data"


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _walk(value: object, pointer: str, depth: int) -> Iterator[tuple[str, str | None, int]]:
    """Every object and list below with its pointer, key and depth; stops below the depth that is refused."""
    if not isinstance(value, dict | list) or depth > MAX_DEPTH + 1:
        return
    yield pointer, None, depth
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        below = f"{pointer}/{_escaped(str(key))}"
        if isinstance(key, str):
            yield below, key, depth
        yield from _walk(inner, below, depth + 1)


def _nul_outside(wire: WireEvent) -> bool:
    return (wire.mission_id is not None and "\x00" in wire.mission_id) or (
        wire.game_version is not None and "\x00" in wire.game_version
    )


def _has_nul(wire: WireEvent, data: bytes) -> str | None:
    """Where a NUL is (PostgreSQL's text and jsonb can hold none); None for six harmless characters."""
    if _nul_outside(wire):
        return ""
    return "" if re.search(r"(?<!\\)(?:\\\\)*\\u0000", json.dumps(json.loads(data))) is not None else None

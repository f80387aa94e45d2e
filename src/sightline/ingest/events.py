"""Native telemetry events: decoded, checked against limits, their times corrected, or rejected with a reason."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any
from uuid import UUID

import msgspec

from sightline.domain.records import Event
from sightline.errors import BadInput, TooLarge
from sightline.ingest.splitting import split_batch

MAX_EVENTS = 1_000
MAX_DATA_BYTES = 10 * 1024
MAX_DEPTH = 8
CLOCK_TOLERANCE = timedelta(seconds=2)
FUTURE_TOLERANCE = timedelta(minutes=5)
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern="^[a-z0-9_]+$")]
Label = Annotated[str, msgspec.Meta(max_length=200)]
Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class WireEvent(msgspec.Struct, frozen=True):
    """An event as it is sent; `data` stays raw until its size is known."""

    event_id: UUID
    student_id: UUID
    session_id: UUID
    event_type: Name
    timestamp: Aware
    data: msgspec.Raw
    mission_id: Label | None = None
    game_version: Label | None = None
    sequence: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None


class WireBatch(msgspec.Struct, frozen=True):
    """A batch as it is sent; its events stay raw, so that each is judged alone."""

    batch_id: UUID
    client_version: Annotated[str, msgspec.Meta(max_length=100)]
    sent_at: Aware
    events: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Reject:
    """Why one event was not taken: a stable code, where it is (JSON pointer inside the event), what to do."""

    event_id: str | None
    code: str
    pointer: str
    detail: str


_events = msgspec.json.Decoder(WireEvent)
_batches = msgspec.json.Decoder(WireBatch)
_objects = msgspec.json.Decoder(dict[str, Any])

_PATH = re.compile(r" - at `\$(.*)`$")
_CODES = (
    ("Invalid UUID", "invalid_uuid", "use a UUID in its usual form with hyphens"),
    ("timezone component", "naive_time", "add an offset, such as Z or +01:00"),
    ("Invalid RFC3339", "invalid_time", "use RFC 3339, such as 2026-03-01T09:30:00Z"),
    ("missing required field", "missing_field", "send it"),
    ("matching regex", "invalid_name", "use lower-case letters, digits and underscores, 100 at most"),
    ("length", "invalid_length", "keep to the length that the contract states"),
    ("Number out of range", "number_out_of_range", "send a number that a double can hold"),
)

_PERSONAL_TOKENS = frozenset(
    {
        "email",
        "mail",
        "phone",
        "telephone",
        "mobile",
        "address",
        "birth",
        "birthday",
        "dob",
        "birthdate",
        "surname",
        "lastname",
        "firstname",
        "fullname",
        "username",
        "nickname",
    }
)
_PERSON_BEFORE_NAME = frozenset(
    {
        "first",
        "last",
        "full",
        "user",
        "player",
        "student",
        "child",
        "nick",
        "display",
        "given",
        "family",
        "middle",
        "maiden",
        "parent",
        "guardian",
        "teacher",
        "real",
    }
)
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def read_batch(body: bytes) -> WireBatch:
    """The envelope of a batch with its events still raw.

    Raises BadInput for a body that is no batch at all, TooLarge for more than MAX_EVENTS events.
    """
    try:
        batch = _batches.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        envelope, pieces = split_batch(body)
        try:
            batch = _batches.decode(envelope)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
            code, pointer, detail = _explained(problem)
            raise BadInput(f"the batch cannot be read: {detail}", code=code, pointer=pointer) from problem
        batch = msgspec.structs.replace(batch, events=[msgspec.Raw(piece) for piece in pieces])
    if "\x00" in batch.client_version:
        raise BadInput(
            "the client_version holds a NUL character; remove it", code="nul_character", pointer="/client_version"
        )
    if len(batch.events) > MAX_EVENTS:
        raise TooLarge(
            f"the batch has {len(batch.events)} events and {MAX_EVENTS} is the most; send it in parts",
            code="too_many_events",
            pointer="/events",
        )
    return batch


def read_event(raw: bytes, *, received_at: datetime, sent_at: datetime | None) -> Event | Reject:
    """One event from its bytes, its time corrected by the sender's clock, or why it was not taken."""
    try:
        wire = _events.decode(raw)
        data = _objects.decode(wire.data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
        return Reject(_stated_id(raw), *_why(raw, problem))
    problem_found = _refused(wire, data, raw)
    if problem_found is not None:
        return Reject(str(wire.event_id), *problem_found)
    stated_at = in_utc(wire.timestamp)
    occurred_at = corrected(stated_at, received_at=received_at, sent_at=sent_at)
    if occurred_at > received_at + FUTURE_TOLERANCE:
        return Reject(
            str(wire.event_id), "future_time", "/timestamp", "the time lies in the future; check the clock"
        )
    if occurred_at < EARLIEST:
        return Reject(str(wire.event_id), "too_old", "/timestamp", "the time lies before 2015; check the clock")
    return Event(
        event_id=wire.event_id,
        student_id=wire.student_id,
        session_id=wire.session_id,
        event_type=wire.event_type,
        stated_at=stated_at,
        occurred_at=occurred_at,
        data=data,
        mission_id=wire.mission_id,
        game_version=wire.game_version,
        sequence=wire.sequence,
    )


def in_utc(stated: datetime) -> datetime:
    """The time in UTC; at the ends of the calendar, where an offset leads out of it, the end itself."""
    try:
        return stated.astimezone(UTC)
    except OverflowError:
        return (
            datetime(MINYEAR, 1, 1, tzinfo=UTC)
            if stated.year == MINYEAR
            else datetime(MAXYEAR, 12, 31, tzinfo=UTC)
        )


def corrected(stated: datetime, *, received_at: datetime, sent_at: datetime | None) -> datetime:
    """Received - (sent - stated) when the sender's clock is off by more than CLOCK_TOLERANCE, else as stated."""
    if sent_at is None or abs(received_at - sent_at) <= CLOCK_TOLERANCE:
        return stated
    try:
        return received_at - (sent_at - stated)
    except OverflowError:
        return stated


def content_hash(event: Event) -> bytes:
    """SHA-256 of what the client said, so that the same id with other content is told from a resend."""
    said = (
        str(event.student_id),
        str(event.session_id),
        event.event_type,
        event.stated_at.isoformat(),
        json.dumps(event.data, sort_keys=True, separators=(",", ":")),
        event.mission_id,
        event.game_version,
        event.sequence,
    )
    return hashlib.sha256(json.dumps(said).encode()).digest()


def _refused(wire: WireEvent, data: dict[str, Any], raw: bytes) -> tuple[str, str, str] | None:
    if wire.event_type.endswith("\n"):
        return "invalid_name", "/event_type", "use lower-case letters, digits and underscores, 100 at most"
    size = len(bytes(wire.data))
    if size > MAX_DATA_BYTES:
        return "data_too_large", "/data", f"data has {size} bytes and {MAX_DATA_BYTES} is the most"
    if b"\\u0000" in raw and _has_nul(wire, data):
        return "nul_character", "", "remove the NUL character from the text"
    for pointer, key, depth in _walk(data, "/data", 1):
        if depth > MAX_DEPTH:
            return "too_deep", pointer, f"data is nested deeper than {MAX_DEPTH} levels"
        if key is not None and is_personal(key):
            return "personal_data", pointer, "remove this key: events carry no personal data"
    return None


def _walk(value: object, pointer: str, depth: int) -> Iterator[tuple[str, str | None, int]]:
    """Every object and list below with its pointer, key and depth; stops below the depth that is refused."""
    if not isinstance(value, dict | list) or depth > MAX_DEPTH + 1:
        return
    yield pointer, None, depth
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        below = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
        if isinstance(key, str):
            yield below, key, depth
        yield from _walk(inner, below, depth + 1)


def _has_nul(wire: WireEvent, data: dict[str, Any]) -> bool:
    texts = json.dumps([data, wire.mission_id, wire.game_version])
    return re.search(r"(?<!\\)(?:\\\\)*\\u0000", texts) is not None


def is_personal(key: str) -> bool:
    """A key named like a name, an e-mail, a phone, an address or a birth date, in any spelling."""
    tokens = [t.lower() for t in _TOKEN.findall(key)]
    if not tokens:
        return False
    if tokens == ["name"] or any(token in _PERSONAL_TOKENS for token in tokens):
        return True
    return any(a in _PERSON_BEFORE_NAME and b == "name" for a, b in pairwise(tokens))


def _why(raw: bytes, problem: Exception) -> tuple[str, str, str]:
    """Code, pointer and detail of an event that could not be decoded."""
    if isinstance(problem, RecursionError):
        return "too_deep", "", f"the event is nested deeper than {MAX_DEPTH} levels"
    if isinstance(problem, msgspec.ValidationError):
        return _explained(problem)
    unusual: list[str] = []
    try:
        json.loads(raw, parse_constant=unusual.append)
    except RecursionError:
        return "too_deep", "", f"the event is nested deeper than {MAX_DEPTH} levels"
    except ValueError:
        return "malformed_json", "", "the event is not valid JSON"
    if unusual:
        return "not_a_number", "", "JSON knows no NaN and no Infinity; leave the key out or send null"
    return "malformed_text", "", "the event has text that is not valid Unicode"


def _explained(problem: Exception) -> tuple[str, str, str]:
    message = str(problem)
    where = _PATH.search(message)
    pointer = (
        ""
        if where is None
        else re.sub(r"\[(\d+|\.\.\.)\]", r"/\1", where[1]).replace(".", "/").replace("////", "")
    )
    for sign, code, mend in _CODES:
        if sign in message:
            field = re.search(r"missing required field `(\w+)`", message)
            if field is not None:
                pointer = f"{pointer}/{field[1]}"
            return code, pointer, f"{pointer or 'the event'}: {mend}"
    if isinstance(problem, msgspec.ValidationError):
        return "invalid_type", pointer, _PATH.sub("", message)
    return "malformed_json", pointer, "it is not valid JSON"


def _stated_id(raw: bytes) -> str | None:
    """The event's id as its sender wrote it, as far as it can be read."""
    found = re.search(rb'"event_id"\s*:\s*"([^"\\]{1,100})"', raw)
    return None if found is None else found[1].decode("ascii", "replace").replace("\x00", "")

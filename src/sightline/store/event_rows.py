"""Events as rows of PostgreSQL's binary COPY: packed once, when a request is read, and hashed on the way."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from sightline.ingest.events import Taken, WireEvent
from sightline.ingest.times import microseconds

COLUMNS: Final = (
    "event_id, student_id, session_id, event_type, stated_at, sequence, mission_id, game_version, data, "
    "content_hash, occurred_at, school_id, received_at, sent_by"
)
"""Order of a packed row: the id, what the sender said (this is hashed), what the server knows of each event, and
what it knows of the request, which is packed once."""

_EPOCH_US = 946_684_800_000_000
"""PostgreSQL counts time from 2000; microseconds from 1970 to then."""

_HEAD = struct.Struct(">hi16s")
_OWNER = struct.Struct(">i16si16s")
_STATED = struct.Struct(">iq")
_NUMBERED = struct.Struct(">iqiq")
_LENGTH = struct.Struct(">i")
_JSONB = struct.Struct(">ib")
_FOUND = struct.Struct(">i32siq")
_COLUMNS = struct.Struct(">h")
_MOMENT = struct.Struct(">q")
_REQUEST = struct.Struct(">i16siqi16s")
_NULL = _LENGTH.pack(-1)
_NO_LABELS = _NULL + _NULL

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = struct.pack(">h", -1)


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """An event ready to be copied: what decides about it, and its bytes."""

    event_id: UUID
    student_id: UUID
    session_id: UUID
    event_type: str
    content_hash: bytes
    packed: bytes


@lru_cache(maxsize=8192)
def _text(value: str) -> bytes:
    encoded = value.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def owner_of(wire: WireEvent) -> bytes:
    """Whose event it is, as two columns; the same for many events of a request."""
    return _OWNER.pack(16, wire.student_id.bytes, 16, wire.session_id.bytes)


def request_part(school_id: UUID, received_us: int, sent_by: UUID) -> bytes:
    """The last columns, which are the same for all events of a request."""
    return _REQUEST.pack(16, school_id.bytes, 8, received_us - _EPOCH_US, 16, sent_by.bytes)


def content_of(taken: Taken, owner: bytes) -> bytes:
    """What the sender said of an event, as the columns of a row: the same for the same, however it is written."""
    said, data = taken.wire, taken.data
    stated = taken.stated_us - _EPOCH_US
    number = said.sequence
    numbered = _STATED.pack(8, stated) + _NULL if number is None else _NUMBERED.pack(8, stated, 8, number)
    labels = (
        _NO_LABELS
        if said.mission_id is None and said.game_version is None
        else _label(said.mission_id) + _label(said.game_version)
    )
    return b"".join((owner, _text(said.event_type), numbered, labels, _JSONB.pack(len(data) + 1, 1), data))


def _label(value: str | None) -> bytes:
    return _NULL if value is None else _text(value)


def content_hash(content: bytes) -> bytes:
    """SHA-256: by it a resend is told from a conflict."""
    return hashlib.sha256(content).digest()


def pack(taken: Taken, owner: bytes, request: bytes) -> EventRow:
    """One row, ready to be copied, from the event, `owner_of` it and `request_part`."""
    said, content = taken.wire, content_of(taken, owner)
    said_hash = hashlib.sha256(content).digest()
    head = _HEAD.pack(14, 16, said.event_id.int.to_bytes(16))
    found = _FOUND.pack(32, said_hash, 8, taken.occurred_us - _EPOCH_US)
    packed = b"".join((head, content, found, request))
    return EventRow(said.event_id, said.student_id, said.session_id, said.event_type, said_hash, packed)


def packed_row(fields: Sequence[bytes | None]) -> bytes:
    """Any row, from its columns in binary."""
    return b"".join(
        (_COLUMNS.pack(len(fields)), *(_NULL if f is None else _LENGTH.pack(len(f)) + f for f in fields))
    )


def moment_part(at: datetime) -> bytes:
    """A timestamptz."""
    return _MOMENT.pack(microseconds(at) - _EPOCH_US)


def json_part(text: bytes) -> bytes:
    """A jsonb."""
    return b"\x01" + text


def copy_stream(rows: Iterable[bytes]) -> bytes:
    """The whole of one COPY."""
    return b"".join((SIGNATURE, *rows, TRAILER))

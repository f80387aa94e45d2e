"""Events as rows of PostgreSQL's binary COPY: packed once, when a request is read, and hashed on the way."""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from sightline.ingest.events import Taken

COLUMNS: Final = (
    "event_id, student_id, session_id, event_type, stated_at, sequence, mission_id, game_version, data, "
    "school_id, occurred_at, received_at, sent_by, content_hash"
)
"""Order of a packed row: the id, what the sender said (this is hashed), what the server knows."""

_EPOCH_US = 946_684_800_000_000
"""PostgreSQL counts time from 2000; microseconds from 1970 to then."""

_HEAD = struct.Struct(">hi16s")
_OWNER = struct.Struct(">i16si16s")
_NUMBER = struct.Struct(">iq")
_LENGTH = struct.Struct(">i")
_JSONB = struct.Struct(">ib")
_TAIL = struct.Struct(">i16siqiqi16si32s")
_NULL = _LENGTH.pack(-1)

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


def content_of(taken: Taken) -> bytes:
    """What the sender said of an event, as the columns of a row: the same for the same, however it is written."""
    said, data = taken.wire, taken.data
    return b"".join(
        (
            _OWNER.pack(16, said.student_id.bytes, 16, said.session_id.bytes),
            _text(said.event_type),
            _NUMBER.pack(8, taken.stated_us - _EPOCH_US),
            _NULL if said.sequence is None else _NUMBER.pack(8, said.sequence),
            _NULL if said.mission_id is None else _text(said.mission_id),
            _NULL if said.game_version is None else _text(said.game_version),
            _JSONB.pack(len(data) + 1, 1),
            data,
        )
    )


def content_hash(content: bytes) -> bytes:
    """SHA-256: by it a resend is told from a conflict."""
    return hashlib.sha256(content).digest()


def pack(taken: Taken, *, school_id: UUID, received_us: int, sent_by: UUID) -> EventRow:
    """One row, ready to be copied."""
    said, content = taken.wire, content_of(taken)
    said_hash = content_hash(content)
    packed = b"".join(
        (
            _HEAD.pack(14, 16, said.event_id.bytes),
            content,
            _TAIL.pack(
                *(16, school_id.bytes, 8, taken.occurred_us - _EPOCH_US),
                *(8, received_us - _EPOCH_US, 16, sent_by.bytes, 32, said_hash),
            ),
        )
    )
    return EventRow(said.event_id, said.student_id, said.session_id, said.event_type, said_hash, packed)


def copy_stream(rows: list[bytes]) -> bytes:
    """The whole of one COPY: packed rows in the order of their ids, so that no two writers wait in a circle."""
    return b"".join((SIGNATURE, *sorted(rows), TRAILER))

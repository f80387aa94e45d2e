"""OpenGameData loggers as they really post: the browser's, Unity's, and what both leave behind in a body."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from sightline.domain.records import Event
from sightline.ingest.events import read_event
from sightline.ingest.opengamedata import LogBatch, read_log

SCHOOL, STUDENT = uuid4(), uuid4()
NOW = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)
QUERY = {"app_id": "aqualab", "app_version": "7", "log_version": "3", "session_id": "26031410300512345"}
FORBIDDEN = b"@&;:<>=?\"'/\\!#%+$,{}|^[]`"


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def browser_entry(name: str, index: int, at: datetime, minutes: int, **more: object) -> dict[str, object]:
    """As the browser logger fills it in: local time, and an offset whose numbers are cut towards zero."""
    hour, minute = int(minutes / 60), abs(minutes) % 60 * (-1 if minutes < 0 else 1)
    return {
        "event_name": name,
        "event_sequence_index": index,
        "client_time": stamp(at + timedelta(minutes=minutes)),
        "client_offset": f"{hour}:{str(minute).rjust(2, '0')}:00",
    } | {key: json.dumps(value) for key, value in more.items()}


def unity_entry(name: str, index: int, at: datetime, minutes: int, **more: object) -> dict[str, object]:
    """As the Unity logger fills it in: UTC, and an offset of two digits and a sign to each number."""
    sign = "-" if minutes < 0 else ""
    hour, minute = divmod(abs(minutes), 60)
    parts = [f"{sign if part else ''}{part:02d}" for part in (hour, minute)]
    return browser_entry(name, index, at, minutes, **more) | {
        "client_time": stamp(at),
        "client_offset": f"{parts[0]}:{parts[1]}:00",
    }


def browser_session(start: datetime) -> str:
    return f"{start:%y}{start.month - 1:02d}{start:%d%H%M%S}73204"


def unity_session(start: datetime) -> str:
    return f"{start:%y%m%d%H%M%S}73204"


def browser_body(entries: object) -> bytes:
    return b"data=" + quote(base64.b64encode(json.dumps(entries).encode()), safe="").encode()


def unity_body(entries: object) -> bytes:
    plain = base64.b64encode(json.dumps(entries, ensure_ascii=False).encode())
    escaped = b"".join(b"%%%02X" % letter if letter in FORBIDDEN else bytes([letter]) for letter in plain)
    return b'data="' + escaped + b'"'


def read(body: bytes, query: Mapping[str, str] = QUERY, at: datetime = NOW) -> LogBatch:
    return read_log(query, body, student_id=STUDENT, school_id=SCHOOL, received_at=at)


def raws(log: LogBatch) -> list[bytes]:
    return [raw for batch in log.batches for raw in batch.events if isinstance(raw, bytes)]


def events_of(log: LogBatch) -> list[Event]:
    """The events, each taken by the checks that every event goes through."""
    judged = [read_event(raw, received_at=NOW, sent_at=NOW) for raw in raws(log)]
    assert all(isinstance(one, Event) for one in judged), judged
    return [one for one in judged if isinstance(one, Event)]


def one(entry: Mapping[str, object], **query: str) -> Event:
    (event,) = events_of(read(browser_body([entry]), QUERY | query))
    return event


def ogd(event: Event) -> dict[str, Any]:
    """What stands under `data.ogd`: where the event came from, and what no row maps."""
    found = event.data["ogd"]
    assert isinstance(found, dict)
    return found

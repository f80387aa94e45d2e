"""What an OpenGameData logger posts, turned into events of our own shape, which the usual checks then judge.

The ids are made from school, game, session and index, and nothing of the time of receipt goes into an event: a
logger that sends its queue again sends, byte for byte, events that are known. One unreadable entry sinks no
other. Only a mapping row puts a word where a rule reads it; all else that the game said lies under `data.ogd`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID, uuid5

from sightline.errors import BadInput, TooLarge
from sightline.ingest.event_types import KNOWN_TYPES
from sightline.ingest.events import MAX_DATA_BYTES, MAX_DEPTH, MAX_EVENTS, Envelope, Reject, SentBatch
from sightline.ingest.opengamedata_clock import read_time
from sightline.ingest.opengamedata_mapping import GAMES, LONGEST, Game, row_for
from sightline.ingest.personal import is_personal
from sightline.ingest.splitting import split_batch

NAMESPACE = UUID("6a0e2f5c-88d1-5f0b-9c39-1a7d5be0c2d4")
"""Root of all ids made from such logs."""

MAX_BODY = 10 * 1024 * 1024
MAX_ENTRIES = 10_000
"""A logger that was offline sends its whole queue in one request and cannot split it."""

NAME = re.compile(r"[A-Z0-9_.-]{1,64}")
SESSION = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MAX_INDEX = 2**62
EXACT = 2**63
ROOM_BELOW = MAX_DEPTH - 2
"""`data.ogd.event_data` lies two levels down."""

QUERY_NAMES = {
    "app_id": ("app_id", "game_id"),
    "app_version": ("app_version", "game_version"),
    "log_version": ("log_version",),
    "session_id": ("session_id",),
}
"""The names of the loggers' first format and of their format 1.0."""

ENTRY_NAMES = {
    "index": ("event_sequence_index", "session_sequence_index", "session_n"),
    "time": ("client_time", "timestamp"),
    "event_data": ("event_data", "event_data_complex"),
}
"""The same for an entry; the last ones are those of the oldest logger."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose log it is, and what its address says about the game."""

    school_id: UUID
    student_id: UUID
    app_id: str
    session: str
    app_version: str | None
    log_version: str | None

    def id_of(self, *what: object) -> UUID:
        return uuid5(NAMESPACE, json.dumps([str(self.school_id), self.app_id, self.session, *what]))

    @property
    def session_id(self) -> UUID:
        return self.id_of("session")


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Batches of at most MAX_EVENTS events in our own shape, and the entries that could not be read.

    `mapped` events have a type of the contract; `unmapped` ones are called `ogd_...`. `personal_dropped` counts
    keys that were left out because they look personal.
    """

    session_id: UUID
    batches: tuple[SentBatch, ...]
    rejects: tuple[Reject, ...]
    mapped: int
    unmapped: int
    personal_dropped: int


def read_log(
    query: Mapping[str, str], body: bytes, *, student_id: UUID, school_id: UUID, received_at: datetime
) -> LogBatch:
    """The events of one request to `/logger/log.php`.

    `query` is the decoded query string, `body` the form. `received_at` (aware) stands only in the batches'
    `sent_at`: the format says nothing of the sender's clock, so its times stand as stated. Raises BadInput for
    what is no log at all, TooLarge for more than MAX_BODY bytes or MAX_ENTRIES entries.
    """
    if len(body) > MAX_BODY:
        raise TooLarge(f"the log has {len(body)} bytes and {MAX_BODY} is the most", code="body_too_large")
    source = _source(query, student_id=student_id, school_id=school_id)
    content = _content(body)
    entries = _entries(content)
    if len(entries) > MAX_ENTRIES:
        raise TooLarge(
            f"the log has {len(entries)} entries and {MAX_ENTRIES} is the most",
            code="too_many_events",
            pointer="/data",
        )
    read = [_event(source, i, entry) for i, entry in enumerate(entries)]
    events = [one for one in read if isinstance(one, _Made)]
    fingerprint = hashlib.sha256(content).hexdigest()
    version = f"ogd {source.app_id} {source.app_version or ''}".strip()[:100]
    return LogBatch(
        session_id=source.session_id,
        batches=tuple(
            SentBatch(
                Envelope(
                    batch_id=source.id_of("batch", fingerprint, start), client_version=version, sent_at=received_at
                ),
                [made.raw for made in events[start : start + MAX_EVENTS]],
            )
            for start in range(0, len(events), MAX_EVENTS)
        ),
        rejects=tuple(one for one in read if isinstance(one, Reject)),
        mapped=sum(made.mapped for made in events),
        unmapped=sum(not made.mapped for made in events),
        personal_dropped=sum(made.personal_dropped for made in events),
    )


def _source(query: Mapping[str, str], *, student_id: UUID, school_id: UUID) -> Source:
    found = {
        what: next((query[name] for name in names if query.get(name)), None) for what, names in QUERY_NAMES.items()
    }
    app_id = (found["app_id"] or "").strip().upper()
    session = (found["session_id"] or "").strip()
    for value, pattern, what in ((app_id, NAME, "app_id"), (session, SESSION, "session_id")):
        if not value:
            raise BadInput(f"the address has no {what}", code="missing_field", pointer=f"/{what}")
        if pattern.fullmatch(value) is None:
            raise BadInput(
                f"{what} must be 1 to 64 letters, digits or _.-", code="invalid_name", pointer=f"/{what}"
            )
    return Source(
        school_id, student_id, app_id, session, _short(found["app_version"]), _short(found["log_version"])
    )


def _short(text: str | None) -> str | None:
    return None if text is None else _sound(text)[:LONGEST] or None


def _content(body: bytes) -> bytes:
    """The JSON inside the form: base64 in quotes (Unity) or without (browser), or plain when so configured."""
    for part in body.split(b"&"):
        key, found, value = part.partition(b"=")
        if found and key.strip() == b"data":
            break
    else:
        raise BadInput("the form has no field `data`", code="missing_field", pointer="/data")
    plain = unquote_to_bytes(value).strip()
    if len(plain) > 1 and plain[:1] == plain[-1:] == b'"':
        plain = plain[1:-1].strip()
    if plain[:1] in {b"[", b"{"}:
        return unquote_to_bytes(value.replace(b"+", b" ")).strip().strip(b'"')
    # A plus that was not escaped arrives as itself or as a space; padding may be lost on the way.
    letters = re.sub(rb"[\r\n\t]", b"", plain).replace(b" ", b"+").rstrip(b"=")
    letters = letters.replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
    except binascii.Error as problem:
        raise BadInput("the field `data` is not base64", code="malformed_base64", pointer="/data") from problem


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")  # the browser's `btoa` encodes one byte a character


def _json(text: str) -> Any:
    """JSON as the loggers write it: bare control characters in text, and NaN, which becomes null."""
    return json.loads(text, strict=False, parse_constant=lambda _: None)


def _entries(content: bytes) -> list[Any]:
    """The entries of the log; what is broken inside stays as bytes. Raises BadInput when it is no list."""
    try:
        log = _json(_text(content))
    except (ValueError, RecursionError):
        try:
            pieces = split_batch(b'{"events":' + content + b"}")[1]
        except BadInput as problem:
            raise BadInput(
                "the field `data` holds no JSON array", code="malformed_json", pointer="/data"
            ) from problem
        return [_entry(piece) for piece in pieces[: MAX_ENTRIES + 1]]
    if isinstance(log, dict):
        return [log]
    if not isinstance(log, list):
        raise BadInput("the field `data` holds no JSON array", code="invalid_type", pointer="/data")
    return log


def _entry(piece: bytes) -> Any:
    try:
        return _json(_text(piece))
    except (ValueError, RecursionError):
        return piece


@dataclass(frozen=True, slots=True)
class _Made:
    raw: bytes
    mapped: bool
    personal_dropped: int


def _event(source: Source, position: int, entry: Any) -> _Made | Reject:
    where = f"/data/{position}"
    if isinstance(entry, bytes):
        return Reject(None, "malformed_json", where, "this entry is not valid JSON")
    if not isinstance(entry, dict):
        return Reject(None, "invalid_type", where, "this entry is not an object")
    index = _index(_first(entry, "index"))
    if index is None:
        return Reject(None, "missing_field", f"{where}/event_sequence_index", "send a whole number from 0 on")
    event_id = source.id_of(index)
    name = _name(entry)
    if name is None:
        return Reject(str(event_id), "missing_field", f"{where}/event_name", "send the event's name")
    timed = read_time(_first(entry, "time"), entry.get("client_offset"), source.session)
    if timed is None:
        return Reject(str(event_id), "invalid_time", f"{where}/client_time", "send 2026-03-01 09:30:00.000Z")
    told = _Told.of(entry)
    row = row_for(source.app_id, name, told.said)
    sweep = _Sweep(GAMES.get(source.app_id, Game(())))
    ogd: dict[str, Any] = {"event_name": name[:LONGEST], "clock": timed[1].value}
    ogd |= {"app_version": source.app_version} if source.app_version else {}
    ogd |= {"log_version": source.log_version} if source.log_version else {}
    ogd |= {"unreadable": list(told.unreadable)} if told.unreadable else {}
    kept = {} if name.lower().startswith("survey") else sweep.of(told.said["event_data"], 1)
    sweep.count_only(told.said["game_state"], told.said["user_data"])
    if sweep.dropped:
        ogd["personal_dropped"] = sweep.dropped
    data: dict[str, Any] = {"ogd": ogd}
    if row is not None and row.event_type is not None:
        taken = {take.to: take.value(told.said) for take in row.takes}
        data |= {to: _sound(value) for to, value in taken.items() if value is not None}
    if kept:
        full = data | {"ogd": ogd | {"event_data": kept}}
        fits = not sweep.too_deep and len(_bytes(full)) <= MAX_DATA_BYTES
        data = full if fits else data | {"ogd": ogd | {"truncated": True}}
    event_type = row.event_type if row is not None and row.event_type is not None else unmapped_type(name)
    event = {
        "event_id": str(event_id),
        "student_id": str(source.student_id),
        "session_id": str(source.session_id),
        "event_type": event_type,
        "timestamp": timed[0].isoformat(),
        "sequence": index,
        "data": data,
    }
    event |= {"game_version": source.app_version} if source.app_version else {}
    return _Made(_bytes(event), event_type in KNOWN_TYPES, sweep.dropped)


def unmapped_type(name: str) -> str:
    """The type of an event that no table maps: `ogd_` and its name in lower-case letters, digits, underscores."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:96]
    return f"ogd_{slug or 'unnamed'}"


def _bytes(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _first(entry: Mapping[str, Any], what: str) -> Any:
    return next((entry[name] for name in ENTRY_NAMES[what] if entry.get(name) is not None), None)


def _index(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INDEX else None


def _name(entry: Mapping[str, Any]) -> str | None:
    """The event's name; the oldest logger sends `event` and a number, joined as its server joins them."""
    name = entry.get("event_name")
    if name is None and isinstance(entry.get("event"), str):
        name = f"{entry['event']}.{_index(entry.get('event_custom')) or 0}"
    return (_sound(name).strip() or None) if isinstance(name, str) else None


@dataclass(frozen=True, slots=True)
class _Told:
    """What an entry says besides name and time, its JSON texts opened; `unreadable` names those that are none."""

    said: Mapping[str, Any]
    unreadable: tuple[str, ...]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> _Told:
        raw = {
            "event_data": _first(entry, "event_data"),
            "game_state": entry.get("game_state"),
            "user_data": entry.get("user_data"),
        }
        said: dict[str, Any] = {}
        unreadable: list[str] = []
        for key, value in raw.items():
            try:
                opened = _opened(value)
            except (ValueError, RecursionError):
                opened = {}
                unreadable.append(key)
            said[key] = opened
        if "level" in entry and "level" not in said["game_state"]:
            said["game_state"] = said["game_state"] | {"level": entry["level"]}
        return cls(said, tuple(unreadable))


def _opened(value: Any) -> dict[str, Any]:
    """An object from an object or from JSON text, which some games put into text twice."""
    for _ in range(2):
        if isinstance(value, str) and value.strip():
            value = _json(value)
    if value is None or value == "":
        return {}
    return value if isinstance(value, dict) else {"value": value}


class _Sweep:
    """Makes what a game said fit to be kept: no personal keys, no characters or numbers that cannot be stored."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.dropped = 0
        self.too_deep = False

    def of(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict | list) and depth > ROOM_BELOW:
            self.too_deep = True
            return None
        if isinstance(value, dict):
            kept: dict[str, Any] = {}
            for key, inner in value.items():
                named = _sound(self.game.renamed.get(key, key))
                if is_personal(named) or key in self.game.private:
                    self.dropped += 1
                else:
                    kept[named] = self.of(inner, depth + 1)
            return kept
        if isinstance(value, list):
            return [self.of(inner, depth + 1) for inner in value]
        if isinstance(value, str):
            return _sound(value)
        if isinstance(value, float) and not abs(value) < float("inf"):
            return None
        return None if isinstance(value, int) and abs(value) >= EXACT else value

    def count_only(self, *objects: Any) -> None:
        """Counts the personal keys of what is not kept, without letting its depth count."""
        deep = self.too_deep
        for one in objects:
            self.of(one, 1)
        self.too_deep = deep


def _sound(text: str) -> str:
    """The text without NUL and without halves of characters, which no database stores."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()

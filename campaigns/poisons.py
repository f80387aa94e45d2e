"""What may be wrong with an event, written down: each poison knows which answer it must get.

An item is one element of a batch's list of events, as bytes. A good one must be stored with equal content, a bad one
answered with a code and a pointer; of one that bytes were changed in at random, or whose numbers lie at the edge,
either may become, but what is answered must be what is so.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from campaigns.sending import event_of, id_from

Event = dict[str, Any]


class Verdict(Enum):
    """What must become of an item."""

    GOOD = "good"
    BAD = "bad"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Item:
    """An element of a batch: its bytes, what is wrong with it, and what must become of it.

    `event` is what must be stored when it is stored. `code` and `pointer` are what a bad one must be answered; None
    where any will do.
    """

    raw: bytes
    name: str
    verdict: Verdict
    event: Mapping[str, Any] | None = None
    code: str | None = None
    pointer: str | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What items are made on: students, and an event that is stored, in a session of the first student."""

    students: tuple[UUID, ...]
    stored: Mapping[str, Any]
    now: datetime


Change = Callable[[Event, Ground, random.Random], Event | bytes]

WRONG: dict[str, tuple[object, ...]] = {
    "event_id": (True, 1, "", "x", [], {}, None, "00000000-0000-0000-0000-00000000000g", 1e300),
    "student_id": (False, -1, "", "x", [[]], {"a": 1}, None, "{}"),
    "session_id": (True, 2**70, "", "'; drop table events; --", [], None, 0),
    "event_type": (True, 1, "", [], {}, None, "Choice", "a b", "a" * 101, "choice_made\n", "é"),
    "timestamp": (True, 1e9, "", [], {}, None, "yesterday", "2026-02-30T10:00:00Z", "2026-03-01T25:00:00Z", 0),
    "data": (True, 1, "", [], None, "{}", [{}], -0.5),
    "mission_id": (True, 1, [], {}, "m" * 201),
    "game_version": (False, 1.5, [], {}, "v" * 201),
    "sequence": (True, -1, 1.5, "1", [], {}, 2**62 + 1, 10**30),
}
"""Values that each field must not have."""

PERSONAL = (
    "email",
    "E-Mail",
    "firstName",
    "last_name",
    "player name",
    "phone",
    "HomeAddress",
    "birth_date",
    "DOB",
)

NOT_EVENTS = (
    b"null",
    b'"an event"',
    b"[]",
    b"0",
    b"true",
    b"{}",
    b"[[[]]]",
    b"-1.5e3",
    b'""',
    b'[{"event_id": "x"}]',
)

BROKEN = (
    b'{"event_id" "x"}', b"{,}", b"{'a': 1}", b"{a: 1}", b"nul", b'{"a": 01}', b'{"a": +1}', b'{"a": .5}', b'{"a": 1.}',
    b'{"a": 1e}', b'{"a": "\\x"}', b'{"a": "\\u12"}', b'{"a": "\n"}', b'{"a": 1,}', b'{"a": tru}', b'{"a": 1 2}', b"{1: 2}",
    b'{"a": /* b */ 1}', b'{"a": undefined}', b"@", b'{"a": 0x10}', b'{"a"}', b'{"a": "\x00"}',
)  # fmt: skip
"""Elements whose brackets and quotes pair and which are no JSON."""

NUMBERS = (b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e999999", b"9" * 5000)
EDGES = (
    b"1e-400",
    b"-1e-400",
    b"1e-20000",
    b"9" * 100,
    b"1" + b"0" * 400,
    b"0." + b"0" * 400 + b"1",
    b"1.7976931348623159e308",
)
TEXTS = (
    b'"\\ud800"',
    b'"\\udc00 x"',
    b'"\\ud800\\u0041"',
    b'"\xff"',
    b'"\xc0\xaf"',
    b'"\xed\xa0\x80"',
    b'"\xf0\x9f"',
    b'"\x80"',
)


def _raw(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event).encode()


def _with_data(event: Event, value: bytes) -> bytes:
    """The event with these bytes, which need not be JSON, as a value in its data."""
    return _raw(event | {"data": {"value": "PLACE"}}).replace(b'"PLACE"', value)


def nested(depth: int, rng: random.Random) -> bytes:
    """Lists or objects in one another."""
    return b'{"a":' * depth + b"1" + b"}" * depth if rng.random() < 0.5 else b"[" * depth + b"]" * depth  # noqa: PLR2004


def a_good_event(ground: Ground, rng: random.Random) -> Event:
    at = ground.now - timedelta(seconds=rng.randrange(1, 3000))
    return event_of(id_from(rng), rng.choice(ground.students), id_from(rng), at, rng.randrange(100))


def _wrong_type(event: Event, _: Ground, rng: random.Random) -> Item:
    name = rng.choice(list(WRONG))
    value = rng.choice(WRONG[name])
    return Item(_raw(event | {name: value}), f"wrong {name}", Verdict.BAD, event, None, f"/{name}")


def _missing(event: Event, _: Ground, rng: random.Random) -> Item:
    name = rng.choice(["event_id", "student_id", "session_id", "event_type", "timestamp", "data"])
    left = {key: value for key, value in event.items() if key != name}
    return Item(_raw(left), "field missing", Verdict.BAD, event, "missing_field", f"/{name}")


def _personal(event: Event, _: Ground, rng: random.Random) -> Item:
    key, above = rng.choice(PERSONAL), rng.sample(["of", "at", "in"], rng.randrange(4))
    data: object = {key: "somebody"}
    for step in reversed(above):
        data = {step: data}
    pointer = "/".join(["/data", *above, key])
    return Item(_raw(event | {"data": data}), "personal key", Verdict.BAD, event, "personal_data", pointer)


def _randomly(event: Event, _: Ground, rng: random.Random) -> Item:
    """Some bytes changed, none of them a quote, backslash, bracket or comma, which hold the batch together."""
    raw = bytearray(_raw(event))
    holding = b'"\\[]{},'
    for place in rng.sample(range(len(raw)), rng.randrange(1, 8)):
        if raw[place] not in holding:
            raw[place] = rng.choice([b for b in range(256) if b not in holding])
    return Item(bytes(raw), "random bytes", Verdict.EITHER)


def _edge(event: Event, _: Ground, rng: random.Random) -> Item:
    return Item(_with_data(event, rng.choice(EDGES)), "number at the edge", Verdict.EITHER)


def _bad(name: str, code: str | None, pointer: str | None, change: Change) -> Callable[..., Item]:
    def made(event: Event, ground: Ground, rng: random.Random) -> Item:
        changed = change(event, ground, rng)
        raw = changed if isinstance(changed, bytes) else _raw(changed)
        return Item(raw, name, Verdict.BAD, event, code, pointer)

    return made


def _shifted(ground: Ground, **by: float) -> str:
    return (ground.now + timedelta(**by)).isoformat()


MAKERS: tuple[Callable[[Event, Ground, random.Random], Item], ...] = (
    _wrong_type,
    _wrong_type,
    _missing,
    _personal,
    _randomly,
    _randomly,
    _edge,
    _bad("no event", None, None, lambda _e, _g, rng: rng.choice(NOT_EVENTS)),
    _bad("broken JSON", "malformed_json", "", lambda _e, _g, rng: rng.choice(BROKEN)),
    _bad("number no double holds", None, None, lambda e, _g, rng: _with_data(e, rng.choice(NUMBERS))),
    _bad("text that is no Unicode", None, None, lambda e, _g, rng: _with_data(e, rng.choice(TEXTS))),
    _bad("NUL in a value", "nul_character", None, lambda e, _g, _r: e | {"data": {"a": ["b", "c\x00"]}}),
    _bad("NUL in a key", "nul_character", None, lambda e, _g, _r: e | {"data": {"a\x00": 1}}),
    _bad("NUL in a label", "nul_character", None, lambda e, _g, _r: e | {"mission_id": "\x00"}),
    _bad("9 deep", "too_deep", None, lambda e, _g, rng: _with_data(e, nested(9, rng))),
    _bad("100 deep", None, None, lambda e, _g, rng: _with_data(e, nested(100, rng))),
    _bad("data of 20 KiB", "data_too_large", "/data", lambda e, _g, _r: e | {"data": {"a": "x" * 20_000}}),
    _bad("key of 20 KiB", "data_too_large", "/data", lambda e, _g, _r: e | {"data": {"k" * 20_000: 1}}),
    _bad(
        "unknown student",
        "unknown_student",
        "/student_id",
        lambda e, _g, rng: e | {"student_id": str(id_from(rng))},
    ),
    _bad("future", "future_time", "/timestamp", lambda e, g, _r: e | {"timestamp": _shifted(g, hours=1)}),
    _bad("far future", None, "/timestamp", lambda e, _g, _r: e | {"timestamp": "9999-12-31T23:59:59-23:59"}),
    _bad("far past", "too_old", "/timestamp", lambda e, _g, _r: e | {"timestamp": "0001-01-01T00:00:00+23:59"}),
    _bad("past", "too_old", "/timestamp", lambda e, _g, _r: e | {"timestamp": "2014-12-31T09:00:00Z"}),
    _bad("naive time", "naive_time", "/timestamp", lambda e, _g, _r: e | {"timestamp": "2026-03-01T09:00:00"}),
    _bad(
        "another's session",
        "session_of_another_student",
        "/session_id",
        lambda e, g, _r: e | {"session_id": g.stored["session_id"], "student_id": str(g.students[1])},
    ),
    _bad("same id, other content", None, "/event_id", lambda e, g, _r: e | {"event_id": g.stored["event_id"]}),
)

HEAVY = (
    _bad("100,000 deep", None, None, lambda e, _g, rng: _with_data(e, nested(100_000, rng))),
    _bad("string of 9.5 MiB", "data_too_large", "/data", lambda e, _g, _r: e | {"data": {"a": "x" * 9_961_472}}),
    _bad("label of 5 MiB", "invalid_length", "/mission_id", lambda e, _g, _r: e | {"mission_id": "m" * 5_242_880}),
)
"""Used once in many batches: each is megabytes, or deep."""


def a_bad_item(ground: Ground, rng: random.Random) -> Item:
    return rng.choice(MAKERS)(a_good_event(ground, rng), ground, rng)


def a_heavy_item(ground: Ground, rng: random.Random) -> Item:
    return rng.choice(HEAVY)(a_good_event(ground, rng), ground, rng)


ODD_DATA: tuple[Mapping[str, Any], ...] = (
    {"a": '"]}[{', "b": "\\", "]": '\\"', "{": [["}"]]},
    {"text": "ünï, 漢字, 🙂, \u202e, \ufffe", "": None, "tab\t": "\n\r\b\f\x7f"},
    {"big": 2**63 - 1, "small": -(2**63), "pi": 3.141592653589793, "tiny": 5e-324, "huge": 1.7e308, "zero": -0.0},
    {"a": [[[[[[1]]]]]]},
    {"a": {"b": {"c": {"d": {"e": {"f": {"g": True}}}}}}},
    {"filling": "x" * 10_000},
    {"<script>alert(1)</script>": "'; drop table events; --", "filename": "map", "rename": 1, "gamename": 2},
    {str(n): n for n in range(500)},
)
"""Data that looks like poison and is none."""


def a_good_item(ground: Ground, rng: random.Random) -> Item:
    """An event that must be stored; half of them look odd."""
    event = a_good_event(ground, rng)
    if rng.random() < 0.5:  # noqa: PLR2004 - half of them
        return Item(_raw(event), "plain", Verdict.GOOD, event)
    event["data"] = rng.choice(ODD_DATA)
    event |= {
        "mission_id": rng.choice([None, "", "m" * 200]),
        "event_type": rng.choice(["never_heard_of", "a" * 100]),
    }
    raw = json.dumps(event, ensure_ascii=rng.random() < 0.5).encode()  # noqa: PLR2004 - half of them
    if rng.random() < 0.2:  # noqa: PLR2004 - one in five
        # the last of two equal keys counts, and what the contract does not know is left out
        raw = b'{"student_id": "%s", "' % str(id_from(rng)).encode() + b"k" * 3000 + b'": [{}], ' + raw[1:]
    return Item(raw, "odd", Verdict.GOOD, event)

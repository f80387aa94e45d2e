"""Bodies that are no batch at all: each is answered 4xx as a problem with a code, and nothing of it is stored."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID

from campaigns.poisons import Ground, a_good_event
from campaigns.sending import batch_of

MIB = 1024 * 1024
PACKED = {"Content-Encoding": "gzip"}


@dataclass(frozen=True, slots=True)
class Body:
    """A request body, its headers, what is wrong with it, the events inside that must not be stored."""

    raw: bytes
    name: str
    headers: dict[str, str] = field(default_factory=dict)
    inside: tuple[UUID, ...] = ()


@cache
def zip_bomb(of: bytes, megabytes: int) -> bytes:
    """So many megabytes of one byte in a body a thousandth of the size."""
    return gzip.compress(of * (megabytes * MIB), compresslevel=9)


def _good(ground: Ground, rng: random.Random, count: int) -> tuple[bytes, tuple[UUID, ...]]:
    events = [a_good_event(ground, rng) for _ in range(count)]
    return batch_of(events, rng, ground.now), tuple(UUID(e["event_id"]) for e in events)


def _changed(body: bytes, rng: random.Random) -> tuple[str, bytes]:
    """The envelope made wrong."""
    batch = json.loads(body)
    name, change = rng.choice(
        [
            ("batch id", {"batch_id": "x"}),
            ("batch id missing", {"batch_id": None}),
            ("naive sent_at", {"sent_at": "2026-03-01T09:00:00"}),
            ("client version", {"client_version": "v" * 101}),
            ("NUL in the client version", {"client_version": "a\x00"}),
            ("events no list", {"events": {"a": batch["events"]}}),
            ("events missing", {"events": None}),
            ("events a string", {"events": json.dumps(batch["events"])}),
        ]
    )
    return name, json.dumps({k: v for k, v in (batch | change).items() if v is not None}).encode()


def a_bad_body(ground: Ground, rng: random.Random) -> Body:
    """One of the kinds, each as often as another."""
    body, inside = _good(ground, rng, rng.randrange(1, 20))
    name, changed = _changed(body, rng)
    cut = body[: rng.randrange(1, len(body) - 2)]
    packed = gzip.compress(body)
    flipped = bytearray(packed)
    flipped[rng.randrange(10, len(packed))] ^= 0xFF
    makers = (
        lambda: Body(changed, name, inside=inside),
        lambda: Body(changed, name, inside=inside),
        lambda: Body(b"", "empty"),
        lambda: Body(
            rng.choice([b"not json", b"[]", b"null", b'"x"', b"7", b"{}", b"\x00" * 64, b"<xml/>"]), "no batch"
        ),
        lambda: Body(cut, "cut off", inside=inside),
        lambda: Body(body[:-2] + b"}" + body[-2:], "unpaired bracket", inside=inside),
        lambda: Body(body.replace(b'"choice_made"', b'"choice_made', 1), "a string without end", inside=inside),
        lambda: Body(body + body, "two batches", inside=inside),
        lambda: Body(body.decode().encode("utf-16"), "UTF-16", inside=inside),
        lambda: Body(b"[" * 100_000, "100,000 brackets"),
        lambda: Body(b'{"events": ' * 50_000, "50,000 objects"),
        lambda: Body(b'{"a": "' * 30_000, "30,000 quotes"),
        lambda: Body(packed[: rng.randrange(2, len(packed) - 1)], "gzip cut off", PACKED, inside),
        lambda: Body(bytes(flipped), "gzip with a byte changed", PACKED, inside),
        lambda: Body(packed + packed, "two gzip members", PACKED, inside),
        lambda: Body(body, "plain that says gzip", PACKED, inside),
        lambda: Body(packed, "gzip that does not say so", {}, inside),
        lambda: Body(zip_bomb(b"\x00", 100), "zip bomb", PACKED),
        lambda: Body(zip_bomb(b"[", 9), "zip bomb of brackets", PACKED),
        lambda: Body(
            body, "other encoding", {"Content-Encoding": rng.choice(["br", "deflate", "gzip, gzip", "x"])}, inside
        ),
        lambda: Body(rng.randbytes(MIB + 1000), "over 1 MiB packed", PACKED),
        lambda: Body(body[:-1] + b" " * (10 * MIB) + b"}", "over 10 MiB", inside=inside),
        lambda: Body(*_too_many(ground, rng)),
    )
    return rng.choice(makers)()


def _too_many(ground: Ground, rng: random.Random) -> tuple[bytes, str, dict[str, str], tuple[UUID, ...]]:
    body, inside = _good(ground, rng, 1001)
    return body, "1,001 events", {}, inside

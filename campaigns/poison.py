"""R3: poison. Every good event of a poisoned batch is stored, every bad one answered, and the server stays as it was.

    python -m campaigns.poison [--batches 1000] [--small] [--controls] [--write]

Batches of ITEMS elements with 1 to 100 % bad ones (`poisons`), every fifth request a body that is no batch at all
(`poison_bodies`). Known: which elements are good. The database is read afterwards, and memory is watched.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psutil
import psycopg
from psycopg.rows import dict_row

from campaigns import report
from campaigns.poison_bodies import Body, a_bad_body
from campaigns.poisons import Ground, Item, Verdict, a_bad_item, a_good_item, a_heavy_item
from campaigns.sending import BATCH_PATH, Answer, Wire, batch_of, event_of, request
from campaigns.served import SOURCE, Served, broken, serving

ITEMS = 30
CLIENTS = 3
SMALL = 60
WARM_UP = 30
"""Requests, poisoned like the others, after which memory counts as the server's own."""

GROWTH_MIB = 100
MIB = 1024 * 1024
SHOWN = 5
VERBOSE = f"{BATCH_PATH}?verbose=true"


@dataclass
class Outcome:
    """What was sent, what came back, what is stored."""

    batches: int = 0
    bodies: Counter[str] = field(default_factory=Counter)
    items: Counter[tuple[str, str]] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    good: dict[UUID, Mapping[str, Any]] = field(default_factory=dict)
    answered_created: dict[UUID, bool] = field(default_factory=dict)
    never: set[UUID] = field(default_factory=set)
    memory: list[int] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def growth_mib(self) -> float:
        """The most memory after the warm-up, above what it was then."""
        after = self.memory[min(WARM_UP, len(self.memory) // 2) :]
        return (max(after) - after[0]) / MIB

    def note_batch(self, items: Sequence[Item], answer: Answer, *, verbose: bool) -> None:
        self.batches += 1
        self.statuses[answer.status] += 1
        if not answer.taken:
            self.complaints.append(f"a batch that can be read was answered {answer.status}: {answer.body[:300]!r}")
            return
        said = msgspec.json.decode(answer.body)
        results = said["results"]
        if sum(said["counts"].values()) != len(items):
            self.complaints.append(f"{len(items)} events were sent and counted as {said['counts']}")
        if not verbose:
            results = self._aligned(items, results)
        if len(results) != len(items):
            self.complaints.append(f"{len(items)} events were sent, {len(results)} have a result")
            return
        for item, result in zip(items, results, strict=True):
            self._note_item(item, result)

    def _aligned(self, items: Sequence[Item], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Results for all items, where those of created ones were left out; only for items of a known verdict."""
        told = iter(results)
        created = {"status": "created"}
        found = [created if item.verdict is Verdict.GOOD else next(told, None) for item in items]
        return [*(result for result in found if result is not None), *told]

    def _note_item(self, item: Item, result: Mapping[str, Any]) -> None:
        status, code = result["status"], result.get("code")
        self.items[item.name, status if status == "created" else str(code)] += 1
        what = f"{item.name} {item.raw[:200]!r} was answered {result}"
        if item.verdict is Verdict.GOOD:
            event_id = UUID(item.event["event_id"]) if item.event else None
            if status != "created" or event_id is None:
                self.complaints.append(f"good: {what}")
            if event_id is not None and item.event is not None:
                self.good[event_id] = item.event
        elif item.verdict is Verdict.BAD:
            if item.event is not None:
                self.never.add(UUID(item.event["event_id"]))
            unexplained = not code or not result.get("detail") or result.get("pointer") is None
            other = (item.code or code, item.pointer if item.pointer is not None else result.get("pointer"))
            if status not in {"rejected", "conflict"} or unexplained or other != (code, result.get("pointer")):
                self.complaints.append(f"bad (wanted {item.code} at {item.pointer}): {what}")
        elif result.get("event_id"):
            try:
                event_id = UUID(result["event_id"])
            except ValueError:
                return
            self.answered_created[event_id] = status == "created"

    def note_body(self, body: Body, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        self.bodies[body.name] += 1
        self.never.update(body.inside)
        problem = answer.headers.get("content-type", "") == "application/problem+json"
        if not 400 <= answer.status < 500 or not problem or not msgspec.json.decode(answer.body)["code"]:  # noqa: PLR2004
            self.complaints.append(f"body ({body.name}) was answered {answer.status}: {answer.body[:300]!r}")

    def compare(self, stored: Iterable[Mapping[str, Any]]) -> None:
        """Hold what is stored against what was sent and what was answered."""
        found = {row["event_id"]: row for row in stored}
        for event_id, event in self.good.items():
            row = found.get(event_id)
            if row is None:
                self.complaints.append(f"good, and not stored: {str(event)[:300]}")
            elif (difference := _difference(event, row)) is not None:
                self.complaints.append(f"stored otherwise than sent: {difference}")
        self.complaints += [f"stored, and must not be: {i}" for i in sorted(self.never & found.keys())]
        for event_id, created in self.answered_created.items():
            if created != (event_id in found):
                self.complaints.append(f"{event_id} was answered {created=}, and the table says otherwise")


def _difference(event: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    for name in ("student_id", "session_id", "event_type", "mission_id", "game_version", "sequence", "data"):
        said, kept = event.get(name), row[name]
        if _said(kept) != _said(said):
            return f"{name}: {str(said)[:200]} became {str(kept)[:200]}"
    if datetime.fromisoformat(event["timestamp"]) != row["stated_at"]:
        return f"timestamp: {event['timestamp']} became {row['stated_at']}"
    return None


def _said(value: object) -> object:
    """Values as JSON has them: an id is a string, and a number is a double, however it is written."""
    if isinstance(value, dict):
        return {key: _said(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_said(inner) for inner in value]
    if isinstance(value, UUID):
        return str(value)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _stored(served: Served) -> list[dict[str, Any]]:
    with psycopg.connect(served.database_url, row_factory=dict_row) as connection:
        return connection.execute("select * from events where school_id = %s", [served.roll.school_id]).fetchall()


async def _poison(served: Served, batches: int, seed: int) -> Outcome:
    outcome = Outcome()
    now = datetime.now(UTC)
    first = event_of(uuid4(), served.roll.students[0], uuid4(), now, 0)
    ground = Ground(served.roll.students, first, now)
    wire = Wire(served.port)
    opening = batch_of([first], random.Random(seed), now)  # noqa: S311 - a repeatable campaign
    told = await wire.ask(request("POST", BATCH_PATH, served.roll.sending, opening))
    wire.close()
    if not told.taken:
        raise RuntimeError(f"the first good event was not taken: {told.body!r}")
    process = psutil.Process(served.server.pid)
    waiting = iter(range(batches))

    async def client() -> None:
        wire = Wire(served.port)
        for number in waiting:
            rng = random.Random(f"{seed}/{number}")  # noqa: S311 - whichever client sends it, it is the same
            if number % 5 == 4:  # noqa: PLR2004 - every fifth
                body = a_bad_body(ground, rng)
                headers = served.roll.sending | body.headers
                outcome.note_body(body, await wire.ask(request("POST", BATCH_PATH, headers, body.raw)))
            items = _items(ground, number, rng)
            verbose = any(item.verdict is Verdict.EITHER for item in items) or rng.random() < 0.5  # noqa: PLR2004
            batch = _batch(items, rng)
            asked = request("POST", VERBOSE if verbose else BATCH_PATH, served.roll.sending, batch)
            outcome.note_batch(items, await wire.ask(asked), verbose=verbose)
            outcome.memory.append(process.memory_info().rss)
        wire.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    outcome.compare(await asyncio.to_thread(_stored, served))
    return outcome


def _items(ground: Ground, number: int, rng: random.Random) -> list[Item]:
    """Between one bad item and all; every 20th batch also has a heavy one."""
    bad = max(1, round(ITEMS * rng.uniform(0.01, 1.0)))
    items = [a_bad_item(ground, rng) for _ in range(bad)] + [a_good_item(ground, rng) for _ in range(ITEMS - bad)]
    if number % 20 == 10:  # noqa: PLR2004 - in the middle of each twenty
        items[0] = a_heavy_item(ground, rng)
    rng.shuffle(items)
    return items


def _batch(items: Sequence[Item], rng: random.Random) -> bytes:
    """The elements as they are: joined, never parsed."""
    empty = batch_of([], rng, datetime.now(UTC))
    before, after = empty.split(b"[]")
    return before + b"[" + b",".join(item.raw for item in items) + b"]" + after


def run(batches: int, *, source: Path = SOURCE, seed: int = 1) -> Outcome:
    """Send so many poisoned batches to a system made of `source`, and hold everything against what is known."""
    with serving(source=source) as served:
        outcome = asyncio.run(_poison(served, batches, seed))
    server_errors = {status: n for status, n in outcome.statuses.items() if not 200 <= status < 500}  # noqa: PLR2004
    if server_errors:
        outcome.complaints.insert(0, f"answers that are 5xx or none (0): {server_errors}")
    if outcome.growth_mib >= GROWTH_MIB:
        outcome.complaints.insert(0, f"memory grew by {outcome.growth_mib:.0f} MiB")
    return outcome


CONTROLS: Mapping[str, tuple[str, str, str]] = {
    "one bad event sinks its batch": (
        "ingest/splitting.py",
        "if start is None or end is None:",
        "if start is None or end is None or events:",
    ),
    "a bad event is dropped without a result": (
        "ingest/splitting.py",
        "if body[item : mark.start()].strip():",
        "if b'event_id' in body[item : mark.start()]:",
    ),
}
"""What is broken on purpose: the module, what stands there, what stands there then."""


def control(name: str, batches: int = 12) -> list[str]:
    """What is found when the promise is broken like this."""
    with broken(CONTROLS[name]) as source:
        return run(batches, source=source).complaints


def table(outcome: Outcome) -> list[str]:
    """Rows of Markdown: what was wrong, how many, what they were answered."""
    kinds: dict[str, Counter[str]] = {}
    for (name, code), count in outcome.items.items():
        kinds.setdefault(name, Counter())[code] += count
    rows = ["| what was sent | how many | answered |", "|---|---|---|"]
    for name, codes in sorted(kinds.items()):
        rows.append(f"| {name} | {codes.total()} | {', '.join(f'{c} {n}' for c, n in codes.most_common())} |")
    rows.append(
        f"| a body that is no batch, {len(outcome.bodies)} kinds | {outcome.bodies.total()} | a problem each |"
    )
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(outcome.statuses.items()))
    sent = f"{outcome.batches} batches of {ITEMS}, {len(outcome.good)} good events compared with what is stored."
    memory = f"Memory of the server grew by {outcome.growth_mib:.0f} MiB at most."
    rows += ["", f"{sent} Answers by status: {statuses}. {memory}"]
    return rows


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m campaigns.poison", description=__doc__)
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--small", action="store_true", help=f"{SMALL} batches")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--controls", action="store_true", help="break the promise in a copy; it must be noticed")
    parser.add_argument("--write", action="store_true", help="keep the result in docs/reliability.md")
    told = parser.parse_args(arguments)
    outcome = run(SMALL if told.small else told.batches, seed=told.seed)
    lines, complaints = table(outcome), list(outcome.complaints)
    for name in CONTROLS if told.controls else ():
        noticed = control(name)
        lines += ["", f"Control, {name}: {f'noticed, {len(noticed)} times' if noticed else 'NOT NOTICED'}"]
        complaints += [] if noticed else [f"the control was not noticed: {name}"]
    lines += ["", f"NOT KEPT ({len(complaints)}): " + "; ".join(complaints[:SHOWN]) if complaints else "Kept."]
    print("\n".join(lines))
    if told.write:
        report.keep("poison", lines)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

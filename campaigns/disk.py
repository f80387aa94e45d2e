"""R6: the disk of the database is full. Nothing answered is lost, senders are told, and it goes on by itself.

    python -m campaigns.disk [--seconds 60] [--small] [--write]

The database lies on a small tmpfs, which needs root; without, nothing is run and nothing is said to be kept. A
ballast file leaves little room, clients send until the disk is full, it stays full for a while, the ballast is taken
away. Twice: with the room so that tables cannot grow any more (PostgreSQL stays up), and so that its write-ahead log
cannot (PostgreSQL ends in a panic, and its keeper must start it again).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from campaigns import report
from campaigns.sending import Answer, Heard, Wire, request, resend_until_answered
from campaigns.served import Served, serving

MIB = 1024 * 1024
SIZE_MIB = 150
"""Of the disk: a fresh database takes 42, and after the room is back there must be some."""

TABLES, LOG = "tables cannot grow", "write-ahead log cannot grow"
ROOM_MIB = {TABLES: 2, LOG: 13}
USED_MIB = {TABLES: 0, LOG: 12}
"""Room left by the ballast, and how much of the present piece of the log (16 MiB) is used then: 2 are full of rows
before the piece is full of log; 13 are too little for the next piece, which is needed 4 later."""

CLIENTS = 4
BATCH = 200
PAUSE = 0.05
FULL_WITHIN = 60.0
BACK_WITHIN = 30.0
AFTER = 1.0
SMALL = 3.0
LOOKS = ("/livez", "/readyz", "read my rejects", "open a class page")


class CannotMount(Exception):
    """Not allowed to mount a tmpfs; the message is mount's own."""


@dataclass
class Full:
    """One time that the disk was full (monotonic seconds), and what clients and onlookers were told."""

    kind: str
    full_at: float = 0.0
    room_at: float = 0.0
    taken_again: float = 0.0
    heard: Heard = field(default_factory=Heard)
    seen: dict[str, list[Answer]] = field(default_factory=lambda: {name: [] for name in LOOKS})
    lost: int = 0
    panicked: bool = False

    def during(self, answers: Sequence[Answer]) -> Counter[int]:
        return Counter(a.status for a in answers if self.full_at < a.asked_at < self.room_at)

    def complaints(self) -> list[str]:
        """Every way in which the promise was not kept."""
        found = [f"{self.lost} answered events are not stored"] if self.lost else []
        found += [f"a batch was answered with other counts: {w}" for w in self.heard.wrong[:3]]
        if not self.full_at:
            return [*found, "the disk never became full"]
        for name, answers in {"send a batch": self.heard.answers, **self.seen}.items():
            other = Counter(a.status for a in answers if not (a.taken or a.status == 200 or _refused(a)))  # noqa: PLR2004
            if other:
                found.append(f"{name}: answers that are no 503 with Retry-After: {dict(other)}")
        if set(self.during(self.seen["/livez"])) != {200}:
            found.append("/livez was not always 200")
        if not self.panicked and set(self.during(self.seen["read my rejects"])) != {200}:
            found.append("reads did not go on though PostgreSQL was up")
        if self.panicked != (self.kind == LOG):
            found.append(f"PostgreSQL {'ended' if self.panicked else 'stayed up'}, which is the other case")
        if not 0 < self.taken_again <= BACK_WITHIN:
            found.append(f"batches were taken again after {self.taken_again:.1f} s")
        return found


def _refused(answer: Answer) -> bool:
    return answer.status == 503 and answer.says_when  # noqa: PLR2004


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """A tmpfs of SIZE_MIB. Raises CannotMount."""
    with tempfile.TemporaryDirectory(prefix="sightline-disk-", ignore_cleanup_errors=True) as made:
        options = f"size={SIZE_MIB}m,mode=0755"
        try:
            mounted = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", made],  # noqa: S607 - the system's own
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as problem:
            raise CannotMount("there is no program `mount`") from problem
        if mounted.returncode != 0:
            raise CannotMount(mounted.stderr.strip())
        try:
            yield Path(made)
        finally:
            subprocess.run(["umount", "--lazy", made], check=False)  # noqa: S607 - the system's own


def _leave(served: Served, place: Path, kind: str) -> Path:
    """Begin a piece of the log, use some of it, then fill the disk but for some room; the file that fills it."""
    with psycopg.connect(served.folder.url() or "", autocommit=True) as connection:
        connection.execute("select pg_switch_wal()")
        used = "select pg_logical_emit_message(false, '', repeat('x', 1024 * 1024)) from generate_series(1, %s)"
        connection.execute(used, [USED_MIB[kind]])
        connection.execute("create table begun ()")
        connection.execute("drop table begun")
    ballast = place / "ballast"
    free = os.statvfs(place)
    with ballast.open("wb") as file:
        file.write(bytes(free.f_bavail * free.f_frsize - ROOM_MIB[kind] * MIB))
    return ballast


def _is_full(full: Full) -> bool:
    last = full.heard.answers[-2 * CLIENTS :]
    return len(last) == 2 * CLIENTS and all(_refused(a) for a in last)


async def _comes_true(condition: Callable[[], bool], within: float) -> bool:
    """Whether it does within so many seconds."""
    for _ in range(round(within / PAUSE)):
        if condition():
            return True
        await asyncio.sleep(PAUSE)
    return condition()


async def _fill(served: Served, full: Full, ballast: Path, seconds: float) -> None:
    going = True
    looks = {
        "/livez": request("GET", "/livez", {}),
        "/readyz": request("GET", "/readyz", {}),
        "read my rejects": request("GET", "/api/v1/telemetry/rejects", served.roll.sending),
        "open a class page": request("GET", f"/classes/{served.roll.class_id}", served.roll.looking),
    }

    async def look() -> None:
        wire = Wire(served.port)
        while going:
            for name, asked in looks.items():
                full.seen[name].append(await wire.ask(asked))
            await asyncio.sleep(4 * PAUSE)
        wire.close()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        for number in range(CLIENTS):
            rng = random.Random(number)  # noqa: S311 - ids for a test
            tasks.create_task(
                resend_until_answered(served, full.heard, rng, size=BATCH, pause=PAUSE, going=lambda: going)
            )
        if await _comes_true(lambda: _is_full(full), FULL_WITHIN):
            full.full_at = time.monotonic()
        await asyncio.sleep(seconds)
        full.room_at = time.monotonic()
        await asyncio.to_thread(ballast.unlink)
        await _comes_true(
            lambda: any(a.taken and a.asked_at > full.room_at for a in full.heard.answers), 2 * BACK_WITHIN
        )
        full.taken_again = time.monotonic() - full.room_at
        await asyncio.sleep(AFTER)
        going = False


def run(kind: str, seconds: float) -> Full:
    """Fill a disk in one of the two ways and leave it full for so many seconds. Raises CannotMount."""
    full = Full(kind)
    with small_disk() as place, serving(place=place) as served:
        asyncio.run(_fill(served, full, _leave(served, place, kind), seconds))
        full.panicked = b"PANIC" in served.folder.server_log.read_bytes()
        full.lost = len(full.heard.lost(served))
    return full


def table(fulls: Sequence[Full]) -> list[str]:
    """Rows of Markdown: what was asked while the disk was full, and what was answered."""
    rows = ["| what was full | request | answers while full, by status |", "|---|---|---|"]
    for full in fulls:
        for name, answers in {"send a batch": full.heard.answers, **full.seen}.items():
            told = ", ".join(f"{status}: {count}" for status, count in sorted(full.during(answers).items()))
            rows.append(f"| {full.kind} | {name} | {told} |")
    for full in fulls:
        said = f"{len(full.heard.taken)} events answered as stored, {full.lost} of them lost"
        server = (
            "PostgreSQL ended and was started again by its keeper" if full.panicked else "PostgreSQL stayed up"
        )
        again = f"full for {full.room_at - full.full_at:.0f} s, batches taken again {full.taken_again:.1f} s after"
        rows += ["", f"{full.kind.capitalize()}: {said}; {server}; {again}."]
    rows += ["", "A class page needs a row in the disclosure log; when that cannot be written, nothing is shown."]
    return rows


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m campaigns.disk", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the disk stays full, each time")
    parser.add_argument("--small", action="store_true", help=f"{SMALL:.0f} seconds each")
    parser.add_argument("--write", action="store_true", help="keep the result in docs/reliability.md")
    told = parser.parse_args(arguments)
    try:
        fulls = [run(kind, SMALL if told.small else told.seconds) for kind in (TABLES, LOG)]
    except CannotMount as problem:
        print(f"not run: a small disk cannot be made here ({problem})")
        return 0
    complaints = [f"{f.kind}: {c}" for f in fulls for c in f.complaints()]
    lines = [*table(fulls), "", "Kept." if not complaints else "NOT KEPT: " + "; ".join(complaints)]
    print("\n".join(lines))
    if told.write:
        report.keep("disk", lines)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

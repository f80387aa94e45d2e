"""R4: devices that are offline for 72 hours, killed while they record and while they send, with wrong clocks.

    python -m campaigns.offline [--write] [--small]

Each device is a queue file. Processes record into it with a simulated clock that begins 72 hours ago, and are killed;
then processes send from it to a real server over a line that loses requests and answers, and are killed at the three
moments that matter. Afterwards the database must hold each event once, in order, at its true time. Three clients
that are wrong on purpose, made from a copy of the source, must be found out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from campaigns import report
from campaigns.bad_line import Line, bad_line
from campaigns.one_server import Ground, ground

ROOT = Path(__file__).parents[1]
DEVICE = Path(__file__).with_name("offline_device.py")
OFFLINE = 72 * 3600.0
"""Seconds."""

ALLOWED = 1.0
"""Seconds that a corrected time may be off, besides the round trip."""

HOUR, MINUTE = 3600.0, 60.0
SESSIONS = 5
BATCH = 50
"""Events a batch: small, so that there are many moments to be killed at."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A device: seconds by which its clock is wrong while it records and sends; whether it was restarted between."""

    name: str
    recording: float
    sending: float
    restarted: bool = False


KINDS = (
    Kind("right clock", 0.0, 0.0),
    Kind("a day ahead", 24 * HOUR, 24 * HOUR),
    Kind("a day behind, restarted between", -24 * HOUR, -24 * HOUR, restarted=True),
    Kind("a day behind, set right when online", -24 * HOUR, 0.0),
    Kind("17 min ahead, then set 3 h behind", 17 * MINUTE, -3 * HOUR),
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much one device goes through: events, kills while recording, kills while sending."""

    events: int
    recording_kills: int
    sending_kills: int


FULL = Size(2_000, 10, 10)
SMALL = Size(150, 1, 2)


@dataclass(slots=True)
class Found:
    """What the database holds of one device, against what its game recorded. Times in seconds."""

    name: str
    recorded: int = 0
    kills: int = 0
    lost: int = 0
    doubled: int = 0
    never_recorded: int = 0
    sessions_out_of_order: int = 0
    not_closed: int = 0
    not_taken: list[str] = field(default_factory=list)
    largest_error: float = 0.0
    allowed_error: float = ALLOWED

    def broken(self) -> list[str]:
        """The promises that this device's events break; empty when all are kept."""
        checks = {
            "lost": self.lost,
            "doubled": self.doubled,
            "never recorded": self.never_recorded,
            "out of order": self.sessions_out_of_order,
            "not closed": self.not_closed,
            "not taken": self.not_taken,
            "wrong time": self.largest_error > self.allowed_error,
        }
        return [name for name, wrong in checks.items() if wrong]


class Life:
    """One device's story: recorded offline, then sent. The client's source is the copy in `source`."""

    def __init__(self, kind: Kind, size: Size, place: Ground, source: Path, folder: Path, seed: int) -> None:
        self.kind, self.size, self.place, self.source = kind, size, place, source
        self.chance = random.Random(seed)  # noqa: S311 - a repeatable course of kills
        self.found = Found(kind.name)
        self.acknowledged: list[str] = []
        self.maybe: set[str] = set()
        self.begin = time.time() - OFFLINE
        student = self.chance.choice(place.students)
        self.sessions = [{"student": str(student), "session": str(uuid4())} for _ in range(SESSIONS)]
        self.boot = str(uuid4())
        self.orders: dict[str, Any] = {
            "queue": str(folder / f"{uuid4().hex}.db"),
            "key": place.key,
            "batch": BATCH,
            "sessions": self.sessions,
        }

    def _start(self, **orders: object) -> subprocess.Popen[str]:
        told = {n: v for n, v in os.environ.items() if n != "PYTHONPATH" and not n.startswith("SIGHTLINE_")}
        # the orders hold a key, which no list of processes should show
        with tempfile.TemporaryFile("w+", encoding="utf-8") as written:
            json.dump(self.orders | orders, written)
            written.seek(0)
            return subprocess.Popen(
                [sys.executable, str(DEVICE)],
                env=told | {"PYTHONPATH": str(self.source)},
                stdin=written,
                stdout=subprocess.PIPE,
                text=True,
            )

    def record(self) -> None:
        """Record all events, in as many lives as kills demand; what the game was told is on disk is remembered."""
        spacing = OFFLINE / (self.size.events + self.size.recording_kills + 1)
        share = self.size.events // (self.size.recording_kills + 1)
        for life in range(self.size.recording_kills + 1):
            last = life == self.size.recording_kills
            left = self.size.events - len(self.acknowledged)
            recorder = self._start(
                does="record",
                life=life,
                begin=self.begin + (len(self.acknowledged) + life) * spacing,
                spacing=spacing,
                count=left if last else left + share,
                error=self.kind.recording,
                boot=self.boot,
                started=self.begin - HOUR,
            )
            self._watch(recorder, life, None if last else max(1, self.chance.randint(share // 2, share)))
        closer = self._start(
            does="close",
            begin=self.begin + OFFLINE,
            error=self.kind.recording,
            boot=self.boot,
            started=self.begin - HOUR,
        )
        closer.communicate(timeout=60)

    def _watch(self, recorder: subprocess.Popen[str], life: int, kill_after: int | None) -> None:
        stream = recorder.stdout
        if stream is None:
            raise RuntimeError("the device says nothing")
        said = 0
        for line in stream:
            word = line.strip()
            if word in {"ready", "done"} or not line.endswith("\n"):
                continue
            self.acknowledged.append(word)
            said += 1
            if said == kill_after:
                time.sleep(self.chance.uniform(0.0, 0.01))
                recorder.kill()
        stream.close()
        if recorder.wait(timeout=60) == -signal.SIGKILL:
            self.found.kills += 1
            self.maybe.add(f"{life}.{said}")  # it may have been on disk already when the game died

    def send(self, line: Line) -> None:
        """Send all, in as many lives as the line's kills demand."""
        line.kills_left = self.size.sending_kills
        while True:
            sender = self._start(
                does="send",
                url=line.url,
                error=self.kind.sending,
                boot=str(uuid4()) if self.kind.restarted else self.boot,
                started=self.begin - HOUR,
            )
            line.victim = sender
            said = sender.communicate(timeout=300)[0].splitlines()
            line.victim = None
            if sender.returncode != -signal.SIGKILL:
                self.found.not_taken = [word for word in said if word != "done"]
                if sender.returncode:
                    self.found.not_taken.append(f"the sender ended with {sender.returncode}")
                return
            self.found.kills += 1

    def judge(self, slowest: float) -> Found:
        """Compare the database with what was recorded."""
        found, ids = self.found, [s["session"] for s in self.sessions]
        rows = self.place.rows(
            "select session_id::text, sequence, occurred_at, data->>'label' as label, data->>'true' as true "
            "from events where session_id = any(%s::uuid[]) order by session_id, sequence, occurred_at",
            ids,
        )
        stored = Counter(row["label"] for row in rows)
        found.recorded = len(self.acknowledged)
        found.lost = len(set(self.acknowledged) - stored.keys())
        found.doubled = sum(stored.values()) - len(stored)
        found.never_recorded = len(stored.keys() - set(self.acknowledged) - self.maybe)
        for session_id in ids:
            mine = [r for r in rows if r["session_id"] == session_id]
            labels = [tuple(int(part) for part in r["label"].split(".")) for r in mine]
            whole = [r["sequence"] for r in mine] == list(range(len(mine)))
            found.sessions_out_of_order += not (whole and labels == sorted(labels))
        errors = [abs((r["occurred_at"] - datetime.fromisoformat(r["true"])).total_seconds()) for r in rows]
        found.largest_error, found.allowed_error = max(errors, default=0.0), ALLOWED + slowest
        closed = self.place.rows("select 1 from closures where session_id = any(%s::uuid[])", ids)
        found.not_closed = len(ids) - len(closed)
        return found


def live(kind: Kind, size: Size, place: Ground, source: Path, seed: int) -> Found:
    """One device from its first event to the judgement."""
    with tempfile.TemporaryDirectory() as folder, bad_line(place.url, seed) as line:
        life = Life(kind, size, place, source, Path(folder), seed)
        life.record()
        life.send(line)
        return life.judge(line.slowest)


Change = tuple[str, str, str]
"""File of the client, what stands there once, what stands there instead."""

RENAMED = """
def _renamed(body: bytes) -> bytes:
    from uuid import uuid4
    return json.dumps(json.loads(body) | {"event_id": str(uuid4())}).encode()
"""
STAMPED_ONCE = """
def _first_stamp(one: Waiting, now: Instant) -> str:
    from pathlib import Path
    kept = Path(__file__).with_name(f"stamp-{one.event_id}")
    if not kept.exists():
        kept.write_text(now.by_the_clock_of(one.recorded).isoformat())
    return kept.read_text()
"""
ASKED = '        answer = self._asked("/batch"'
WRONG_CLIENTS: dict[str, tuple[str, Sequence[Change]]] = {
    "makes new event ids on each attempt": (
        "doubled",
        [
            (
                "wire.py",
                'b",".join(one.body for one in events)',
                'b",".join(_renamed(one.body) for one in events)',
            ),
            ("wire.py", "\ndef read_answer(", f"{RENAMED}\n\ndef read_answer("),
        ],
    ),
    "takes events out of the queue before the answer": (
        "lost",
        [
            (
                "sending.py",
                ASKED,
                f"        self._queue.settle([e.event_id for e in batch.events], (), self._clocks.now().wall)\n{ASKED}",
            )
        ],
    ),
    "stamps sent_at at the first attempt only": (
        "wrong time",
        [
            ("wire.py", "now.by_the_clock_of(events[0].recorded).isoformat()", "_first_stamp(events[0], now)"),
            ("wire.py", "\ndef read_answer(", f"{STAMPED_ONCE}\n\ndef read_answer("),
        ],
    ),
}
"""Each with the promise that it must be caught breaking."""


def source_copy(folder: Path, changes: Sequence[Change] = ()) -> Path:
    """The client's source in a folder of its own, changed. Raises ValueError for a change that fits nowhere."""
    package = folder / "sightline"
    shutil.copytree(ROOT / "src" / "sightline" / "client", package / "client")
    (package / "__init__.py").touch()
    for name, there, instead in changes:
        path = package / "client" / name
        text = path.read_text(encoding="utf-8")
        if text.count(there) != 1:
            raise ValueError(f"{name} has {text.count(there)} places for this change, and must have 1: {there}")
        path.write_text(text.replace(there, instead), encoding="utf-8")
    return folder


def right_clients(place: Ground, size: Size, kinds: Sequence[Kind], tell: Callable[[Found], None]) -> list[Found]:
    """Every kind of device with the client as it is."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        source = source_copy(Path(folder))
        for seed, kind in enumerate(kinds):
            found.append(live(kind, size, place, source, seed))
            tell(found[-1])
    return found


def wrong_client(place: Ground, name: str, size: Size) -> Found:
    """One device with a client that is wrong on purpose."""
    with tempfile.TemporaryDirectory() as folder:
        return live(KINDS[3], size, place, source_copy(Path(folder), WRONG_CLIENTS[name][1]), seed=7)


def row(found: Found) -> str:
    return (
        f"| {found.name} | {found.recorded:,} | {found.kills} | {found.lost} | {found.doubled + found.never_recorded} "
        f"| {found.sessions_out_of_order} | {found.largest_error:,.3f} s of {found.allowed_error:.2f} s | {', '.join(found.broken()) or 'none'} |"
    )


HEAD = (
    "| device | events | kills | lost | doubled | sessions out of order or with gaps | largest error of time, of what is allowed | broken |",
    "|---|---|---|---|---|---|---|---|",
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m campaigns.offline")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/reliability.md")
    parser.add_argument("--small", action="store_true", help="300 events, 6 kills, two devices")
    told = parser.parse_args(arguments)
    size, kinds = (SMALL, KINDS[1:4:2]) if told.small else (FULL, KINDS)
    lines = list(HEAD)
    print("\n".join(lines), flush=True)

    def tell(found: Found) -> None:
        lines.append(row(found))
        print(lines[-1], flush=True)

    with tempfile.TemporaryDirectory() as folder, ground(Path(folder), students=20) as place:
        kept = not any(found.broken() for found in right_clients(place, size, kinds, tell))
        for name, (promise, _) in WRONG_CLIENTS.items():
            found = wrong_client(place, name, SMALL)
            found.name = f"*wrong on purpose: {name}*"
            tell(found)
            kept = kept and promise in found.broken()
    if told.write:
        report.keep("offline", lines)
    print("every promise is kept, and every wrong client was caught" if kept else "BROKEN: see the table")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

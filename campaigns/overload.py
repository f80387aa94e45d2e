"""R9: five times more than can be done. Who is refused is told so and when to come back; the rest goes on.

    python -m campaigns.overload [--seconds 60] [--small] [--controls] [--write]

A closed loop of 8 clients measures how many batches a second the server stores; then FOLD times as many are offered
by an open loop over many connections, from a process of its own (`pouring`). Known: the ids of each batch.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from campaigns import report
from campaigns.pouring import TAKEN, Plan, Poured, ids_of
from campaigns.sending import BATCH_PATH
from campaigns.served import SOURCE, Served, broken, serving

FOLD = 5
CLIENTS = 8
CONNECTIONS = 500
PER_BATCH = 50
CALM_SECONDS = 6.0
SMALL = 6.0

REFUSED_WITHIN = 2.0
"""Seconds, at the 99th percentile, in which a refusal must come."""

ANY_WITHIN, EVER_WITHIN = 4.0, 10.0
"""The same for answers of every kind; the second where speed does not count, as on a machine that is busy otherwise."""

FLAT = 0.05
"""Share by which memory may grow after the warm-up, the first third of the load."""

KEPT_SHARE = 0.5
"""Of the measured capacity that must still be stored under the load."""

BUSY = "busy"
"""Code of the problem that says so; a connection that was not to be had in time says another."""

MIB = 1024 * 1024
MOST_BATCHES = 40_000
MISSED_SHARE = 0.2


@dataclass
class Overload:
    """Capacity in batches a second, what came back of the load, memory of the server every quarter second (bytes)."""

    capacity: float
    offered: float
    poured: Poured
    memory: list[int] = field(default_factory=list)
    lost: int = 0
    events: int = 0

    @property
    def warm(self) -> float:
        """Seconds of warm-up."""
        return self.poured.seconds / 3

    @property
    def stored_rate(self) -> float:
        """Batches answered as stored, a second, after the warm-up and before the end."""
        good = sum(
            self.warm < at + took < self.poured.seconds
            for at, took, status, *_ in self.poured.answers
            if _taken(status)
        )
        return good / (self.poured.seconds - self.warm)

    @property
    def growth(self) -> float:
        """Of memory, from the end of the warm-up to the end, as a share."""
        third = len(self.memory) // 3
        before = sorted(self.memory[third : third + max(1, third // 3)])
        after = sorted(self.memory[-max(1, third // 3) :])
        return after[len(after) // 2] / before[len(before) // 2] - 1

    def refusals(self) -> list[float]:
        """Seconds that each refusal took, shortest first."""
        return sorted(
            took for _, took, status, says_when, _ in self.poured.answers if status in {429, 503} and says_when
        )

    def complaints(self, *, speeds: bool = True) -> list[str]:
        """Every way in which the promise was not kept; without `speeds` only what does not hang on the machine."""
        poured = self.poured
        found = [f"{self.lost} answered events are not stored"] if self.lost else []
        other = Counter(s for _, _, s, says, _ in poured.answers if not (_taken(s) or (s in {429, 503} and says)))
        if other:
            found.append(
                f"answers that are neither stored nor a refusal that says when to come back: {dict(other)}"
            )
        if poured.broken or poured.unanswered:
            found.append(
                f"{poured.broken} connections broke, {poured.unanswered} batches were not answered at all"
            )
        refused = self.refusals()
        if BUSY not in poured.codes:
            found.append("nobody was refused because too much waits")
        took = sorted(answer[1] for answer in poured.answers)
        if (slow := at_percentile(took, 0.99)) > (ANY_WITHIN if speeds else EVER_WITHIN):
            found.append(f"answers took {slow:.1f} s at p99")
        if not speeds:
            return found
        if (slow := at_percentile(refused, 0.99)) > REFUSED_WITHIN:
            found.append(f"refusals took {slow:.2f} s at p99")
        if self.growth > FLAT:
            found.append(f"memory grew by {self.growth:.1%} after the warm-up")
        if self.stored_rate < KEPT_SHARE * self.capacity:
            found.append(
                f"{self.stored_rate:.0f} batches a second were stored of a capacity of {self.capacity:.0f}"
            )
        if poured.missed > MISSED_SHARE * self.offered * poured.seconds:
            found.append(f"{poured.missed} batches could not be offered: no connection was free")
        return found


def _taken(status: int) -> bool:
    return status in TAKEN


def at_percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of them lies; 0 of none."""
    return ordered[int(share * (len(ordered) - 1))] if ordered else 0.0


def _poured(plan: Plan, watched: psutil.Process) -> tuple[Poured, list[int]]:
    """Let a process of its own send; what came back, and the server's memory meanwhile."""
    memory: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.25):
            memory.append(watched.memory_info().rss)

    with subprocess.Popen(
        [sys.executable, "-m", "campaigns.pouring"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("no pipes")
        process.stdin.write(json.dumps(asdict(plan)) + "\n")
        process.stdin.flush()
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("the load generator did not start")
        watching = threading.Thread(target=watch)
        watching.start()
        try:
            process.stdin.write("\n")
            process.stdin.flush()
            said = json.loads(process.stdout.readline())
        finally:
            done.set()
            watching.join()
    said["answers"] = [tuple(answer) for answer in said["answers"]]
    return Poured(**said), memory


def _plan(served: Served, seconds: float, batches: int, connections: int, rate: float | None) -> Plan:
    return Plan(
        port=served.port,
        path=BATCH_PATH,
        key=served.roll.key,
        students=[str(s) for s in served.roll.students],
        run=secrets.randbits(32),
        per_batch=PER_BATCH,
        batches=batches,
        connections=connections,
        seconds=seconds,
        rate=rate,
    )


def run(seconds: float, *, calm: float = CALM_SECONDS, source: Path = SOURCE) -> Overload:
    """Measure the capacity for `calm` seconds, then offer FOLD times that for so many seconds."""
    with serving(source=source) as served:
        watched = psutil.Process(served.server.pid)
        first = _plan(served, calm, min(MOST_BATCHES, round(calm * 1500)), CLIENTS, None)
        closed, _ = _poured(first, watched)
        capacity = sum(_taken(answer[2]) for answer in closed.answers) / closed.seconds
        if not capacity:
            raise RuntimeError(f"nothing was stored: {Counter(a[2] for a in closed.answers)}")
        batches = min(MOST_BATCHES, round(1.5 * capacity * seconds) + 2 * CONNECTIONS)
        plan = _plan(served, seconds, batches, CONNECTIONS, FOLD * capacity)
        poured, memory = _poured(plan, watched)
        overload = Overload(capacity, FOLD * capacity, poured, memory)
        stored = served.stored()
        for sent, came in ((first, closed), (plan, poured)):
            for batch in {answer[4] for answer in came.answers if _taken(answer[2])}:
                ids = ids_of(sent.run, batch, PER_BATCH)
                overload.events += len(ids)
                overload.lost += sum(stored.get(event_id) != 1 for event_id in ids)
    return overload


UNBOUNDED = (
    ("pipeline/gathering.py", "MAX_WAITING = 8_000\n", "MAX_WAITING = 2_000_000_000\n"),
    ("pipeline/gathering.py", "STALLED = 1.0\n", "STALLED = 2_000.0\n"),
    ("pipeline/gathering.py", "PATIENCE = 1.5\n", "PATIENCE = 2_000.0\n"),
)
"""The bounds of the queue of events, taken away."""


def control(seconds: float = SMALL) -> list[str]:
    """What is found when everybody may wait as long as it takes."""
    with broken(*UNBOUNDED) as source:
        return run(seconds, calm=2.0, source=source).complaints(speeds=False)


def table(overload: Overload) -> list[str]:
    """Rows of Markdown."""
    refused, poured = overload.refusals(), overload.poured
    good = sorted(took for _, took, status, *_ in poured.answers if _taken(status))
    statuses = ", ".join(f"{s}: {n}" for s, n in sorted(Counter(a[2] for a in poured.answers).items()))
    rows = [
        ("capacity, closed loop of 8", f"{overload.capacity:.0f} batches of {PER_BATCH} a second"),
        ("offered, open loop", f"{overload.offered:.0f} a second for {poured.seconds:.0f} s"),
        ("answers by status", statuses),
        ("refused with", ", ".join(f"{code}: {n}" for code, n in sorted(poured.codes.items())) or "-"),
        ("due when no connection was free", str(poured.missed)),
        ("stored under the load, after the warm-up", f"{overload.stored_rate:.0f} batches a second"),
        ("refused, p50, p99, longest", _spread(refused)),
        ("stored, p50, p99, longest", _spread(good)),
        ("memory at the end", f"{overload.memory[-1] / MIB:.0f} MiB, {overload.growth:+.1%} since the warm-up"),
        ("answered events lost", f"{overload.lost} of {overload.events}"),
    ]
    return ["| what | measured |", "|---|---|", *(f"| {what} | {measured} |" for what, measured in rows)]


def _spread(ordered: Sequence[float]) -> str:
    return ", ".join(f"{at_percentile(ordered, share) * 1000:.0f} ms" for share in (0.5, 0.99, 1.0))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m campaigns.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long five times too much is offered")
    parser.add_argument("--small", action="store_true", help=f"{SMALL:.0f} seconds")
    parser.add_argument(
        "--controls", action="store_true", help="take the bounds away in a copy; it must be noticed"
    )
    parser.add_argument("--write", action="store_true", help="keep the result in docs/reliability.md")
    told = parser.parse_args(arguments)
    overload = run(SMALL if told.small else told.seconds)
    lines, complaints = table(overload), overload.complaints()
    if told.controls:
        noticed = control()
        lines += ["", f"Control, the queue has no bound: {'; '.join(noticed) or 'NOT NOTICED'}"]
        complaints += [] if noticed else ["the control was not noticed"]
    lines += ["", "Kept." if not complaints else "NOT KEPT: " + "; ".join(complaints)]
    print("\n".join(lines))
    if told.write:
        report.keep("overload", lines)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

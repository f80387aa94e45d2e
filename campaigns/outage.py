"""R5: the database goes away under load, stopped or hanging. Who asks is told so within a second, and nothing is lost.

    python -m campaigns.outage [--minutes 10] [--small] [--controls] [--write]

Clients send batches until they are answered, and a browser, a monitor and readers look in, while PostgreSQL is
(a) stopped and (b) frozen where it stands, its sockets open. Known: what was answered as stored must be stored.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from campaigns import report
from campaigns.sending import Answer, Heard, Wire, request, resend_until_answered
from campaigns.served import SOURCE, Served, broken, serving
from sightline.store import embedded

CLIENTS = 6
BATCH = 20
PAUSE = 0.15
"""Seconds between two requests of one client: about 40 a second together."""

WITHIN = 1.0
"""Seconds in which each request must be answered while the database is away."""

BACK_WITHIN = 30.0
AROUND = 1.0
"""Seconds of load before the outage, and after batches are taken again."""

SMALL = 2.5

PLAIN_WORDS = b"The database cannot be reached just now"
TRACES = (b"Traceback", b"psycopg", b"sqlalchemy", b'File "')

STOPPED, HANGING = "stopped", "hanging"


@dataclass
class Outage:
    """One outage: when (monotonic seconds), what clients and onlookers were told, what was broken."""

    kind: str
    gone_at: float = 0.0
    back_at: float = 0.0
    taken_again: float = 0.0
    heard: Heard = field(default_factory=Heard)
    seen: dict[str, list[Answer]] = field(default_factory=dict)
    lost: int = 0

    def during(self, answers: Sequence[Answer]) -> list[Answer]:
        """Answers to what was asked, or still waited, while the database was away."""
        return [a for a in answers if a.answered_at > self.gone_at and a.asked_at < self.back_at]

    def settled(self, answers: Sequence[Answer]) -> list[Answer]:
        """The same without the second in which the loss may still be unknown, and what came after."""
        return [a for a in answers if a.asked_at > self.gone_at + WITHIN and a.answered_at < self.back_at]

    def complaints(self) -> list[str]:
        """Every way in which the promise was not kept."""
        found = [f"{self.lost} answered events are not stored"] if self.lost else []
        found += [f"a batch was answered with other counts: {w}" for w in self.heard.wrong[:3]]
        sent = self.during(self.heard.answers)
        if not any(a.status == 503 for a in sent):  # noqa: PLR2004 - its number is its name
            found.append("no sender met the outage")
        for name, answers in [("send a batch", sent), *((n, self.during(a)) for n, a in self.seen.items())]:
            slow = [a.seconds for a in answers if a.seconds > WITHIN]
            if slow:
                found.append(
                    f"{name}: {len(slow)} of {len(answers)} took over {WITHIN} s, the longest {max(slow):.1f}"
                )
            refused = [a for a in answers if not 200 <= a.status < 300]  # noqa: PLR2004
            unsaid = Counter(a.status for a in refused if a.status != 503 or not a.says_when)  # noqa: PLR2004
            if unsaid:
                found.append(f"{name}: answers that are no 503 with Retry-After: {dict(unsaid)}")
            if any(trace in a.body for a in answers for trace in TRACES):
                found.append(f"{name}: a trace of the inside is shown")
        for name, wanted in WANTED.items():
            other = Counter(a.status for a in self.settled(self.seen[name]) if a.status != wanted)
            if other or not self.settled(self.seen[name]):
                found.append(f"{name}: not always {wanted} but also {dict(other)}")
        found += [
            "the page does not say in plain words what happened"
            for a in self.settled(self.seen["open a page"])[:1]
            if PLAIN_WORDS not in a.body or "text/html" not in a.headers.get("content-type", "")
        ]
        if not 0 < self.taken_again <= BACK_WITHIN:
            found.append(f"batches were taken again after {self.taken_again:.1f} s")
        return found


WANTED = {"/livez": 200, "/readyz": 503, "open a page": 503, "read my rejects": 503, "ask who I am": 503}


def _looks(served: Served) -> dict[str, bytes]:
    return {
        "/livez": request("GET", "/livez", {}),
        "/readyz": request("GET", "/readyz", {}),
        "open a page": request("GET", "/", served.roll.looking),
        "read my rejects": request("GET", "/api/v1/telemetry/rejects", served.roll.sending),
        "ask who I am": request("GET", "/api/v1/auth/me", served.roll.sending),
    }


async def _one(served: Served, kind: str, seconds: float, rng: random.Random) -> Outage:
    outage = Outage(kind)
    going = True
    outage.seen = {name: [] for name in WANTED}

    async def look(name: str, asked: bytes) -> None:
        wire = Wire(served.port)
        while going:
            outage.seen[name].append(await wire.ask(asked))
            await asyncio.sleep(PAUSE)
        wire.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(
                resend_until_answered(
                    served,
                    outage.heard,
                    random.Random(rng.random()),  # noqa: S311 - ids for a test
                    size=BATCH,
                    pause=PAUSE,
                    going=lambda: going,
                )
            )
        for name, asked in _looks(served).items():
            tasks.create_task(look(name, asked))
        await asyncio.sleep(AROUND)
        outage.gone_at = time.monotonic()
        await asyncio.to_thread(served.freeze if kind == HANGING else lambda: embedded.stop(served.folder.path))
        await asyncio.sleep(seconds)
        outage.back_at = time.monotonic()
        await asyncio.to_thread(served.thaw if kind == HANGING else lambda: _start(served))
        while not any(a.taken and a.asked_at > outage.back_at for a in outage.heard.answers):
            await asyncio.sleep(PAUSE)
            if time.monotonic() > outage.back_at + 2 * BACK_WITHIN:
                break
        outage.taken_again = time.monotonic() - outage.back_at
        await asyncio.sleep(AROUND)
        going = False
    outage.lost = len(outage.heard.lost(served))
    return outage


def _start(served: Served) -> None:
    """Start PostgreSQL again; the campaign's own hold keeps it."""
    embedded.share(served.folder.path).release()


def run(
    seconds: float, kinds: Sequence[str] = (STOPPED, HANGING), *, source: Path = SOURCE, seed: int = 1
) -> list[Outage]:
    """One outage of each kind, of so many seconds, on one running system."""
    rng = random.Random(seed)  # noqa: S311 - ids for a test
    with serving(source=source) as served:
        return [asyncio.run(_one(served, kind, seconds, rng)) for kind in kinds]


def control() -> list[str]:
    """What is found when the promise is broken on purpose: nobody watches whether the server answers."""
    with broken(("store/pulse.py", "                self._cut_all()\n", "")) as source:
        (outage,) = run(SMALL, [HANGING], source=source)
    return outage.complaints()


def table(outages: Sequence[Outage]) -> list[str]:
    """Rows of Markdown, one an outage and kind of request."""
    rows = [
        "| PostgreSQL | request | asked meanwhile | answered 503 with Retry-After | others | p50 | p99 | longest |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for outage in outages:
        for name, answers in {"send a batch": outage.heard.answers, **outage.seen}.items():
            met = outage.during(answers)
            told = sum(a.status == 503 and a.says_when for a in met)  # noqa: PLR2004
            others = dict(sorted(Counter(a.status for a in met if a.status != 503).items()))  # noqa: PLR2004
            times = sorted(a.seconds * 1000 for a in met)
            p99 = times[int(0.99 * (len(times) - 1))]
            rows.append(
                f"| {outage.kind} {outage.back_at - outage.gone_at:.0f} s | {name} | {len(met)} | {told} | "
                f"{others or '-'} | {statistics.median(times):.0f} ms | {p99:.0f} ms | {times[-1]:.0f} ms |"
            )
    return rows


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m campaigns.outage", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long each of the two outages lasts")
    parser.add_argument("--small", action="store_true", help=f"{SMALL:.0f} seconds each")
    parser.add_argument("--write", action="store_true", help="keep the result in docs/reliability.md")
    parser.add_argument("--controls", action="store_true", help="break the promise in a copy; it must be noticed")
    told = parser.parse_args(arguments)
    outages = run(SMALL if told.small else told.minutes * 60)
    lines = table(outages)
    for outage in outages:
        told_stored = f"{len(outage.heard.taken)} events answered as stored, {outage.lost} of them lost"
        again = f"batches taken again {outage.taken_again:.1f} s after PostgreSQL was back"
        lines += ["", f"{outage.kind.capitalize()}: {told_stored}; {again}."]
    complaints = [f"{o.kind}: {c}" for o in outages for c in o.complaints()]
    if told.controls:
        noticed = control()
        lines += ["", f"Control, nobody watches whether the server answers: {'; '.join(noticed) or 'NOT NOTICED'}"]
        complaints += [] if noticed else ["the control was not noticed"]
    lines += ["", "Kept." if not complaints else "NOT KEPT: " + "; ".join(complaints)]
    print("\n".join(lines))
    if told.write:
        report.keep("outage", lines)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""One run of a campaign of kills: schools made, clients sending, something killing, then the judgement.

make schools ──> clients send, `Killing` kills ──> clients end ──> jobs rest ──> judge ──> compare
                                              └──> the same input into an empty database, undisturbed ──┘
"""

from __future__ import annotations

import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import msgspec

from campaigns import rosters
from campaigns.senders import HANGS_UP, Plan, journal
from campaigns.stack_under_test import SOURCE, Database, Stack, values
from campaigns.verdict import Verdict, compare, judge, judge_jobs

TICK = 0.05
"""Seconds between two looks of the supervisor."""

STALL = 90.0
"""Seconds without any answer after which a campaign is given up; the longest recoveries take about 10."""

REST_PATIENCE = 200.0
"""Seconds for the jobs to come to rest: 30 until a dead worker counts as gone, 60 until the next tidy, and work."""

LONGEST_REPEAT = 1_200.0
"""Seconds for the undisturbed run of the same input."""

UNREST = (
    "select status::text, task_name, count(*) from procrastinate_jobs where status::text = any(%s) group by 1, 2"
)
AGED = "update procrastinate_workers set last_heartbeat = last_heartbeat - interval '31 seconds' returning id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a run does.

    between: seconds of answered traffic between two kills. think: mean seconds between an answer and the next
    request of a client. everything: transcripts and ratings, too, and sessions that close by themselves. hurry: the
    half minute after which a dead worker counts as gone is skipped at the end, by dating its last sign of life back.
    source, prepare, renames: for negative controls, a changed copy, what is done to the database before the clients
    begin, and clients that rename events when they send them again.
    """

    kills: int = 500
    database_kills: int = 100
    seed: int = 1
    between: tuple[float, float] = (0.2, 2.0)
    think: float = 0.1
    everything: bool = False
    hurry: bool = False
    servers: int = 3
    workers: int = 2
    stall: float = STALL
    rest: float = REST_PATIENCE
    source: Path = SOURCE
    prepare: Callable[[str], None] | None = None
    renames: bool = False

    @property
    def is_control(self) -> bool:
        return self.source != SOURCE or self.prepare is not None or self.renames


@dataclass(slots=True)
class Running:
    """What a killer has in hand: it kills, looks after the stack all the while, and writes down what it did."""

    orders: Orders
    outcome: Outcome
    database: Database
    url: str
    stack: Stack
    senders: Senders


@dataclass(slots=True)
class Outcome:
    """What a run found, and what it did."""

    orders: Orders
    verdict: Verdict
    kills: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    requests: int = 0
    killing: float = 0.0
    """Seconds that the kills took."""
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """The table, in Markdown."""
        v = self.verdict
        rows: list[tuple[str, str]] = [
            ("kills", ", ".join(f"{n} {kind}" for kind, n in sorted(self.kills.items()))),
            ("ended by themselves and started again", ", ".join(f"{n} {k}" for k, n in self.ended.items()) or "0"),
            ("requests answered / sent again", f"{self.requests:,} / {v.resent:,}"),
            ("answers 5xx other than 503", f"{v.unclear:,}"),
            ("events answered", f"{v.answered:,}"),
            ("**answered events lost**", f"**{v.lost:,}**"),
            ("**events doubled**", f"**{v.doubled + v.strange:,}**"),
            ("**half sessions**", f"**{v.half_sessions + v.unextracted:,}**"),
            (
                "revisions that say nothing new / batches without status",
                f"{v.said_twice:,} / {v.statuses_wrong:,}",
            ),
            ("requests refused / events moved in time", f"{v.refused:,} / {v.moved:,}"),
            ("jobs that never rest", f"{v.restless:,}"),
            (
                "**rows of results that differ from the undisturbed run**",
                f"**{v.different.total():,}** of {v.compared:,}",
            ),
        ]
        rows += [
            (f"recovery, {kind}: p50 / p95", f"{_percentile(s, 50):.1f} s / {_percentile(s, 95):.1f} s")
            for kind, s in sorted(self.recoveries.items())
        ]
        rows.append(("time: kills / all", f"{self.killing / 60:.1f} min / {self.seconds / 60:.1f} min"))
        rows.append(("seed", str(self.orders.seed)))
        return ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]


def _percentile(seconds: list[float], percent: int) -> float:
    if len(seconds) == 1:
        return seconds[0]
    return statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]


class Senders:
    """The process of the clients, and how much it was answered."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        folder.mkdir()
        (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
        self.folder = folder
        self.clients = len(plan.keys)
        self.log = (folder / "senders.log").open("wb")
        root = Path(__file__).parents[1]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "campaigns.senders", str(folder)],
            cwd=root,
            env=os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{SOURCE}"},
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=self.log,
        )

    def answered(self) -> int:
        """Bytes of all journals: they grow by a line with every answer."""
        paths = (self.folder / f"journal-{client}.jsonl" for client in range(self.clients))
        return sum(path.stat().st_size for path in paths if path.exists())

    def tell_to_stop(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()

    def are_done(self) -> bool:
        return self.process.poll() is not None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.tell_to_stop()
        self.log.close()


class Stalled(Exception):
    """Clients were not answered for too long; the sentence says in which step."""


class Killing(Protocol):
    """What kills while the clients send.

    `after` is called when they have ended and the servers are still up; in the undisturbed run, too, where the
    orders name no kills.
    """

    def run(self, running: Running) -> None: ...

    def after(self, running: Running) -> None: ...


@contextmanager
def hosted() -> Iterator[Database]:
    """A database of one's own in a temporary folder that the account of PostgreSQL can pass."""
    path = Path(tempfile.mkdtemp(prefix="sightline-campaign-"))
    path.chmod(0o711)
    try:
        database = Database.start(path / "database")
        try:
            yield database
        finally:
            database.end()
    finally:
        shutil.rmtree(path, ignore_errors=True)


def run(orders: Orders, killing: Killing, database: Database | None = None) -> Outcome:
    """One whole campaign, on a server of its own or in a database of its own on the given one."""
    begun = time.monotonic()
    outcome = Outcome(orders, Verdict())
    with hosted() if database is None else nullcontext(database) as host:
        name = f"run_{secrets.token_hex(4)}"
        folder = host.folder.parent / name
        for part in ("disturbed", "undisturbed"):
            (folder / part).mkdir(parents=True)
        url = host.beside(name)
        with Stack(folder / "disturbed", url, source=orders.source) as stack:
            keys = rosters.made(url, stack.secret, orders.seed)
            tokens = rosters.teacher_tokens(url, stack.secret, orders.seed) if orders.everything else []
            if orders.prepare is not None:
                orders.prepare(url)
            for kind, number in (("server", orders.servers), ("worker", orders.workers)):
                for _ in range(number):
                    stack.add(kind)
            stack.wait_until_ready()
            plan = Plan(
                seed=orders.seed,
                ports=stack.ports,
                keys=keys,
                teachers=tokens,
                think=orders.think,
                hangs_up=HANGS_UP,
                renames=orders.renames,
            )
            senders = Senders(folder / "journals", plan)
            try:
                _through(Running(orders, outcome, host, url, stack, senders), killing, folder)
            finally:
                senders.end()
                outcome.recoveries |= stack.recoveries
                outcome.ended = stack.ended
    outcome.seconds = time.monotonic() - begun
    return outcome


def _through(running: Running, killing: Killing, folder: Path) -> None:
    """Kills, end, judgement, comparison; a stall goes into the verdict."""
    orders, verdict, stack, senders = running.orders, running.outcome.verdict, running.stack, running.senders
    begun = time.monotonic()
    try:
        killing.run(running)
        senders.tell_to_stop()
        wait("the clients do not end", orders.stall, senders.are_done, stack)
        killing.after(running)
    except Stalled as stall:
        verdict.stalled = str(stall)
        senders.end()
    running.outcome.killing = time.monotonic() - begun
    answered = [len(journal(senders.folder, client)) for client in range(senders.clients)]
    running.outcome.requests = sum(answered)
    stack.end("server")
    judge(verdict, running.url, orders, senders.folder)
    if verdict.stalled or (orders.is_control and verdict.losses()):
        return  # what is noticed already needs no comparison
    if orders.hurry:
        stack.end("worker")
        values(running.url, AGED)
        stack.add("worker")
    _undisturbed(running, killing, folder, answered)


def _undisturbed(running: Running, killing: Killing, folder: Path, answered: list[int]) -> None:
    """The same input into an empty database, while the jobs of the disturbed one come to rest; then compare."""
    orders, verdict = running.orders, running.outcome.verdict
    calm = running.database.beside(f"{folder.name}_calm")
    with Stack(folder / "undisturbed", calm) as stack:
        keys = rosters.made(calm, stack.secret, orders.seed)
        tokens = rosters.teacher_tokens(calm, stack.secret, orders.seed) if orders.everything else []
        for kind in ("server", "worker"):
            stack.add(kind)
        stack.wait_until_ready()
        plan = Plan(seed=orders.seed, ports=stack.ports, keys=keys, teachers=tokens, limits=answered)
        again = Senders(folder / "journals-undisturbed", plan)
        both = (running.stack, stack)
        try:
            wait("the undisturbed run does not end", LONGEST_REPEAT, again.are_done, *both)
        except Stalled as stall:
            verdict.stalled = str(stall)
            return
        finally:
            again.end()
        quiet = replace(orders, kills=0, database_kills=0)
        killing.after(Running(quiet, Outcome(quiet, Verdict()), running.database, calm, stack, again))
        try:
            wait("the jobs do not rest", orders.rest, lambda: not (unrest(running.url) or unrest(calm)), *both)
        except Stalled:
            verdict.complaints.append(f"jobs that do not rest: {unrest(running.url)}, undisturbed {unrest(calm)}")
            verdict.restless = sum(n for _, _, n in unrest(running.url) + unrest(calm))
        judge_jobs(verdict, running.url)
        compare(verdict, running.url, calm)


def unrest(url: str) -> list[tuple[str, str, int]]:
    """(status, task, number) of jobs that wait, run or failed."""
    return [(row[0], row[1], int(row[2])) for row in values(url, UNREST, (["todo", "doing", "failed"],))]


def wait(otherwise: str, patience: float, condition: Callable[[], bool], *stacks: Stack) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        for stack in stacks:
            stack.look_after()
        if time.monotonic() > deadline:
            raise Stalled(otherwise)
        time.sleep(4 * TICK)

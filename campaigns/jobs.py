"""R7: the worker is killed in the middle of its jobs. Each job's effect is there exactly once.

    python -m campaigns.jobs [--kills 100] [--seed N] [--small] [--controls] [--write]

Eight clients close sessions, send late events, transcripts and ratings through one server; one worker does the jobs,
and is killed while a job is being done (it is seen in the queue, and killed within the next hundredth of a second),
or at a random moment. A quarter of the kills come at the end, when the sessions that nobody closed close by
themselves. Then the jobs must come to rest by what the product does about lost jobs, and everything that follows from
the input must be as in a run that nobody disturbed.

Exit status 1 when a promise is broken; with --controls, when the harness does not notice that it is.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from dataclasses import replace
from random import Random
from typing import Any

import psycopg

from campaigns import report
from campaigns.mutations import NOTHING_REVIVED, copy_with
from campaigns.runs import Orders, Outcome, Running, Stalled, run
from campaigns.stack_under_test import Database, values
from sightline.pipeline.jobs import ask_close
from sightline.store.database import Store

AT_RANDOM = 0.2
"""Share of kills at a random moment; the others look for a job that is being done."""

AT_THE_END = 0.25
"""Share of kills while sessions close by themselves."""

SIGHT = 0.002
"""Seconds between two looks for a job that is being done; one takes some 10 to 100 milliseconds."""

LONGEST_WORK = 0.01
"""Seconds, at most, between seeing a job being done and killing its worker."""

NO_JOB = 20.0
"""Seconds without any job after which a kill is made at random: the clients may have to do something first."""

DOING = """
select id, task_name from procrastinate_jobs where status = 'doing' and worker_id > %s order by id desc limit 1
"""
NEWEST_WORKER = "select coalesce(max(id), 0) from procrastinate_workers"
STILL = "select count(*) from procrastinate_jobs where id = %s and status = 'doing'"

GROWN_OLD = """
update events set received_at = received_at - interval '31 minutes' where (school_id, session_id) in (
    select school_id, session_id from sessions
    where not exists (select from closures c where (c.school_id, c.session_id) = (sessions.school_id, sessions.session_id))
) returning school_id, session_id
"""


class JobKills:
    """Kills of the one worker, most of them in the middle of a job."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.rng = Random(orders.seed)  # noqa: S311 - it draws moments, and guards nothing
        self.last_killed = 0

    def run(self, running: Running) -> None:
        for _ in range(self.orders.kills - round(self.orders.kills * AT_THE_END)):
            self._kill(running)
        self._work(running, self.orders.between[1])

    def after(self, running: Running) -> None:
        """Half an hour goes by, so that what is still open closes by itself; in the disturbed run under kills."""
        sessions = sorted(set(values(running.url, GROWN_OLD)))
        kills = round(running.orders.kills * AT_THE_END)
        for i in range(kills + 1):
            running.stack.wait_until_ready()
            asyncio.run(_ask(running.url, sessions[i :: kills + 1]))
            if i < kills:
                self._kill(running)

    def _work(self, running: Running, seconds: float) -> None:
        """Let the worker come up, and then work for so long."""
        running.stack.wait_until_ready()
        done_at = time.monotonic() + seconds
        while time.monotonic() < done_at:
            running.stack.look_after()
            time.sleep(0.02)

    def _kill(self, running: Running) -> None:
        (worker,) = [p for p in running.stack.processes if p.kind == "worker"]
        at_random = self.rng.random() < AT_RANDOM
        if not running.senders.are_done():
            self._work(running, self.rng.uniform(*self.orders.between))
        kind = "at a random moment"
        with psycopg.connect(running.url, autocommit=True) as connection:
            job = None if at_random else self._sighted(running, connection)
            if job is not None:
                time.sleep(self.rng.random() * LONGEST_WORK)
            running.stack.kill(worker)
            if job is not None:
                found = connection.execute(STILL, (job[0],)).fetchone()
                kind = f"during {job[1]}" if found == (1,) else "just after a job"
            newest = connection.execute(NEWEST_WORKER).fetchone()
            self.last_killed = newest[0] if newest else 0
        running.outcome.kills[kind] += 1

    def _sighted(self, running: Running, connection: psycopg.Connection) -> tuple[int, str] | None:
        """A job that the living worker does just now: (id, task)."""
        give_up, answered = time.monotonic() + NO_JOB, running.senders.answered()
        while time.monotonic() < give_up:
            job = connection.execute(DOING, (self.last_killed,)).fetchone()
            if job is not None:
                return int(job[0]), str(job[1])
            time.sleep(SIGHT)
        if running.senders.answered() == answered and not running.senders.are_done():
            raise Stalled("the clients were not answered any more")
        return None


async def _ask(url: str, sessions: list[tuple[Any, ...]]) -> None:
    """Ask for what `tidy` asks for once a minute, when it finds sessions idle."""
    store = Store(url)
    try:
        async with store.work() as work:
            for school, session in sessions:
                await ask_close(work, school, session)
    finally:
        await store.close()


def full(seed: int, kills: int = 100) -> Orders:
    return Orders(
        kills=kills,
        database_kills=0,
        seed=seed,
        between=(0.0, 1.0),
        think=0.6,
        everything=True,
        servers=1,
        workers=1,
    )


def small(seed: int) -> Orders:
    """Six kills, close together, and the half minute of a lost worker skipped at the end."""
    return replace(full(seed, 6), between=(0.0, 0.4), think=0.3, hurry=True)


def nothing_revived(seed: int, database: Database | None = None) -> Outcome:
    """Negative control: lost jobs are never asked for again."""
    with copy_with(NOTHING_REVIVED) as source:
        orders = replace(small(seed), kills=4, source=source, rest=10.0)
        return run(orders, JobKills(orders), database)


def main() -> int:
    asked = argparse.ArgumentParser(description="R7: the worker killed in the middle of its jobs")
    asked.add_argument("--kills", type=int, default=100)
    asked.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    asked.add_argument("--small", action="store_true", help="6 kills")
    asked.add_argument("--controls", action="store_true", help="break the promise on purpose")
    asked.add_argument("--write", action="store_true", help="keep the table in docs/reliability.md")
    told = asked.parse_args()
    print(f"seed {told.seed}", flush=True)
    if told.controls:
        outcome = nothing_revived(told.seed)
        noticed = outcome.verdict.broken()
        print(
            f"| lost jobs are never asked for again | {outcome.seconds:.0f} s | {'; '.join(noticed) or 'MISSED'} |"
        )
        return 0 if noticed else 1
    orders = small(told.seed) if told.small else full(told.seed, told.kills)
    outcome = run(orders, JobKills(orders))
    broken = outcome.verdict.broken()
    lines = [*outcome.lines(), "", f"Verdict: {'; '.join(broken) or 'every promise held'}."]
    print("\n".join([*lines, *outcome.verdict.complaints[:20]]))
    if told.write:
        report.keep("jobs", lines)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

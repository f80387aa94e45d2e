"""R1: `kill -9` of servers, workers and PostgreSQL during ingest. Nothing answered is lost, nothing is doubled.

    python -m campaigns.crash [--kills 500] [--database-kills 100] [--seed N] [--small] [--controls] [--write]

Three servers and two workers over one embedded PostgreSQL; eight clients that resend until they are answered, and
fail over between the servers, so that the load goes on while one of them starts. Whatever is killed is started again
at once. Between two kills there are 0.2 to 2 seconds in which clients are answered; one kill in seven hits a process
that is only starting. Then the same input goes into a second, empty database that nobody disturbs, and the results
are compared byte by byte.

Exit status 1 when a promise is broken; with --controls, when the harness does not notice that it is.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from random import Random

from campaigns import report
from campaigns.runs import TICK, Orders, Running, Stalled, run

WORKERS_SHARE = 0.3
"""Share of the kills that are not PostgreSQL's and hit a worker; servers are what ingest runs through."""

BACKEND_SHARE = 0.25
"""Share of PostgreSQL's kills that hit one connection's process and not the first process."""

STARTING_SHARE = 1 / 7
"""Share of kills that look for a process which is only starting."""


class Kills:
    """The kills of one run, one after the other, each after some answered traffic."""

    def __init__(self, orders: Orders, backends: float = BACKEND_SHARE) -> None:
        self.orders = orders
        self.backends = round(orders.database_kills * backends)
        self.rng = Random(orders.seed)  # noqa: S311 - it draws moments, and guards nothing
        self.database_killed_at: float | None = None

    def run(self, running: Running) -> None:
        workers = round(self.orders.kills * WORKERS_SHARE) if self.orders.workers else 0
        kills = ["server"] * (self.orders.kills - workers) + ["worker"] * workers
        kills += ["postgres"] * (self.orders.database_kills - self.backends)
        kills += ["postgres backend"] * self.backends
        self.rng.shuffle(kills)
        for kind in kills:
            self._traffic(running, self.rng.uniform(*self.orders.between))
            while not self._killed(running, kind):  # it is on its way up after an earlier kill
                self._traffic(running, self.orders.between[0])
        self._traffic(running, self.orders.between[1])

    def after(self, running: Running) -> None:
        """Nothing more is done once the clients have ended."""

    def _traffic(self, running: Running, wanted: float) -> None:
        """Go on for so many seconds in which clients were answered."""
        answered, last_answer = running.senders.answered(), time.monotonic()
        while wanted > 0:
            time.sleep(TICK)
            self._look_after(running)
            now = running.senders.answered()
            if now > answered:
                answered, last_answer = now, time.monotonic()
                wanted -= TICK
            elif time.monotonic() - last_answer > self.orders.stall:
                raise Stalled("the clients were not answered any more")

    def _look_after(self, running: Running) -> None:
        running.stack.look_after()
        if self.database_killed_at is not None and running.database.answers():
            took = time.monotonic() - self.database_killed_at
            running.outcome.recoveries.setdefault("postgres", []).append(took)
            self.database_killed_at = None

    def _killed(self, running: Running, kind: str) -> bool:
        """Whether there was something of that kind to kill just now."""
        if kind.startswith("postgres"):
            database = running.database
            whole = kind == "postgres"
            if not (database.kill_postmaster() if whole else database.kill_backend(self.rng.random())):
                return False
            self.database_killed_at = time.monotonic()
        else:
            own = [p for p in running.stack.processes if p.kind == kind]
            starting, ready = [p for p in own if not p.ready], [p for p in own if p.ready]
            first, second = (starting, ready) if self.rng.random() < STARTING_SHARE else (ready, starting)
            target = self.rng.choice(first or second)
            kind += "" if target.ready else " while starting"
            running.stack.kill(target)
        running.outcome.kills[kind] += 1
        return True


def main() -> int:
    asked = argparse.ArgumentParser(description="R1: kills during ingest")
    asked.add_argument("--kills", type=int, default=500, help="of servers and workers")
    asked.add_argument("--database-kills", type=int, default=100, help="of PostgreSQL")
    asked.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    asked.add_argument("--small", action="store_true", help="40 and 10 kills")
    asked.add_argument("--controls", action="store_true", help="break the promise on purpose")
    asked.add_argument("--write", action="store_true", help="keep the table in docs/reliability.md")
    told = asked.parse_args()
    print(f"seed {told.seed}", flush=True)
    if told.controls:
        from campaigns import mutations  # noqa: PLC0415 - they run this module

        return mutations.main(told.seed)
    orders = Orders(kills=told.kills, database_kills=told.database_kills, seed=told.seed)
    orders = small(told.seed) if told.small else orders
    outcome = run(orders, Kills(orders))
    broken = outcome.verdict.broken()
    lines = [*outcome.lines(), "", f"Verdict: {'; '.join(broken) or 'every promise held'}."]
    print("\n".join([*lines, *outcome.verdict.complaints[:20]]))
    if told.write:
        report.keep("crash", lines)
    return 1 if broken else 0


def small(seed: int, kills: int = 40, database_kills: int = 10) -> Orders:
    """Kills close together, on two servers and one worker: what bounds it is how fast they start."""
    return Orders(
        kills=kills,
        database_kills=database_kills,
        seed=seed,
        between=(0.1, 0.5),
        think=0.05,
        hurry=True,
        servers=2,
        workers=1,
    )


if __name__ == "__main__":
    sys.exit(main())

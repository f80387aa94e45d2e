"""R2: the promises of R1 broken on purpose. Each time the harness must notice, after a few kills.

What is broken lies in a copy of the source in a temporary folder, in the campaign's own database, or in its clients;
the repository is never touched. A mutation of the source is a piece of text that must be there exactly once: when
the code has moved on, it raises `MutationDoesNotApply`, and the text here has to follow.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg

from campaigns.crash import Kills
from campaigns.runs import Orders, Outcome, hosted, run
from campaigns.stack_under_test import SOURCE, Database


class MutationDoesNotApply(AssertionError):
    """The text to break is not in the source, or not once."""


Change = tuple[str, str, str]
"""File below src/sightline, text that is there once, text in its place."""

ANSWER_BEFORE_COMMIT: tuple[Change, ...] = (
    ("store/exchange.py", '            COPY_BATCHES,\n            "commit",\n', "            COPY_BATCHES,\n"),
    (
        "store/exchange.py",
        "        self._expect(ExecStatus.COMMAND_OK)\n        self._drain()\n",
        "        self._drain()\n",
    ),
    (
        "store/database.py",
        """                yield connection
                connection.commit()
""",
        """                yield connection
                import threading
                import time

                self._connection = None

                def later() -> None:
                    time.sleep(0.3)
                    connection.commit()
                    connection.close()

                threading.Thread(target=later).start()
""",
    ),
)
"""What is answered is committed 0.3 seconds later; a server killed meanwhile loses it."""

NOTHING_REVIVED: tuple[Change, ...] = (
    (
        "store/jobs.py",
        '    lost = (await work.execute(LOST, {"tasks": list(tasks)})).all()\n',
        "    return 0\n",
    ),
)
"""A job whose worker was killed is never asked for again."""


@contextmanager
def copy_with(changes: tuple[Change, ...]) -> Iterator[Path]:
    """A copy of the source with these changes, to be put on the path of servers and workers."""
    folder = Path(tempfile.mkdtemp(prefix="sightline-mutation-"))
    try:
        shutil.copytree(SOURCE, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        for name, there, instead in changes:
            path = folder / "src" / "sightline" / name
            text = path.read_text(encoding="utf-8")
            if text.count(there) != 1:
                raise MutationDoesNotApply(f"{name} holds the text to break {text.count(there)} times")
            path.write_text(text.replace(there, instead), encoding="utf-8")
        yield folder / "src"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def drop_the_key(url: str) -> None:
    """Take the unique key of the events away: every event that is sent again doubles. An index stays."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter table events drop constraint events_pkey")
        connection.execute("create index on events (school_id, event_id)")


def forget_the_disk(url: str) -> None:
    """Let PostgreSQL answer commits before they are on the disk, and write them there as late as it can.

    Set on the database, where it wins over the server's command line. It ends with the server's next start.
    """
    name = url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"alter database {name} set synchronous_commit = off".encode())
        connection.execute("alter system set wal_writer_delay = '10s'")
        connection.execute("alter system set wal_writer_flush_after = '1GB'")
        connection.execute("select pg_reload_conf()")


def _few(seed: int) -> Orders:
    """So many kills are enough to notice any of these."""
    return Orders(
        kills=3,
        database_kills=0,
        seed=seed,
        between=(0.2, 0.6),
        think=0.02,
        hurry=True,
        servers=2,
        workers=0,
        stall=30.0,
    )


def answered_before_commit(seed: int, database: Database) -> Outcome:
    with copy_with(ANSWER_BEFORE_COMMIT) as source:
        orders = replace(_few(seed), source=source)
        return run(orders, Kills(orders), database)


def answered_before_the_disk(seed: int, database: Database) -> Outcome:
    orders = replace(_few(seed), kills=0, database_kills=3, prepare=forget_the_disk)
    return run(orders, Kills(orders, backends=0), database)


def key_dropped(seed: int, database: Database) -> Outcome:
    orders = replace(_few(seed), prepare=drop_the_key)
    return run(orders, Kills(orders), database)


def events_renamed(seed: int, database: Database) -> Outcome:
    orders = replace(_few(seed), renames=True)
    return run(orders, Kills(orders), database)


CONTROLS: Mapping[str, Callable[[int, Database], Outcome]] = {
    "the answer comes before the commit": answered_before_commit,
    "the answer comes before the disk": answered_before_the_disk,
    "the unique key of events is dropped": key_dropped,
    "a client renames events when it sends them again": events_renamed,
}


def main(seed: int) -> int:
    """Run all; 1 when the harness missed one."""
    missed = 0
    with hosted() as database:
        for name, control in CONTROLS.items():
            outcome = control(seed, database)
            noticed = outcome.verdict.losses()
            missed += not noticed
            kills = sum(outcome.kills.values())
            found = "; ".join(noticed) or "MISSED"
            print(f"| {name} | {kills} kills, {outcome.seconds:.0f} s | {found} |", flush=True)
    return 1 if missed else 0

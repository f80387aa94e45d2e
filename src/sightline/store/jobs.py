"""Jobs in PostgreSQL (procrastinate), deferred inside the transaction whose work they follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString

import msgspec
import procrastinate
import psycopg
from sqlalchemy import text

from sightline.store.database import Driver, Work, driver_of, plain_url

QUEUE = "sightline"

QUEUEING_LOCK = "procrastinate_jobs_queueing_lock_idx_v1"
"""Name of the index that lets only one job of a queueing lock wait."""

DEFER: LiteralString = """
    select procrastinate_defer_jobs_v1(array[row(
        %(queue)s::varchar, %(task)s::varchar, 0, null, %(once)s::text, %(args)s::jsonb, %(at)s::timestamptz
    )::procrastinate_job_to_defer_v1])
"""


STALLED = "30 seconds"
"""A worker writes its heartbeat every 10 seconds; three missed ones mean that it is gone."""

WAITING: LiteralString = (
    "select id from procrastinate_jobs where queueing_lock = %(once)s and status = 'todo' for key share"
)

LOST = text(
    f"""
    delete from procrastinate_jobs where id in (
        select job.id from procrastinate_jobs job
        left join procrastinate_workers worker on worker.id = job.worker_id
        where job.queueing_lock is not null
          and job.task_name = any(:tasks)
          and (job.status = 'failed'
               or (job.status = 'doing'
                   and coalesce(worker.last_heartbeat < now() - interval '{STALLED}', true)))
        for update of job skip locked
    )
    returning task_name, args, queueing_lock
    """  # noqa: S608 - a constant of this file
)


async def defer(work: Work, task: str, args: Mapping[str, str], *, once: str, at: datetime | None = None) -> bool:
    """Ask for a job, to run once the transaction is committed; False when one like it waits already.

    At most one job of the same `once` waits. When one does, its row is held until our commit: a worker that
    fetches skips held rows, so the job that waits starts after our change can be seen, and nothing is missed.
    """
    driver, asked = await driver_of(work), _asked(task, args, once, at)
    while await (await driver.execute(WAITING, asked)).fetchone() is None:
        try:
            async with driver.transaction():
                await driver.execute(DEFER, asked)
        except psycopg.errors.UniqueViolation as problem:
            _only_raced(problem)
        else:
            return True
    return False


def defer_here(driver: Driver, task: str, args: Mapping[str, str], *, once: str) -> bool:
    """The same in the transaction of a writer of events."""
    asked = _asked(task, args, once, None)
    while driver.execute(WAITING, asked).fetchone() is None:
        try:
            with driver.transaction():
                driver.execute(DEFER, asked)
        except psycopg.errors.UniqueViolation as problem:
            _only_raced(problem)
        else:
            return True
    return False


def _asked(task: str, args: Mapping[str, str], once: str, at: datetime | None) -> dict[str, object]:
    return {"queue": QUEUE, "task": task, "once": once, "args": msgspec.json.encode(args).decode(), "at": at}


def _only_raced(problem: psycopg.errors.UniqueViolation) -> None:
    """Nothing, when another transaction was first: its job waits now, or was taken already."""
    if problem.diag.constraint_name != QUEUEING_LOCK:
        raise problem


async def revive_lost(work: Work, tasks: Sequence[str]) -> int:
    """Ask again for jobs that failed or whose worker is gone; returns how many there were."""
    lost = (await work.execute(LOST, {"tasks": list(tasks)})).all()
    for job in lost:
        await defer(work, job.task_name, job.args, once=job.queueing_lock)
    return len(lost)


def jobs_app(url: str) -> procrastinate.App:
    """The queue over the given database; the caller opens it and registers its tasks."""
    return procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=plain_url(url)))


async def waiting_jobs(work: Work) -> int:
    """How many jobs wait or run."""
    found = await work.execute(text("select count(*) from procrastinate_jobs where status in ('todo', 'doing')"))
    return int(found.scalar_one())


async def due_jobs(work: Work) -> dict[str, tuple[int, float]]:
    """By task: how many jobs wait or run, and for how many seconds the oldest of them is due."""
    found = await work.execute(
        text(
            """
            select task_name, count(*) as jobs,
                   greatest(0, extract(epoch from max(now() - coalesce(scheduled_at, asked.at)))) as age
            from procrastinate_jobs job
            left join lateral (
                select min(at) as at from procrastinate_events event where event.job_id = job.id
            ) asked on true
            where status in ('todo', 'doing')
            group by task_name
            """
        )
    )
    return {row.task_name: (row.jobs, float(row.age or 0)) for row in found}

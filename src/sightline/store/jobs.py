"""Jobs in PostgreSQL (procrastinate), deferred inside the transaction whose work they follow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
import procrastinate
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sightline.store.database import Work, plain_url

QUEUE = "sightline"

DEFER = text(
    """
    select procrastinate_defer_jobs_v1(array[row(
        cast(:queue as varchar), cast(:task as varchar), 0, cast(:lock as text), cast(:queueing_lock as text),
        cast(:args as jsonb), cast(:scheduled_at as timestamptz)
    )::procrastinate_job_to_defer_v1])
    """
)


async def defer(
    work: Work,
    task: str,
    args: Mapping[str, str],
    *,
    once: str,
    at: datetime | None = None,
) -> bool:
    """Ask for a job, to run once the transaction is committed; False when one like it waits already.

    Jobs of the same `once` never run side by side, and at most one of them waits.
    """
    try:
        async with work.begin_nested():
            await work.execute(
                DEFER,
                {
                    "queue": QUEUE,
                    "task": task,
                    "lock": once,
                    "queueing_lock": once,
                    "args": msgspec.json.encode(args).decode(),
                    "scheduled_at": at,
                },
            )
    except IntegrityError:
        return False
    return True


def jobs_app(url: str) -> procrastinate.App:
    """The queue over the given database; the caller opens it and registers its tasks."""
    return procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=plain_url(url)))


async def waiting_jobs(work: Work) -> int:
    """How many jobs wait or run."""
    found = await work.execute(text("select count(*) from procrastinate_jobs where status in ('todo', 'doing')"))
    return int(found.scalar_one())

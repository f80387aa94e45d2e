"""What the worker does, and how it is asked to. Asking happens inside the transaction that makes it needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import procrastinate

from sightline.store import people, telemetry
from sightline.store.database import Store, Work
from sightline.store.jobs import QUEUE, defer, jobs_app

SETTLE = timedelta(seconds=2)
"""A school is scored this long after the first change, so that a class that sends at once is scored once."""

IDLE = timedelta(minutes=30)
"""A session without events for this long closes by itself."""


async def ask_rescore(work: Work, school_id: UUID, now: datetime) -> None:
    await defer(work, "rescore", {"school_id": str(school_id)}, once=f"rescore/{school_id}", at=now + SETTLE)


async def ask_extraction(work: Work, school_id: UUID, session_id: UUID) -> None:
    await defer(
        work,
        "extract",
        {"school_id": str(school_id), "session_id": str(session_id)},
        once=f"extract/{school_id}/{session_id}",
    )


def worker(store: Store) -> procrastinate.App:
    """The worker's app over a store, with its tasks registered; each task is one transaction."""
    from sightline.pipeline import receiving, scoring  # noqa: PLC0415 - they ask for jobs, and import this

    app = jobs_app(store.url)
    again = procrastinate.RetryStrategy(max_attempts=5, exponential_wait=2)

    @app.task(name="rescore", queue=QUEUE, retry=again)
    async def rescore(school_id: str) -> None:
        async with store.work() as work:
            await scoring.rescore_school(work, UUID(school_id), now=datetime.now(UTC))

    @app.task(name="extract", queue=QUEUE, retry=again)
    async def extract(school_id: str, session_id: str) -> None:
        now = datetime.now(UTC)
        async with store.work() as work:
            await telemetry.hold_sessions(work, UUID(school_id), [UUID(session_id)], alone=True)
            await scoring.extract_session(work, UUID(school_id), UUID(session_id), now=now)
            await ask_rescore(work, UUID(school_id), now)

    @app.periodic(cron="*/5 * * * *")
    @app.task(name="close_idle", queue=QUEUE, queueing_lock="close_idle", pass_context=False)
    async def close_idle(timestamp: int) -> None:
        del timestamp
        now = datetime.now(UTC)
        async with store.work() as work:
            idle = await telemetry.idle_sessions(work, now - IDLE)
        for school_id, session_id in idle:
            async with store.work() as work:
                await receiving.close_session(work, school_id, session_id, now=now, reason="idle")

    @app.periodic(cron="* * * * *")
    @app.task(name="sweep", queue=QUEUE, queueing_lock="sweep", pass_context=False)
    async def sweep(timestamp: int) -> None:
        """Score every school once a minute: catches a change that committed while a waiting job was taken."""
        del timestamp
        now = datetime.now(UTC)
        async with store.work() as work:
            for school_id in await people.school_ids(work):
                await ask_rescore(work, school_id, now)

    return app

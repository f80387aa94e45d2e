"""What the worker does, and how it is asked to. Asking happens inside the transaction that makes it needed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import procrastinate

from sightline.features.catalog import CATALOG_VERSION
from sightline.store import evidence, sender_view, telemetry
from sightline.store.database import Driver, Store, Work
from sightline.store.jobs import QUEUE, defer, defer_here, jobs_app, revive_lost

SETTLE = timedelta(seconds=2)
"""A school is scored this long after the first change, so that a class that sends at once is scored once."""

TASKS = ("rescore", "update", "extract", "extract_all", "close", "tidy")
"""Tasks that are asked for again when they were lost. A lost tidy, too, must not lie for ever."""

IDLE = timedelta(minutes=30)
"""A session without events for this long closes by itself."""


async def ask_rescore(work: Work, school_id: UUID, now: datetime) -> None:
    await defer(work, "rescore", {"school_id": str(school_id)}, once=f"rescore/{school_id}", at=now + SETTLE)


def ask_extraction(driver: Driver, school_id: UUID, session_id: UUID) -> None:
    """Late events reopen nothing: a job recomputes."""
    defer_here(
        driver,
        "extract",
        {"school_id": str(school_id), "session_id": str(session_id)},
        once=f"extract/{school_id}/{session_id}",
    )


async def ask_update(work: Work, school_id: UUID, student_id: UUID) -> None:
    """Let one student be assessed at once; the whole school follows when it has settled."""
    await defer(
        work,
        "update",
        {"school_id": str(school_id), "student_id": str(student_id)},
        once=f"update/{school_id}/{student_id}",
    )


async def ask_close(work: Work, school_id: UUID, session_id: UUID) -> None:
    await defer(
        work,
        "close",
        {"school_id": str(school_id), "session_id": str(session_id)},
        once=f"close/{school_id}/{session_id}",
    )


async def ask_again(work: Work) -> None:
    """Ask for what was lost with a worker, and for sittings that the current catalog has not seen."""
    await revive_lost(work, TASKS)
    for school_id in await evidence.schools_with_outdated_sittings(work, CATALOG_VERSION):
        await defer(work, "extract_all", {"school_id": str(school_id)}, once=f"extract_all/{school_id}")


def worker(store: Store) -> procrastinate.App:
    """The worker's app over a store, with its tasks registered; each task is one transaction.

    A task never runs twice at once on the same thing: it takes that thing's lock in the database, which a killed
    worker cannot keep.
    """
    from sightline.pipeline import closing, scoring, updating  # noqa: PLC0415 - they ask for jobs, and import this

    app = jobs_app(store.url)
    remembered: dict[UUID, updating.Remembered] = {}

    def updated(school_id: UUID, student_id: UUID, school: updating.Remembered) -> None:
        with store.for_jobs.work() as driver:
            updating.update_student(driver, school_id, student_id, school, now=datetime.now(UTC))

    @app.task(name="rescore", queue=QUEUE)
    async def rescore(school_id: str) -> None:
        async with store.work() as work:
            await telemetry.hold_sittings(work, UUID(school_id), [UUID(school_id)], alone=True)
            scored = await scoring.score_school(work, UUID(school_id), now=datetime.now(UTC))
            kept = await updating.remember(work, UUID(school_id), scored)
        remembered[UUID(school_id)] = kept

    @app.task(name="update", queue=QUEUE)
    async def update(school_id: str, student_id: str) -> None:
        """Nothing without the memory of a full scoring: that is on its way then."""
        school = remembered.get(UUID(school_id))
        if school is not None:
            await asyncio.to_thread(updated, UUID(school_id), UUID(student_id), school)

    @app.task(name="extract", queue=QUEUE)
    async def extract(school_id: str, session_id: str) -> None:
        now = datetime.now(UTC)
        async with store.work() as work:
            await telemetry.hold_sittings(work, UUID(school_id), [UUID(session_id)], alone=True)
            extract = await scoring.extract_session(work, UUID(school_id), UUID(session_id), now=now)
            await ask_update(work, UUID(school_id), extract.session.student_id)
            await ask_rescore(work, UUID(school_id), now)

    @app.task(name="extract_all", queue=QUEUE)
    async def extract_all(school_id: str) -> None:
        now = datetime.now(UTC)
        async with store.work() as work:
            await scoring.extract_all(work, UUID(school_id), now=now)
            await ask_rescore(work, UUID(school_id), now)

    @app.task(name="close", queue=QUEUE)
    async def close(school_id: str, session_id: str) -> None:
        now = datetime.now(UTC)
        async with store.work() as work:
            await closing.close_idle_session(work, UUID(school_id), UUID(session_id), now=now, idle=IDLE)

    @app.periodic(cron="* * * * *")
    @app.task(name="tidy", queue=QUEUE, queueing_lock="tidy", pass_context=False)
    async def tidy(timestamp: int) -> None:
        """Once a minute: idle sessions get a job each, lost jobs are asked for again, old rejects go."""
        del timestamp
        async with store.work() as work:
            for school_id, session_id in await telemetry.idle_sessions(work, datetime.now(UTC) - IDLE):
                await ask_close(work, school_id, session_id)
            await ask_again(work)
            await sender_view.forget_old(work, datetime.now(UTC))

    return app

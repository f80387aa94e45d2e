"""How far scoring everything again has come: one row a school and run, ticked off in the school's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, update

from sightline.store.database import Work
from sightline.store.schema import extractions, rescores, schools


@dataclass(frozen=True, slots=True)
class Place:
    """A school of a run with its students of whom anything was extracted; `changed` is None until it is done."""

    school_id: UUID
    title: str
    students: int
    changed: int | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run over many schools, as far as it is."""

    run_id: UUID
    asked_at: datetime
    places: tuple[Place, ...]


async def begin(
    work: Work, run_id: UUID, school_ids: Iterable[UUID], *, catalog_version: str, at: datetime
) -> None:
    """Write down which schools a run is to score."""
    rows = [
        {"school_id": s, "run_id": run_id, "asked_at": at, "catalog_version": catalog_version} for s in school_ids
    ]
    if rows:
        await work.execute(insert(rescores), rows)


async def unfinished(work: Work, catalog_version: str) -> Run | None:
    """The newest run when it has schools left and had the same catalog."""
    newest = (
        await work.execute(
            select(rescores.c.run_id, rescores.c.asked_at, rescores.c.catalog_version)
            .order_by(rescores.c.asked_at.desc(), rescores.c.run_id)
            .limit(1)
        )
    ).one_or_none()
    if newest is None or newest.catalog_version != catalog_version:
        return None
    run = await run_of(work, newest.run_id, newest.asked_at)
    return run if any(place.changed is None for place in run.places) else None


async def run_of(work: Work, run_id: UUID, asked_at: datetime) -> Run:
    """The schools of a run, by title."""
    size = (
        select(extractions.c.school_id, func.count(extractions.c.student_id.distinct()).label("students"))
        .group_by(extractions.c.school_id)
        .subquery()
    )
    found = await work.execute(
        select(rescores, schools.c.title, func.coalesce(size.c.students, 0).label("now"))
        .join(schools, schools.c.school_id == rescores.c.school_id)
        .outerjoin(size, size.c.school_id == rescores.c.school_id)
        .where(rescores.c.run_id == run_id)
        .order_by(schools.c.title, rescores.c.school_id)
    )
    places = tuple(Place(row.school_id, row.title, row.students or row.now, row.changed) for row in found)
    return Run(run_id, asked_at, places)


async def is_done(work: Work, run_id: UUID, school_id: UUID) -> bool:
    found = await work.execute(
        select(rescores.c.done_at).where(rescores.c.school_id == school_id, rescores.c.run_id == run_id)
    )
    return found.scalar_one() is not None


async def tick_off(
    work: Work, run_id: UUID, school_id: UUID, *, students: int, changed: int, at: datetime
) -> None:
    """Say that a school is done, in the transaction that scored it."""
    await work.execute(
        update(rescores)
        .where(rescores.c.school_id == school_id, rescores.c.run_id == run_id)
        .values(done_at=at, students=students, changed=changed)
    )

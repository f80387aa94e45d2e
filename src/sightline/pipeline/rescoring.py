"""Scoring everything again, a school at a time: who is stopped goes on, and nothing is doubled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sightline.errors import NotFound
from sightline.features.catalog import CATALOG_VERSION
from sightline.pipeline.scoring import score_school
from sightline.store import people, rescores, telemetry
from sightline.store.database import Store
from sightline.store.rescores import Run


@dataclass(frozen=True, slots=True)
class Rescored:
    """Students of a school, and how many of them have a new assessment."""

    students: int
    changed: int


async def run_to_do(store: Store, school_id: UUID | None, *, fresh: bool, now: datetime) -> Run:
    """The run that was stopped, or a new one, over one school or all. Raises NotFound.

    Only a run over all schools is gone on with: one school is one transaction.
    """
    async with store.work() as work:
        if school_id is None:
            stopped = None if fresh else await rescores.unfinished(work, CATALOG_VERSION)
            if stopped is not None:
                return stopped
            schools = [school.school_id for school in await people.schools_of_all(work)]
        elif await people.school_of(work, school_id) is None:
            raise NotFound(f"there is no school {school_id}")
        else:
            schools = [school_id]
        run_id = uuid4()
        await rescores.begin(work, run_id, schools, catalog_version=CATALOG_VERSION, at=now)
        return await rescores.run_of(work, run_id, now)


async def rescore_place(store: Store, run_id: UUID, school_id: UUID, *, now: datetime) -> Rescored | None:
    """Score one school and tick it off in one transaction; None when somebody else has done it meanwhile."""
    async with store.work() as work:
        await telemetry.hold_sittings(work, school_id, [school_id], alone=True)
        if await rescores.is_done(work, run_id, school_id):
            return None
        scored = await score_school(work, school_id, now=now)
        await rescores.tick_off(work, run_id, school_id, students=scored.students, changed=scored.changed, at=now)
    return Rescored(scored.students, scored.changed)

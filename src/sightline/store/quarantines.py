"""Sources that are set aside in a class: appended whenever that changes; the newest decision counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from sightline.domain.skills import Source
from sightline.store.database import Work
from sightline.store.schema import quarantines


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a source is set aside in a class, since when, and what was seen.

    shift: of the class against the median class, in SD of an indicator, with its standard error; None where there
    was too little to compare. students: of the class with evidence from this source and another.
    """

    class_id: UUID
    source: Source
    set_aside: bool
    shift: float | None
    standard_error: float | None
    students: int
    at: datetime


async def current(work: Work, school_id: UUID) -> Mapping[tuple[UUID, Source], Decision]:
    """The newest decision of each class and source that one was ever made about."""
    found = await work.execute(
        select(quarantines)
        .where(quarantines.c.school_id == school_id)
        .ext(distinct_on(quarantines.c.class_id, quarantines.c.source))
        .order_by(quarantines.c.class_id, quarantines.c.source, quarantines.c.entry.desc())
    )
    return {
        (row.class_id, Source(row.source)): Decision(
            class_id=row.class_id,
            source=Source(row.source),
            set_aside=row.set_aside,
            shift=row.shift,
            standard_error=row.standard_error,
            students=row.students,
            at=row.at,
        )
        for row in found
    }


async def add(work: Work, school_id: UUID, decisions: Sequence[Decision]) -> None:
    if decisions:
        await work.execute(
            insert(quarantines),
            [
                {
                    "school_id": school_id,
                    "class_id": d.class_id,
                    "source": d.source.value,
                    "at": d.at,
                    "set_aside": d.set_aside,
                    "shift": d.shift,
                    "standard_error": d.standard_error,
                    "students": d.students,
                }
                for d in decisions
            ],
        )

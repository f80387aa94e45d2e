"""What was found about change: appended when it differs from the newest of the same class, never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from sightline.domain.changes import ClassGrowth, Finding, StudentGrowth, TooFew
from sightline.domain.skills import Skill
from sightline.store.database import Work
from sightline.store.schema import class_growth, enrolments


class _Cell(msgspec.Struct):
    """The row's form of one skill: exactly one of finding and too_few."""

    skill: Skill
    finding: Finding | None
    too_few: TooFew | None


class _Student(msgspec.Struct):
    student_id: UUID
    counted: list[Skill]
    overall: Finding
    skills: list[tuple[Skill, Finding]]


class _Body(msgspec.Struct):
    weeks: float
    card_version: str
    catalog_version: str
    norms_version: str
    roll: int
    skills: list[_Cell]
    students: list[_Student]
    shared_tasks: float | None


def _body(found: ClassGrowth) -> _Body:
    return _Body(
        weeks=found.weeks,
        card_version=found.card_version,
        catalog_version=found.catalog_version,
        norms_version=found.norms_version,
        roll=found.roll,
        skills=[
            _Cell(skill, None, cell) if isinstance(cell, TooFew) else _Cell(skill, cell, None)
            for skill, cell in found.skills
        ],
        students=[_Student(s.student_id, list(s.counted), s.overall, list(s.skills)) for s in found.students],
        shared_tasks=found.shared_tasks,
    )


def _outcome(cell: _Cell) -> Finding | TooFew:
    outcome = cell.finding if cell.finding is not None else cell.too_few
    if outcome is None:
        raise ValueError("a stored change has neither a finding nor a reason why there is none")
    return outcome


async def enrolled(work: Work, school_id: UUID) -> dict[UUID, list[UUID]]:
    """Students of each class of a school that has any, both in the order of their ids."""
    found = await work.execute(
        select(enrolments.c.class_id, enrolments.c.student_id)
        .where(enrolments.c.school_id == school_id)
        .order_by(enrolments.c.class_id, enrolments.c.student_id)
    )
    classes: dict[UUID, list[UUID]] = {}
    for row in found:
        classes.setdefault(row.class_id, []).append(row.student_id)
    return classes


async def add_growth(work: Work, school_id: UUID, new: Sequence[ClassGrowth]) -> int:
    """Append what differs from the newest of the same class; return how many classes did."""
    newest = await work.execute(
        select(class_growth.c.class_id, class_growth.c.content_hash)
        .where(class_growth.c.school_id == school_id)
        .ext(distinct_on(class_growth.c.class_id))
        .order_by(class_growth.c.class_id, class_growth.c.entry.desc())
    )
    known = {row.class_id: row.content_hash for row in newest}
    rows: list[dict[str, object]] = []
    for found in new:
        timeless = replace(found, computed_at=found.as_of)
        content_hash = hashlib.sha256(msgspec.json.encode(timeless)).digest()
        if known.get(found.class_id) != content_hash:
            rows.append(
                {
                    "school_id": school_id,
                    "class_id": found.class_id,
                    "as_of": found.as_of,
                    "computed_at": found.computed_at,
                    "content_hash": content_hash,
                    "body": _body(found),
                }
            )
    if rows:
        await work.execute(insert(class_growth), rows)
    return len(rows)


async def newest_growth(work: Work, school_id: UUID, class_id: UUID) -> ClassGrowth | None:
    """What was found last about a class; None when nothing was tested yet."""
    row = (
        await work.execute(
            select(class_growth)
            .where(class_growth.c.school_id == school_id, class_growth.c.class_id == class_id)
            .order_by(class_growth.c.entry.desc())
            .limit(1)
        )
    ).one_or_none()
    if row is None:
        return None
    body = msgspec.convert(row.body, _Body, strict=False)
    return ClassGrowth(
        class_id=class_id,
        as_of=row.as_of,
        computed_at=row.computed_at,
        weeks=body.weeks,
        card_version=body.card_version,
        catalog_version=body.catalog_version,
        norms_version=body.norms_version,
        roll=body.roll,
        skills=tuple((cell.skill, _outcome(cell)) for cell in body.skills),
        students=tuple(
            StudentGrowth(s.student_id, tuple(s.counted), s.overall, tuple(s.skills)) for s in body.students
        ),
        shared_tasks=body.shared_tasks,
    )

"""Schools, classes, students, staff: who there is and who belongs to whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as pg_insert

from sightline.security.access import Caller, Role
from sightline.store.database import Work
from sightline.store.schema import classes, enrolments, schools, staff, students, teaching


@dataclass(frozen=True, slots=True)
class School:
    """A school; `simulated` when its students are made up."""

    school_id: UUID
    title: str
    simulated: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ClassRoll:
    """A class with how many students it has."""

    class_id: UUID
    title: str
    size: int


@dataclass(frozen=True, slots=True)
class Student:
    """A student as the school calls them."""

    student_id: UUID
    display_name: str


async def add_school(work: Work, school: School) -> None:
    await work.execute(
        insert(schools).values(
            school_id=school.school_id,
            title=school.title,
            simulated=school.simulated,
            created_at=school.created_at,
        )
    )


async def school_of(work: Work, school_id: UUID) -> School | None:
    row = (await work.execute(select(schools).where(schools.c.school_id == school_id))).one_or_none()
    return None if row is None else School(row.school_id, row.title, row.simulated, row.created_at)


async def schools_of_all(work: Work) -> list[School]:
    """Every school by title: for commands of whoever runs the system, never for a request."""
    found = await work.execute(select(schools).order_by(schools.c.title, schools.c.school_id))
    return [School(row.school_id, row.title, row.simulated, row.created_at) for row in found]


async def add_class(work: Work, school_id: UUID, class_id: UUID, title: str) -> None:
    await work.execute(insert(classes).values(school_id=school_id, class_id=class_id, title=title))


async def add_students(work: Work, school_id: UUID, class_id: UUID, roll: Iterable[Student]) -> None:
    """Add students and enrol them; those who are there already stay as they are."""
    rows = [{"school_id": school_id, "student_id": s.student_id, "display_name": s.display_name} for s in roll]
    if rows:
        await work.execute(pg_insert(students).on_conflict_do_nothing(), rows)
        await work.execute(
            pg_insert(enrolments).on_conflict_do_nothing(),
            [{"school_id": school_id, "class_id": class_id, "student_id": row["student_id"]} for row in rows],
        )


async def add_staff(
    work: Work, school_id: UUID, staff_id: UUID, display_name: str, role: Role, teaches: Sequence[UUID] = ()
) -> None:
    await work.execute(
        insert(staff).values(school_id=school_id, staff_id=staff_id, display_name=display_name, role=role.value)
    )
    if teaches:
        await work.execute(
            insert(teaching),
            [{"school_id": school_id, "class_id": c, "staff_id": staff_id} for c in teaches],
        )


async def staff_caller(work: Work, school_id: UUID, staff_id: UUID) -> Caller | None:
    """A member of staff as a caller: role, own classes, and the students in them."""
    row = (
        await work.execute(
            select(staff.c.role, staff.c.display_name).where(
                staff.c.school_id == school_id, staff.c.staff_id == staff_id
            )
        )
    ).one_or_none()
    if row is None:
        return None
    own = await work.execute(
        select(teaching.c.class_id).where(teaching.c.school_id == school_id, teaching.c.staff_id == staff_id)
    )
    class_ids = frozenset(own.scalars())
    enrolled = await work.execute(
        select(enrolments.c.student_id).where(
            enrolments.c.school_id == school_id, enrolments.c.class_id.in_(class_ids)
        )
    )
    return Caller(
        role=Role(row.role),
        school_id=school_id,
        staff_id=staff_id,
        display_name=row.display_name,
        classes=class_ids,
        students=frozenset(enrolled.scalars()),
    )


async def staff_of(work: Work, school_id: UUID) -> list[tuple[UUID, str, Role]]:
    """(id, name, role) of a school's staff, by name."""
    found = await work.execute(
        select(staff).where(staff.c.school_id == school_id).order_by(staff.c.display_name, staff.c.staff_id)
    )
    return [(row.staff_id, row.display_name, Role(row.role)) for row in found]


async def known_students(work: Work, school_id: UUID, ids: Iterable[UUID]) -> set[UUID]:
    """Those of the given ids that are students of the school."""
    found = await work.execute(
        select(students.c.student_id).where(
            students.c.school_id == school_id, students.c.student_id.in_(list(ids))
        )
    )
    return set(found.scalars())


async def student(work: Work, school_id: UUID, student_id: UUID) -> Student | None:
    row = (
        await work.execute(
            select(students).where(students.c.school_id == school_id, students.c.student_id == student_id)
        )
    ).one_or_none()
    return None if row is None else Student(row.student_id, row.display_name)


async def students_page(
    work: Work, school_id: UUID, visible: frozenset[UUID] | None, *, after: tuple[str, UUID] | None, limit: int
) -> list[Student]:
    """Students by name after the given (name, id); `visible` None means all of the school."""
    query = select(students).where(students.c.school_id == school_id)
    if visible is not None:
        query = query.where(students.c.student_id.in_(visible))
    if after is not None:
        name, last = after
        query = query.where(
            (students.c.display_name > name) | ((students.c.display_name == name) & (students.c.student_id > last))
        )
    found = await work.execute(query.order_by(students.c.display_name, students.c.student_id).limit(limit))
    return [_student(row) for row in found]


async def class_rolls(work: Work, school_id: UUID) -> list[ClassRoll]:
    """All classes of a school by title, with their sizes."""
    found = await work.execute(
        select(classes.c.class_id, classes.c.title, func.count(enrolments.c.student_id).label("size"))
        .outerjoin(
            enrolments,
            (enrolments.c.school_id == classes.c.school_id) & (enrolments.c.class_id == classes.c.class_id),
        )
        .where(classes.c.school_id == school_id)
        .group_by(classes.c.class_id, classes.c.title)
        .order_by(classes.c.title, classes.c.class_id)
    )
    return [ClassRoll(row.class_id, row.title, row.size) for row in found]


async def class_roll(work: Work, school_id: UUID, class_id: UUID) -> tuple[str, list[Student]] | None:
    """Title and students of a class by name; None when there is no such class."""
    title = (
        await work.execute(
            select(classes.c.title).where(classes.c.school_id == school_id, classes.c.class_id == class_id)
        )
    ).scalar_one_or_none()
    if title is None:
        return None
    found = await work.execute(
        select(students)
        .join(
            enrolments,
            (enrolments.c.school_id == students.c.school_id) & (enrolments.c.student_id == students.c.student_id),
        )
        .where(enrolments.c.school_id == school_id, enrolments.c.class_id == class_id)
        .order_by(students.c.display_name, students.c.student_id)
    )
    return title, [_student(row) for row in found]


async def classes_of(work: Work, school_id: UUID, student_id: UUID) -> Mapping[UUID, str]:
    """Classes that a student is enrolled in, by id."""
    found = await work.execute(
        select(classes.c.class_id, classes.c.title)
        .join(
            enrolments,
            (enrolments.c.school_id == classes.c.school_id) & (enrolments.c.class_id == classes.c.class_id),
        )
        .where(enrolments.c.school_id == school_id, enrolments.c.student_id == student_id)
        .order_by(classes.c.title)
    )
    return {row.class_id: row.title for row in found}


def _student(row: Any) -> Student:
    return Student(row.student_id, row.display_name)

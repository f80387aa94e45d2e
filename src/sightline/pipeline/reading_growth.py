"""Change of a class and its students, as it is shown: numbers with their words, each look written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sightline.domain.changes import ClassGrowth, Finding, StudentGrowth, TooFew
from sightline.domain.skills import Skill
from sightline.errors import NOTHING_HERE, NotFound
from sightline.growth.words import class_words, practice_words, skill_words, student_words
from sightline.pipeline.reading import Purpose, allow
from sightline.security.access import Act, Caller
from sightline.store import growth, people
from sightline.store.credentials import record_disclosure
from sightline.store.database import Work
from sightline.store.people import School, Student


@dataclass(frozen=True, slots=True)
class Said:
    """A finding, or why there is none, and what a person reads of it."""

    finding: Finding | TooFew
    words: str


@dataclass(frozen=True, slots=True)
class StudentSaid:
    """A student overall, and skills one by one where those were tested."""

    student: Student
    counted: tuple[Skill, ...]
    overall: Said
    skills: tuple[tuple[Skill, Said], ...]


@dataclass(frozen=True, slots=True)
class ClassGrowthView:
    """What the growth route shows. Without a test so far: as_of and weeks None, and nothing in the lists."""

    school: School
    class_id: UUID
    title: str
    as_of: datetime | None
    weeks: float | None
    card_version: str | None
    skills: tuple[tuple[Skill, Said], ...]
    students: tuple[StudentSaid, ...]
    warning: str | None


async def class_growth_view(work: Work, caller: Caller, class_id: UUID, purpose: Purpose) -> ClassGrowthView:
    """The newest findings of a class. Raises NotFound for a class that is not there or not the caller's.

    Students who have left the class since are not shown.
    """
    allow(caller, Act.READ_CLASS, class_id=class_id)
    roll = await people.class_roll(work, caller.school_id, class_id)
    school = await people.school_of(work, caller.school_id)
    if roll is None or school is None:
        raise NotFound(NOTHING_HERE)
    title, students = roll
    await record_disclosure(
        work, caller, "class growth", purpose.why, [s.student_id for s in students], purpose.at
    )
    found = await growth.newest_growth(work, caller.school_id, class_id)
    return ClassGrowthView(
        school=school,
        class_id=class_id,
        title=title,
        as_of=None if found is None else found.as_of,
        weeks=None if found is None else found.weeks,
        card_version=None if found is None else found.card_version,
        skills=() if found is None else _of_class(found),
        students=() if found is None else _of_students(found, students),
        warning=None if found is None else practice_words(found.shared_tasks),
    )


def _of_class(found: ClassGrowth) -> tuple[tuple[Skill, Said], ...]:
    return tuple(
        (skill, Said(cell, class_words(cell, skill, students=found.roll, weeks=found.weeks)))
        for skill, cell in found.skills
    )


def _of_students(found: ClassGrowth, roll: Sequence[Student]) -> tuple[StudentSaid, ...]:
    tested = {one.student_id: one for one in found.students}
    return tuple(
        _of_student(tested[student.student_id], student, found.weeks)
        for student in roll
        if student.student_id in tested
    )


def _of_student(found: StudentGrowth, student: Student, weeks: float) -> StudentSaid:
    return StudentSaid(
        student=student,
        counted=found.counted,
        overall=Said(found.overall, student_words(found.overall, found.counted, weeks=weeks)),
        skills=tuple(
            (skill, Said(finding, skill_words(finding, skill, weeks=weeks))) for skill, finding in found.skills
        ),
    )

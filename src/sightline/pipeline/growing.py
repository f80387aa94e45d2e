"""Change of classes and students, tested over the whole school whenever it is scored, and read class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import numpy as np

from sightline.domain.changes import ClassGrowth, Finding, StudentGrowth, TooFew
from sightline.domain.skills import SKILLS
from sightline.growth.changes import LONGEST_WEEKS, SHORTEST_WEEKS, Bools, Changes, Levels, Shared
from sightline.growth.testing import Growth, counted_skills, growth_of
from sightline.measurement.assess import Frame
from sightline.measurement.card import Card
from sightline.measurement.slopes import SchoolSlopes

LEVELS, SLOPES = slice(0, len(SKILLS)), slice(len(SKILLS), 2 * len(SKILLS))


def changes_of(slopes: SchoolSlopes, classes: Mapping[UUID, Sequence[UUID]], card: Card) -> Changes:
    """What growth tests, from the posterior with flat slopes: severity shared, the classes' own levels free."""
    prior = card.sigma
    place = {student: row for row, student in enumerate(slopes.students)}
    return Changes(
        mean=slopes.mean[:, SLOPES],
        covariance=slopes.covariance[:, SLOPES, SLOPES],
        members=tuple(
            np.array([place[s] for s in roll if s in place], dtype=np.intp) for roll in classes.values()
        ),
        weeks=card.weeks,
        spread=prior[SLOPES, SLOPES],
        shared=(Shared(gain=slopes.severity_gain[:, SLOPES], covariance=slopes.severity_covariance),),
        levels=Levels(
            mean=slopes.mean[:, LEVELS],
            covariance=slopes.covariance[:, LEVELS, LEVELS],
            cross=slopes.covariance[:, SLOPES, LEVELS],
            prior=prior[LEVELS, LEVELS],
        ),
    )


def growth_of_classes(
    slopes: SchoolSlopes, classes: Mapping[UUID, Sequence[UUID]], frame: Frame
) -> tuple[ClassGrowth, ...]:
    """Every class of a school with its students; the tests are over the whole school. classes: the rolls.

    A card whose window is shorter than 4 or longer than 12 weeks has no growth: empty.
    """
    if not SHORTEST_WEEKS <= frame.card.weeks <= LONGEST_WEEKS:
        return ()
    changes = changes_of(slopes, classes, frame.card)
    found = growth_of(changes)
    counted = counted_skills(changes)
    students = [_student(found, counted[row], row, student) for row, student in enumerate(slopes.students)]
    return tuple(
        ClassGrowth(
            class_id=class_id,
            as_of=frame.as_of,
            computed_at=frame.computed_at,
            weeks=frame.card.weeks,
            card_version=frame.card.version,
            catalog_version=frame.catalog_version,
            norms_version=frame.norms.version,
            roll=len(roll),
            skills=tuple((skill, found.classes.at(c, k)) for k, skill in enumerate(SKILLS)),
            students=tuple(students[row] for row in changes.members[c]),
            shared_tasks=changes.shared_tasks,
        )
        for c, (class_id, roll) in enumerate(classes.items())
    )


def _student(found: Growth, counted: Bools, row: int, student: UUID) -> StudentGrowth:
    tested = SKILLS if found.selected[row] else ()
    return StudentGrowth(
        student_id=student,
        counted=tuple(skill for k, skill in enumerate(SKILLS) if counted[k]),
        overall=_certain(found.students.at(row)),
        skills=tuple((skill, _certain(found.skills.at(row, k))) for k, skill in enumerate(tested)),
    )


def _certain(finding: Finding | TooFew) -> Finding:
    if isinstance(finding, TooFew):
        raise TypeError("a student is one, and never too few")
    return finding

"""One student's scores right after a session, with everything that is the school's taken from its last scoring.

The school is scored whole some seconds later all the same: raters' severities, norms and change are found there.
See docs/adr/0009.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sightline.domain.estimates import Assessment
from sightline.domain.observables import Observable
from sightline.domain.skills import Source
from sightline.features.catalog import CATALOG_VERSION
from sightline.measurement.assess import Frame, assess_school
from sightline.measurement.severities import Severities
from sightline.pipeline.scoring import Scored, end_of_window, without_set_aside
from sightline.store import assessments, one_student
from sightline.store.assessments import Mark
from sightline.store.database import Driver, Work


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a worker keeps of the last scoring of a school; `mark` tells whether the database has moved on."""

    frame: Frame
    severities: Severities
    classes: Mapping[UUID, Sequence[UUID]]
    aside: frozenset[tuple[UUID, Source]]
    mark: Mark


async def remember(work: Work, school_id: UUID, scored: Scored) -> Remembered:
    """What to keep, in the transaction of the scoring."""
    mark = await assessments.mark_of(work, school_id)
    return Remembered(scored.frame, scored.severities, scored.classes, scored.aside, mark)


def update_student(
    driver: Driver, school_id: UUID, student_id: UUID, school: Remembered, *, now: datetime
) -> bool:
    """Assess one student; False when that was not possible, or said nothing new.

    Not possible when the school has another card, other norms or other sources set aside than remembered. The
    school is held alone. Evidence of a day after the school's window moves the window for this student.
    """
    stored = one_student.read(driver, school_id, student_id, CATALOG_VERSION)
    if stored.mark != school.mark:
        return False
    assessment = assessed(student_id, stored.observables, school, now=now)
    return one_student.add(driver, school_id, assessment, stored.content_hash)


def assessed(
    student_id: UUID, observables: Sequence[Observable], school: Remembered, *, now: datetime
) -> Assessment:
    """One student with everything that is the school's as it is remembered."""
    counting: Mapping[UUID, Sequence[Observable]] = {student_id: observables}
    newest = end_of_window(counting)
    if school.aside:
        counting = without_set_aside(counting, school.classes, school.aside)
    as_of = school.frame.as_of if newest is None else max(school.frame.as_of, newest)
    frame = replace(school.frame, as_of=as_of, computed_at=now)
    return assess_school(counting, frame, school.severities).assessments[0]

"""Changes of all students of a school, slopes flat, and what their errors have in common: for `growth`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from sightline.domain.observables import Observable
from sightline.measurement.assess import Frame
from sightline.measurement.card import STATE
from sightline.measurement.items import items_of
from sightline.measurement.observations import Floats
from sightline.measurement.one_by_one import information, posterior, severity


@dataclass(frozen=True, slots=True)
class SchoolSlopes:
    """Posterior of N students' states (17: levels, changes, source terms) with flat slopes, in population SD.

    students: those with usable observables in the window; mean: N x 17; covariance: N x 17 x 17, with severity;
    severity_gain: N x 17 x R, -P b of each rater; severity_covariance: R x R, of the severities after the data.
    """

    students: tuple[UUID, ...]
    mean: Floats
    covariance: Floats
    severity_gain: Floats
    severity_covariance: Floats


def slopes_of_school(by_student: Mapping[UUID, Sequence[Observable]], frame: Frame) -> SchoolSlopes:
    """The flat-slope posterior of every student of whom the window holds anything that can be compared."""
    names = sorted({o.rater_id for seen in by_student.values() for o in seen if o.rater_id is not None})
    raters = {rater: i for i, rater in enumerate(names)}
    items = {
        student: items_of(
            by_student[student],
            indicators=frame.indicators,
            norms=frame.norms,
            raters=raters,
            as_of=frame.as_of,
            card=frame.card,
        )
        for student in sorted(by_student)
    }
    items = {student: found for student, found in items.items() if found.observables}
    told = {student: information(found, len(raters)) for student, found in items.items()}
    severities = severity(list(items.values()), list(told.values()), len(raters), frame.card)
    flat = [posterior(items[s], told[s], severities, frame.card.flat_slope_information, frame.card) for s in items]
    return SchoolSlopes(
        students=tuple(items),
        mean=np.array([p.mean for p in flat], dtype=np.float64).reshape(len(flat), STATE),
        covariance=np.array([p.covariance for p in flat], dtype=np.float64).reshape(len(flat), STATE, STATE),
        severity_gain=np.array([p.severity_gain for p in flat], dtype=np.float64).reshape(
            len(flat), STATE, len(raters)
        ),
        severity_covariance=np.asarray(severities.covariance, dtype=np.float64),
    )

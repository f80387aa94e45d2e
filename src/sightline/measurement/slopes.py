"""Changes of all students of a school, slopes flat, and what their errors have in common: for `growth`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from sightline.domain.observables import Observable
from sightline.measurement.assess import Frame
from sightline.measurement.items import items_of
from sightline.measurement.observations import Floats
from sightline.measurement.parameters import parameters_for
from sightline.measurement.posterior import gains_of_raters


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
    from sightline.measurement import kernel, robust  # noqa: PLC0415 - only who computes pays for numba

    items = items_of(
        by_student, indicators=frame.indicators, norms=frame.norms, as_of=frame.as_of, weeks=frame.card.weeks
    )
    parameters = parameters_for(frame.card, items.indicators, frame.norms)
    seen = items.observations
    solved = robust.solve_settled(seen, parameters, kernel).solved
    flat = kernel.posterior(
        solved.information, parameters, n_raters=seen.n_raters, flat_slopes=True, severity=solved.severity
    )
    there = np.flatnonzero(np.diff(items.starts))
    return SchoolSlopes(
        students=tuple(items.students[i] for i in there.tolist()),
        mean=flat.mean[there],
        covariance=flat.covariance[there],
        severity_gain=gains_of_raters(flat, seen.n_raters)[there],
        severity_covariance=solved.severity.covariance,
    )

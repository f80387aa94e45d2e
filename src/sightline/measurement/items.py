"""Observables of a school as the sorted arrays of `observations`, and the way back from a row to its
observable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import numpy as np

from sightline.domain.indicators import Indicator
from sightline.domain.observables import Observable
from sightline.measurement.norms import Norms, standardised
from sightline.measurement.observations import Index, Observations


@dataclass(frozen=True, slots=True)
class SchoolItems:
    """The n observables of N students that the model can use.

    observables: in the order of the rows: by student, sitting, indicator and observable; starts: where each
    student's rows begin (N + 1); indicators and raters: what the rows' numbers mean; students: in rising order,
    with those who have no observable.
    """

    students: tuple[UUID, ...]
    observables: tuple[Observable, ...]
    indicators: tuple[Indicator, ...]
    raters: tuple[UUID, ...]
    starts: Index
    observations: Observations


def time_in_window(at: datetime, as_of: datetime, weeks: float) -> float:
    """0 at the start of the window that ends at `as_of`, 1 at its end."""
    return 1.0 - (as_of - at) / timedelta(weeks=weeks)


def items_of(
    by_student: Mapping[UUID, Sequence[Observable]],
    *,
    indicators: Mapping[str, Indicator],
    norms: Norms,
    as_of: datetime,
    weeks: float,
) -> SchoolItems:
    """Arrays of the observables inside the window whose indicator has a norm; nothing else has a place in them."""
    students = tuple(sorted(by_student))
    names = tuple(sorted(norms.by_indicator.keys() & indicators.keys()))
    number = {name: j for j, name in enumerate(names)}
    span = timedelta(weeks=weeks)
    chosen: list[Observable] = []
    starts = [0]
    for student in students:
        named = (o for o in by_student[student] if o.indicator in number)
        chosen += sorted((o for o in named if 0.0 <= 1.0 - (as_of - o.at) / span <= 1.0), key=_place)
        starts.append(len(chosen))
    observables = tuple(chosen)
    raters = tuple(sorted({o.rater_id for o in observables if o.rater_id is not None}))
    rater_number: dict[UUID | None, int] = {rater: r for r, rater in enumerate(raters)}
    rater_number[None] = -1
    values = np.empty((len(observables), 2))
    for row, o in enumerate(observables):
        values[row] = standardised(o, indicators[o.indicator], norms.by_indicator[o.indicator])
    sitting = _sittings(observables, starts)
    return SchoolItems(
        students=students,
        observables=observables,
        indicators=tuple(indicators[name] for name in names),
        raters=raters,
        starts=np.array(starts, dtype=np.intp),
        observations=Observations(
            student=np.repeat(np.arange(len(students)), np.diff(starts)),
            sitting=sitting,
            indicator=np.array([number[o.indicator] for o in observables], dtype=np.intp),
            time=np.array([1.0 - (as_of - o.at) / span for o in observables], dtype=np.float64),
            y=values[:, 0].copy(),
            sampling_variance=values[:, 1].copy(),
            rater=np.array([rater_number[o.rater_id] for o in observables], dtype=np.intp),
            task=np.full(len(observables), -1, dtype=np.intp),
            n_students=len(students),
            n_sittings=int(sitting[-1]) + 1 if len(sitting) else 0,
            n_raters=len(raters),
            n_tasks=0,
        ),
    )


def _place(observable: Observable) -> tuple[int, str, int]:
    """Where an observable stands among a student's; UUIDs as numbers, which compare faster and in the same
    order.
    """
    return observable.sitting_id.int, observable.indicator, observable.observable_id.int


def _sittings(observables: Sequence[Observable], starts: Sequence[int]) -> Index:
    """Numbers of sittings, rising: a new one with every student and every sitting id."""
    numbers, last = [], -1
    for first, end in pairwise(starts):
        before = -1
        for observable in observables[first:end]:
            if observable.sitting_id.int != before:
                before, last = observable.sitting_id.int, last + 1
            numbers.append(last)
    return np.array(numbers, dtype=np.intp)

"""Transforms of observables, and their standardisation in the norming sample.

Proportions: y = asin sqrt((k + 3/8)/(n + 3/4)) with sampling variance 1/(4n + 2) (Anscombe 1948). Durations:
natural logarithm of seconds. Shares and rubric levels stay as they are. After that, y is standardised per
indicator over the norming sample and turned so that more is better.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sightline.domain.indicators import Indicator, Scale
from sightline.domain.observables import Measured, Observable

MINIMUM_STUDENTS = 10
"""Students who must show an indicator before it is compared at all; below, the mean's own error is above .3 SD."""

MINIMUM_SPREAD: Mapping[Scale, float] = {
    Scale.PROPORTION: 0.05,  # arcsine units: about 5 percentage points around one half
    Scale.SHARE: 0.05,  # of a share of 0 to 1
    Scale.DURATION: 0.10,  # log seconds: a tenth
    Scale.RUBRIC: 0.30,  # levels: one rating in ten differs by one level
}
"""SD (transformed units) below which an indicator tells nobody from anybody: divided by a smaller one, a single
cell that differs would become an extreme score. Judgements, not fitted numbers."""


@dataclass(frozen=True, slots=True)
class Norm:
    """Mean and SD of one indicator's transformed values in the norming sample."""

    mean: float
    spread: float
    students: int
    observables: int
    typical_sampling_variance: float


@dataclass(frozen=True, slots=True)
class Norms:
    """Norms of all indicators that had enough students and told them apart; the version names their content.

    all_alike: indicators that enough students showed, and all showed alike.
    """

    version: str
    by_indicator: Mapping[str, Norm]
    all_alike: frozenset[str] = frozenset()


def transformed(measured: Measured, scale: Scale) -> tuple[float, float]:
    """Value on the model's scale and its sampling variance there, before standardisation."""
    if scale is Scale.PROPORTION:
        n = float(measured.opportunities)
        k = measured.value * n
        exposure = n if measured.exposure is None else measured.exposure
        return math.asin(math.sqrt((k + 0.375) / (n + 0.75))), 1.0 / (4.0 * exposure + 2.0)
    if scale is Scale.DURATION:
        return math.log(measured.value), 0.0
    return measured.value, 0.0


def norms_of(observables: Iterable[Observable], indicators: Mapping[str, Indicator]) -> Norms:
    """Norms over the given sample, students weighted alike however many sittings they have.

    An indicator shown by fewer than MINIMUM_STUDENTS, or that does not vary, gets no norm: its observables
    wait, and are shown as waiting.
    """
    values: dict[str, dict[UUID, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for observable in observables:
        pair = transformed(observable.measured, indicators[observable.indicator].scale)
        values[observable.indicator][observable.student_id].append(pair)
    norms: dict[str, Norm] = {}
    all_alike: set[str] = set()
    for name in sorted(values):
        if len(values[name]) < MINIMUM_STUDENTS:
            continue
        norm = _norm(values[name], MINIMUM_SPREAD[indicators[name].scale])
        if norm is None:
            all_alike.add(name)
        else:
            norms[name] = norm
    text = repr((list(norms.items()), sorted(all_alike)))
    return Norms(
        version=hashlib.sha256(text.encode()).hexdigest()[:16], by_indicator=norms, all_alike=frozenset(all_alike)
    )


def _norm(by_student: Mapping[UUID, list[tuple[float, float]]], minimum_spread: float) -> Norm | None:
    """None when all are alike."""
    weighted = [
        (value, variance, 1.0 / len(pairs))
        for _, pairs in sorted(by_student.items())
        for value, variance in sorted(pairs)
    ]
    total = math.fsum(weight for _, _, weight in weighted)
    mean = math.fsum(value * weight for value, _, weight in weighted) / total
    variance = math.fsum((value - mean) ** 2 * weight for value, _, weight in weighted) / total
    spread = math.sqrt(variance)
    if spread < minimum_spread:
        return None
    return Norm(
        mean=mean,
        spread=spread,
        students=len(by_student),
        observables=len(weighted),
        typical_sampling_variance=math.fsum(v * w for _, v, w in weighted) / total / variance,
    )


def standardised(observable: Observable, indicator: Indicator, norm: Norm) -> tuple[float, float]:
    """Value in SD of the norming sample, more is better, and its error variance beyond the model's residual.

    The error is the sampling variance of the value plus that of the norm's own mean.
    """
    value, variance = transformed(observable.measured, indicator.scale)
    y = indicator.direction * (value - norm.mean) / norm.spread
    return y, variance / norm.spread**2 + 1.0 / norm.students

"""Observables of one student as arrays: design rows, residuals, error variances, sittings, raters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sightline.domain.indicators import Indicator
from sightline.domain.observables import Observable
from sightline.domain.skills import SKILLS, SOURCES
from sightline.measurement.card import N_SKILLS, STATE, Array, Card
from sightline.measurement.norms import Norm, Norms, standardised

SKILL_AXIS = {skill: axis for axis, skill in enumerate(SKILLS)}
SOURCE_AXIS = {source: axis for axis, source in enumerate(SOURCES)}


@dataclass(frozen=True, slots=True)
class Items:
    """n observables of one student that the model can use, sorted by sitting.

    design: n x 17, three non-zeros a row (five with time: level, change, source); residual: y - c - h'mu0;
    variance: s2/w; sitting: index of the sitting, from 0; sitting_variance: om2 of each sitting;
    rater: index into `raters`, -1 without one.
    """

    observables: tuple[Observable, ...]
    skill: NDArray[np.intp]
    design: Array
    residual: Array
    variance: Array
    sitting: NDArray[np.intp]
    sitting_variance: Array
    rater: NDArray[np.intp]


def time_in_window(at: datetime, as_of: datetime, weeks: float) -> float:
    """0 at the start of the window that ends at `as_of`, 1 at its end."""
    return 1.0 - (as_of - at) / timedelta(weeks=weeks)


def usable(observables: Sequence[Observable], norms: Norms, as_of: datetime, card: Card) -> list[Observable]:
    """Those inside the window whose indicator has a norm, in the order in which the arrays keep them."""
    chosen = [
        o
        for o in observables
        if o.indicator in norms.by_indicator and 0.0 <= time_in_window(o.at, as_of, card.weeks) <= 1.0
    ]
    return sorted(chosen, key=lambda o: (o.sitting_id, o.indicator, o.observable_id))


def design_row(indicator: Indicator, t: float, card: Card) -> Array:
    """H of equation (1): loading on the level, on the change by time t, and on the source's own term."""
    row = np.zeros(STATE)
    axis = SKILL_AXIS[indicator.skill]
    row[axis] = card.lam[indicator.source]
    row[N_SKILLS + axis] = card.lam[indicator.source] * t
    row[2 * N_SKILLS + SOURCE_AXIS[indicator.source]] = card.gam[indicator.source]
    return row


def residual_variance(indicator: Indicator, norm: Norm, card: Card) -> float:
    """s2 of a standardised indicator: what is left of 1 after the model's terms and the typical sampling error."""
    left = card.residual_variance(indicator.source) - norm.typical_sampling_variance
    return max(left, card.minimum_residual)


def items_of(
    observables: Sequence[Observable],
    *,
    indicators: Mapping[str, Indicator],
    norms: Norms,
    raters: Mapping[UUID, int],
    as_of: datetime,
    card: Card,
) -> Items:
    """Arrays of one student's usable observables."""
    chosen = usable(observables, norms, as_of, card)
    n = len(chosen)
    design = np.zeros((n, STATE))
    y = np.zeros(n)
    variance = np.zeros(n)
    skill = np.zeros(n, dtype=np.intp)
    rater = np.full(n, -1, dtype=np.intp)
    sittings = {sitting: i for i, sitting in enumerate(dict.fromkeys(o.sitting_id for o in chosen))}
    sitting_variance = np.zeros(len(sittings))
    for i, observable in enumerate(chosen):
        indicator = indicators[observable.indicator]
        norm = norms.by_indicator[observable.indicator]
        y[i], extra = standardised(observable, indicator, norm)
        variance[i] = residual_variance(indicator, norm, card) + extra
        design[i] = design_row(indicator, time_in_window(observable.at, as_of, card.weeks), card)
        skill[i] = SKILL_AXIS[indicator.skill]
        sitting_variance[sittings[observable.sitting_id]] = card.om2[indicator.source]
        if observable.rater_id is not None:
            rater[i] = raters[observable.rater_id]
    return Items(
        observables=tuple(chosen),
        skill=skill,
        design=design,
        residual=y - design @ card.prior_mean,
        variance=variance,
        sitting=np.array([sittings[o.sitting_id] for o in chosen], dtype=np.intp),
        sitting_variance=sitting_variance,
        rater=rater,
    )

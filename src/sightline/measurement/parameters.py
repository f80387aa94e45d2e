"""From a card to the parameters of equation (1), for the indicators and tasks of the observations at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightline.domain.indicators import Indicator
from sightline.domain.skills import SKILLS, SOURCES
from sightline.errors import CardInvalid
from sightline.measurement.card import Card
from sightline.measurement.norms import Norm, Norms
from sightline.measurement.observations import Parameters

SKILL_AXIS = {skill: axis for axis, skill in enumerate(SKILLS)}
SOURCE_AXIS = {source: axis for axis, source in enumerate(SOURCES)}

ASSUMED_KAP2 = 0.40**2
"""Variance of tasks' difficulty where none was fitted: the prior SD of .40 in the measurement model."""


@dataclass(frozen=True, slots=True)
class Loadings:
    """One indicator's numbers under a card."""

    c: float
    lam: float
    gam: float
    s2: float


def residual_variance(indicator: Indicator, norm: Norm | None, card: Card) -> float:
    """s2 of a standardised indicator: what is left of 1 after the model's terms and the typical sampling error."""
    left = card.residual_variance(indicator.source)
    if norm is not None:
        left -= norm.typical_sampling_variance
    return max(left, card.minimum_residual)


def loadings_of(indicator: Indicator, norm: Norm | None, card: Card) -> Loadings:
    """By source from a literature card, by name from a fitted one. Raises CardInvalid when it has no such name."""
    if card.learned is None:
        source = indicator.source
        return Loadings(0.0, card.lam[source], card.gam[source], residual_variance(indicator, norm, card))
    found = card.learned.indicators.get(indicator.name)
    if found is None or (found.skill, found.source) != (indicator.skill, indicator.source):
        raise CardInvalid(
            f"the card {card.version} was not fitted with the indicator {indicator.name} as it is now: leave it "
            "out, or fit again"
        )
    return Loadings(found.c, found.lam, found.gam, found.s2)


def parameters_for(
    card: Card, indicators: Sequence[Indicator], norms: Norms | None = None, tasks: Sequence[str] = ()
) -> Parameters:
    """Parameters in the order of the indicators and tasks given.

    `norms` are those that the observations are standardised with: a literature card takes the typical sampling
    error out of the residual variance; a fitted card does not need them. A task that the card does not know has
    no difficulty (not a number), and its observations carry the variance of tasks. Raises CardInvalid when a
    fitted card lacks an indicator.
    """
    found = [
        loadings_of(indicator, None if norms is None else norms.by_indicator.get(indicator.name), card)
        for indicator in indicators
    ]
    learned = card.learned
    om2 = card.om2 if learned is None else learned.om2
    known = {} if learned is None else learned.tasks
    return Parameters(
        skill=np.array([SKILL_AXIS[indicator.skill] for indicator in indicators], dtype=np.intp),
        source=np.array([SOURCE_AXIS[indicator.source] for indicator in indicators], dtype=np.intp),
        c=np.array([one.c for one in found]),
        lam=np.array([one.lam for one in found]),
        gam=np.array([one.gam for one in found]),
        s2=np.array([one.s2 for one in found]),
        om2=np.array([om2[source] for source in SOURCES]),
        tau2=card.tau2 if learned is None else learned.tau2,
        kap2=ASSUMED_KAP2 if learned is None else learned.kap2,
        difficulty=np.array([known.get(task, np.nan) for task in tasks], dtype=np.float64),
        sigma=card.sigma,
        mu_beta=card.mu_beta,
        nu=np.inf if learned is None else learned.nu,
    )

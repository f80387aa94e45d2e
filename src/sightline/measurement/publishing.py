"""From a fit to what its card holds: each indicator's numbers with their errors, and what they were fitted on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sightline.domain.indicators import Indicator
from sightline.domain.skills import SOURCES
from sightline.measurement.contributions import LEVELS_NOW
from sightline.measurement.fitting import Fitted
from sightline.measurement.learned import Learned, LearnedFrom, LearnedIndicator
from sightline.measurement.norms import Norms
from sightline.measurement.observations import Floats, Observations

ERRORS_OF = ("c", "lam", "gam")
"""Parameters of an indicator whose standard errors a fit knows, in the order of its columns."""

TARGETS: Floats = np.stack([target.weights for target in LEVELS_NOW])
"""The seven levels at the end of the window as rows (7 x 17)."""


def parameter_error(fitted: Fitted, inflation: Floats) -> float:
    """What the parameters' own errors add to a variance, as a share of what the evidence took from it.

    inflation: variance of each student's state over refits (N x 17 x 17). One share for all: the sum over students
    and levels of what is added, over the sum of what the evidence took.
    """
    solved, parameters = fitted.solved, fitted.parameters
    before = np.einsum("ti,ij,tj->t", TARGETS, parameters.prior_covariance, TARGETS)
    known = np.einsum("ti,nij,tj->nt", TARGETS, solved.covariance, TARGETS, optimize=True)
    added = np.einsum("ti,nij,tj->nt", TARGETS, inflation, TARGETS, optimize=True)
    return float(added.sum() / (before - known).sum())


def learned_from(
    fitted: Fitted,
    observations: Observations,
    indicators: Sequence[Indicator],
    norms: Norms,
    origin: LearnedFrom,
    *,
    added: float = 0.0,
) -> Learned:
    """The fitted part of a card for the J indicators in their order; `added` is their `parameter_error`.

    What was held at its prior has no errors. Norms are those that the observations were standardised with.
    """
    found, held = fitted.parameters, fitted.held
    together = np.unique(found.source[observations.indicator])
    learned_gam = {
        source
        for s, source in enumerate(SOURCES)
        if s in together and not (held.gam | held.indicator)[found.source == s].all()
    }
    return Learned(
        origin=origin,
        indicators={
            indicator.name: LearnedIndicator(
                skill=indicator.skill,
                source=indicator.source,
                c=float(found.c[j]),
                lam=float(found.lam[j]),
                gam=float(found.gam[j]),
                s2=float(found.s2[j]),
                norm=norms.by_indicator[indicator.name],
                errors={
                    name: float(error)
                    for name, error in zip(ERRORS_OF, fitted.standard_errors[j], strict=True)
                    if math.isfinite(error)
                },
            )
            for j, indicator in enumerate(indicators)
        },
        om2={source: float(found.om2[s]) for s, source in enumerate(SOURCES)},
        tau2=float(found.tau2),
        kap2=float(found.kap2),
        tasks={},
        sigma=found.sigma,
        mu_beta=found.mu_beta,
        nu=float(found.nu),
        gam_learned=frozenset(learned_gam),
        parameter_error=added,
    )

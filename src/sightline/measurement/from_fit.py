"""What a fit found, as the fitted part of a parameter card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sightline.domain.skills import SKILLS, SOURCES
from sightline.measurement.bootstrap import Refits
from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.fitting import Fitted
from sightline.measurement.learned import Learned, LearnedFrom, LearnedIndicator
from sightline.measurement.norms import Norm
from sightline.measurement.observations import Observations

SIGNIFICANT = 6
"""Digits that a card keeps of a fitted number: a tenth of a thousandth of its standard error, and readable."""


def learned_from(
    fitted: Fitted,
    *,
    origin: LearnedFrom,
    names: Sequence[str],
    norms: Mapping[str, Norm],
    tasks: Sequence[str] = (),
    parameter_error: float = 0.0,
) -> Learned:
    """The card's part from a fit, its J indicators and Q tasks named in order; `norms` by the indicators' names.

    Indicators that kept their priors are in it, without standard errors. `parameter_error` is that of the refits.
    """
    p, held = fitted.parameters, fitted.held
    indicators = {}
    for j, name in enumerate(names):
        errors = dict(zip(("lam", "gam"), fitted.standard_errors[j].tolist(), strict=True))
        indicators[name] = LearnedIndicator(
            skill=SKILLS[p.skill[j]],
            source=SOURCES[p.source[j]],
            c=_rounded(p.c[j]),
            lam=_rounded(p.lam[j]),
            gam=_rounded(p.gam[j]),
            s2=_rounded(p.s2[j]),
            norm=norms[name],
            errors={key: _rounded(value) for key, value in errors.items() if np.isfinite(value)},
        )
    learned = {SOURCES[s] for s in p.source[~(held.indicator | held.gam)]}
    return Learned(
        origin=origin,
        indicators=indicators,
        om2={source: _rounded(p.om2[axis]) for axis, source in enumerate(SOURCES)},
        tau2=_rounded(p.tau2),
        kap2=_rounded(p.kap2),
        tasks={task: _rounded(value) for task, value in zip(tasks, p.difficulty, strict=True)},
        sigma=np.vectorize(_rounded)(p.sigma),
        mu_beta=np.vectorize(_rounded)(p.mu_beta),
        nu=p.nu if np.isinf(p.nu) else _rounded(p.nu),
        gam_learned=frozenset(learned),
        parameter_error=parameter_error,
    )


def parameter_error(fitted: Fitted, refits: Refits, observations: Observations) -> float:
    """What the parameters' own errors add to a variance, as a share of what the evidence took from it.

    Over all students and skills at the end of the window: mean of Var_b over mean of C0 - P. So a student who was
    not in the fit gets his part, in proportion to what his estimate owes to the parameters.
    """
    target = np.zeros((N_SKILLS, STATE))
    axes = np.arange(N_SKILLS)
    target[axes, axes] = target[axes, N_SKILLS + axes] = 1.0
    added = np.einsum("ka,nab,kb->", target, refits.inflation(observations), target)
    known = np.einsum("ka,nab,kb->", target, fitted.solved.covariance, target)
    before = observations.n_students * np.einsum("ka,ab,kb->", target, fitted.parameters.prior_covariance, target)
    return _rounded(float(added / (before - known)))


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT}g}")

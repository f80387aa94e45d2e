"""Sigma and mu_beta, and the scales and origins that are not free.

The scale and the origin of the skills are not free: after every step the variance of each level is 1 again and its
mean 0, and what was moved goes into loadings and intercepts, so that no prediction changes (parameter expansion,
Liu, Rubin and Wu 1998). This is also what makes the steps large.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sightline.measurement.card import N_SKILLS, N_SOURCES
from sightline.measurement.enough import Flags, Held
from sightline.measurement.expectation import DRIFT, EXPLAINED, Moments
from sightline.measurement.observations import Floats, Parameters
from sightline.measurement.posterior import Solved
from sightline.measurement.priors import CHANGES, LATENT, Priors


def with_states(
    found: Moments, solved: Solved, old: Parameters, new: Parameters, priors: Priors, held: Held
) -> Parameters:
    """The new parameters with Sigma and mu_beta too; `found` and `solved` came from the old ones."""
    deviation = solved.mean - old.prior_mean
    students = len(deviation)
    mean = deviation.mean(axis=0)
    scatter = deviation.T @ deviation / students + solved.covariance.mean(axis=0) - np.outer(mean, mean)
    root = np.sqrt(np.diag(scatter))
    free = ~held.indicator
    loads = free & ~held.gam
    scale = np.ones(N_SKILLS + N_SOURCES)
    for k in range(N_SKILLS):
        own = free & (new.skill == k)
        scale[k] = _scale(
            root[k], students, new.lam[own], priors.lam[new.source[own]], priors.lam_sd[new.source[own]]
        )
    for s in range(N_SOURCES):
        own = loads & (new.source == s)
        at = N_SKILLS + s
        scale[at] = _scale(
            root[LATENT + s], students, new.gam[own], priors.gam[new.source[own]], priors.gam_sd[new.source[own]]
        )
    # a skill that no indicator looks at (communication in games) keeps its prior: nothing would hold it back
    looked_at = np.bincount(new.skill[free], minlength=N_SKILLS) > 0
    further = np.where(looked_at, _stretch(found, old, new, priors), 1.0)
    stretch = np.concatenate([1.0 / scale[:N_SKILLS], further / scale[:N_SKILLS]])
    unit = np.concatenate([1.0 / root[:N_SKILLS], stretch[CHANGES]])
    sigma = students * scatter[:LATENT, :LATENT] * np.outer(unit, unit) + priors.sigma_df * priors.sigma
    c = np.where(free, new.c + new.lam * mean[new.skill] + new.gam * mean[LATENT + new.source], new.c)
    return replace(
        new,
        c=c,
        lam=np.where(free, new.lam * scale[new.skill], new.lam),
        gam=np.where(loads, new.gam * scale[N_SKILLS + new.source], new.gam),
        sigma=sigma / (students + priors.sigma_df),
        mu_beta=(old.mu_beta + _step_of_changes(found, solved, old, replace(new, c=c), looked_at))
        * stretch[CHANGES],
    )


def _stretch(found: Moments, old: Parameters, new: Parameters, priors: Priors) -> Floats:
    """Factor of each skill's changes (7): how much further items moved over the window than the states say.

    An expansion, too: the variance of changes, of which items say little, would else take hundreds of rounds.
    """
    drift = found.of_items[:, :, DRIFT]
    value = found.of_items[:, EXPLAINED, DRIFT]
    gradient = new.lam * (value - new.c * drift[:, 0] - new.lam * drift[:, 1] - new.gam * drift[:, 2])
    information = new.lam**2 * drift[:, DRIFT]
    pulled = np.diag(np.linalg.solve(old.sigma, priors.sigma))[CHANGES] - 1.0
    upward = np.bincount(new.skill, gradient, minlength=N_SKILLS) + priors.sigma_df * pulled
    firmness = np.bincount(new.skill, information, minlength=N_SKILLS) + 2.0 * priors.sigma_df
    return 1.0 + upward / firmness


def _scale(root: float, students: int, loading: Floats, expected: Floats, sd: Floats) -> float:
    """SD that a level is to be divided by, the prior of the loadings that it goes into considered.

    One Newton step from the expected SD in its logarithm; 1 when no loading is free to take it up.
    """
    if len(loading) == 0:
        return 1.0
    scaled = loading * root
    gradient = -np.sum(scaled * (scaled - expected) / sd**2)
    curvature = 2.0 * students + np.sum(scaled**2 / sd**2)
    return float(root * np.exp(gradient / curvature))


def _step_of_changes(found: Moments, solved: Solved, old: Parameters, new: Parameters, looked_at: Flags) -> Floats:
    """Newton's step of mu_beta (7), after the new intercepts and difficulties; EM's own is a small part of it.

    0 for skills that no indicator looks at (7).
    """
    information = np.linalg.inv(old.prior_covariance)
    total = (solved.mean - old.prior_mean).sum(axis=0) - (new.c - old.c) @ found.moves
    total -= (new.difficulty - old.difficulty) @ found.task_moves
    spread = information @ solved.covariance.sum(axis=0) @ information
    curvature = (len(solved.mean) * information - spread)[CHANGES, CHANGES]
    step = np.zeros(N_SKILLS)
    step[looked_at] = np.linalg.solve(
        curvature[np.ix_(looked_at, looked_at)], (total @ information)[CHANGES][looked_at]
    )
    return step

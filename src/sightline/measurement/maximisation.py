"""The M-step: parameters from expected moments, in closed form, with priors.

The scale and the origin of the skills are not free: after every step the variance of each level is 1 again and its
mean 0, and what was moved goes into loadings and intercepts, so that no prediction changes (parameter expansion,
Liu, Rubin and Wu 1998). This is also what makes the steps large.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sightline.measurement.card import N_SKILLS, N_SOURCES
from sightline.measurement.enough import Flags, Held
from sightline.measurement.expectation import Moments
from sightline.measurement.observations import Floats, Index, Observations, Parameters
from sightline.measurement.posterior import Solved

BETA = slice(N_SKILLS, 2 * N_SKILLS)
LATENT = 2 * N_SKILLS
WEEKS = 8.0
"""Length of window that the prior SD of a change belongs to."""


@dataclass(frozen=True, slots=True)
class Priors:
    """Normal priors of loadings, and variances that count as so many observations of their own kind.

    lam, lam_sd, gam, gam_sd: by source (3); c_sd: of intercepts, in SD of the standardised indicator; om2 (3), tau2,
    kap2: expected variances, each worth `variance_weight` sittings, raters or tasks; s2 follows from the others and
    is worth as many items; sigma: expected covariance of levels and changes (14 x 14), worth sigma_df students;
    minimum_residual: floor of s2.
    """

    lam: Floats
    lam_sd: Floats
    gam: Floats
    gam_sd: Floats
    om2: Floats
    tau2: float
    kap2: float
    sigma: Floats
    sigma_df: float
    c_sd: float = 1.0
    variance_weight: float = 5.0
    minimum_residual: float = 0.05


def literature_priors(students: int, weeks: float = WEEKS) -> Priors:
    """The model's published priors for so many students and a window of so many weeks.

    The covariance of 14 states needs a firmer prior when there are few students: 10 students' worth from 500 on, 75
    below. The SD of a change grows with the window's length.
    """
    among = np.full((N_SKILLS, N_SKILLS), 0.45) + 0.55 * np.eye(N_SKILLS)
    sigma = np.zeros((LATENT, LATENT))
    sigma[:N_SKILLS, :N_SKILLS] = among
    sigma[BETA, BETA] = (0.25 * weeks / WEEKS) ** 2 * among
    return Priors(
        lam=np.array([0.40, 0.40, 0.65]),
        lam_sd=np.full(N_SOURCES, 0.15),
        gam=np.array([0.30, 0.30, 0.40]),
        gam_sd=np.full(N_SOURCES, 0.15),
        om2=np.array([0.07, 0.07, 0.04]),
        tau2=0.40**2,
        kap2=0.40**2,
        sigma=sigma,
        sigma_df=10.0 if students >= 500 else 75.0,  # noqa: PLR2004 - said above
    )


def at_priors(skill: Index, source: Index, priors: Priors, n_tasks: int) -> Parameters:
    """Parameters at the priors' means: where the search starts, and what a held indicator keeps."""
    return Parameters(
        skill=skill,
        source=source,
        c=np.zeros(len(skill)),
        lam=priors.lam[source],
        gam=priors.gam[source],
        s2=_left_of_one(source, priors),
        om2=priors.om2,
        tau2=priors.tau2,
        kap2=priors.kap2,
        difficulty=np.zeros(n_tasks),
        sigma=priors.sigma,
        mu_beta=np.zeros(N_SKILLS),
    )


def _left_of_one(source: Index, priors: Priors) -> Floats:
    """s2 that is left of a variance of 1 by the other terms (J)."""
    explained = priors.lam[source] ** 2 + priors.gam[source] ** 2 + priors.om2[source]
    return np.maximum(1.0 - explained, priors.minimum_residual)


def maximised(
    found: Moments, solved: Solved, parameters: Parameters, priors: Priors, held: Held, observations: Observations
) -> Parameters:
    """The next parameters. The caller has `found` and `solved` from these parameters and observations."""
    loadings = _loadings(found, parameters, priors, held)
    s2 = _residual_variances(found, loadings, parameters, priors, held)
    changed = replace(parameters, c=loadings[:, 0], lam=loadings[:, 1], gam=loadings[:, 2], s2=s2)
    changed = _tasks(found, parameters, changed, priors, observations)
    changed = _severities(solved, changed, priors, observations)
    om2 = (found.sitting_square + priors.variance_weight * priors.om2) / (found.sittings + priors.variance_weight)
    return _states(solved, replace(changed, om2=om2), priors, held)


def precision_of_priors(parameters: Parameters, priors: Priors) -> Floats:
    """Prior precision of (c, lam, gam) of each indicator (J x 3)."""
    source = parameters.source
    sd = np.stack([np.full(len(source), priors.c_sd), priors.lam_sd[source], priors.gam_sd[source]], axis=1)
    return 1.0 / sd**2


def expected_loadings(parameters: Parameters, priors: Priors) -> Floats:
    """Prior mean of (c, lam, gam) of each indicator (J x 3)."""
    source = parameters.source
    return np.stack([np.zeros(len(source)), priors.lam[source], priors.gam[source]], axis=1)


def expected_residual(parameters: Parameters, priors: Priors) -> Floats:
    """Prior mean of s2 of each indicator (J)."""
    return _left_of_one(parameters.source, priors)


def _loadings(found: Moments, parameters: Parameters, priors: Priors, held: Held) -> Floats:
    """(c, lam, gam) of each indicator (J x 3): a ridge system each; lam that comes out negative is 0."""
    old = np.stack([parameters.c, parameters.lam, parameters.gam], axis=1)
    precision = precision_of_priors(parameters, priors)
    expected = expected_loadings(parameters, priors)
    new = old.copy()
    for j in np.flatnonzero(~held.indicator):
        among = found.of_items[j] + np.triu(found.of_items[j], 1).T
        left = among[:3, :3] + np.diag(precision[j])
        right = among[:3, 3] + precision[j] * expected[j]
        free = np.array([True, True, not held.gam[j]])
        new[j] = _solved_for(left, right, free, old[j])
        if new[j, 1] < 0.0:
            free[1] = False
            new[j] = _solved_for(left, right, free, np.where(free, old[j], [0.0, 0.0, old[j, 2]]))
    return new


def _solved_for(left: Floats, right: Floats, free: Flags, fixed: Floats) -> Floats:
    """Solution of the linear system in the free unknowns, the others as they are."""
    solution = fixed.copy()
    given = right[free] - left[np.ix_(free, ~free)] @ fixed[~free]
    solution[free] = np.linalg.solve(left[np.ix_(free, free)], given)
    return solution


def _residual_variances(
    found: Moments, loadings: Floats, parameters: Parameters, priors: Priors, held: Held
) -> Floats:
    """s2 by one step of scoring in the expected likelihood of errors of variance s2 + v.

    With one v for all items of an indicator this is its maximum: the expected square less v.
    """
    weights = np.concatenate([-loadings, np.ones((len(loadings), 1))], axis=1)
    among = found.squared + np.transpose(np.triu(found.squared, 1), (0, 2, 1))
    square = np.einsum("ja,jab,jb->j", weights, among, weights)
    expected = expected_residual(parameters, priors)
    worth = priors.variance_weight / expected**2
    step = square - found.precisions[:, 0] + worth * (expected - parameters.s2)
    s2 = parameters.s2 + step / (found.precisions[:, 1] + worth)
    return np.where(held.indicator, parameters.s2, np.maximum(s2, priors.minimum_residual))


def _tasks(
    found: Moments, old: Parameters, new: Parameters, priors: Priors, observations: Observations
) -> Parameters:
    """Difficulties, shrunken to 0, after the change in the loadings; their mean goes into the intercepts."""
    if observations.n_tasks == 0:
        return new
    moved = np.stack([new.c - old.c, new.lam - old.lam, new.gam - old.gam], axis=1)
    gradient = found.task_gradient - np.einsum("qja,ja->q", found.task_items, moved)
    information = found.task_items[:, :, 0].sum(axis=1) + 1.0 / old.kap2
    difficulty = old.difficulty + (gradient - old.difficulty / old.kap2) / information
    c, difficulty = _centred(new.c, difficulty, always(observations.task, observations, len(new.c)))
    expected = np.sum(difficulty**2 + 1.0 / information)
    kap2 = (expected + priors.variance_weight * priors.kap2) / (len(difficulty) + priors.variance_weight)
    return replace(new, c=c, difficulty=difficulty, kap2=float(kap2))


def _severities(solved: Solved, new: Parameters, priors: Priors, observations: Observations) -> Parameters:
    """tau2; the severities' mean goes into the intercepts of what is rated, so that they sum to 0."""
    if observations.n_raters == 0:
        return new
    rated = always(observations.rater, observations, len(new.c))
    c, severity = _centred(new.c, solved.severity.mean, rated)
    square = np.sum(severity**2 + np.diag(solved.severity.covariance))
    tau2 = (square + priors.variance_weight * priors.tau2) / (len(severity) + priors.variance_weight)
    return replace(new, c=c, tau2=float(tau2))


def always(label: Index, observations: Observations, many: int) -> Flags:
    """Indicators (J) of which every item has a label; all false when an indicator has some of both."""
    labelled = np.bincount(observations.indicator[label >= 0], minlength=many)
    shown = np.bincount(observations.indicator, minlength=many)
    if np.any((labelled > 0) & (labelled < shown)):
        return np.zeros(many, dtype=bool)
    return (labelled > 0) & (labelled == shown)


def _centred(c: Floats, effects: Floats, where: Flags) -> tuple[Floats, Floats]:
    """Intercepts and effects with the effects' mean moved into the intercepts that always go with one."""
    if not np.any(where):
        return c, effects
    mean = effects.mean()
    return c + mean * where, effects - mean


def _states(solved: Solved, new: Parameters, priors: Priors, held: Held) -> Parameters:
    """Sigma and mu_beta, and the origin and scale of levels and source terms moved into the loadings."""
    deviation = solved.mean - new.prior_mean
    students = len(deviation)
    mean = deviation.mean(axis=0)
    scatter = deviation.T @ deviation / students + solved.covariance.mean(axis=0) - np.outer(mean, mean)
    root = np.sqrt(np.diag(scatter))
    scale = np.concatenate([root[:N_SKILLS], root[LATENT:]])
    free = ~held.indicator
    for k in range(N_SKILLS):
        own = free & (new.skill == k)
        scale[k] = _scale(scale[k], students, new.lam[own], priors.lam[new.source[own]], priors.lam_sd[new.source[own]])
    for s in range(N_SOURCES):
        own = free & ~held.gam & (new.source == s)
        at = N_SKILLS + s
        scale[at] = _scale(scale[at], students, new.gam[own], priors.gam[new.source[own]], priors.gam_sd[new.source[own]])
    both = np.concatenate([scale[:N_SKILLS], scale[:N_SKILLS]])
    own = scatter[:LATENT, :LATENT] / np.outer(both, both)
    sigma = (students * own + priors.sigma_df * priors.sigma) / (students + priors.sigma_df)
    unit = np.ones(LATENT)
    unit[:N_SKILLS] = np.sqrt(np.diag(sigma)[:N_SKILLS])
    c = new.c + new.lam * mean[new.skill] + new.gam * mean[LATENT + new.source]
    return replace(
        new,
        c=np.where(free, c, new.c),
        lam=np.where(free, new.lam * scale[new.skill], new.lam),
        gam=np.where(free & ~held.gam, new.gam * scale[N_SKILLS + new.source], new.gam),
        sigma=sigma / np.outer(unit, unit),
        mu_beta=(new.mu_beta + _step_of_changes(solved, new)) / scale[:N_SKILLS],
    )


def _scale(root: float, students: int, loading: Floats, expected: Floats, sd: Floats) -> float:
    """SD that a level is to be divided by, the prior of the loadings that it goes into considered.

    One Newton step from the expected SD in its logarithm.
    """
    scaled = loading * root
    gradient = -np.sum(scaled * (scaled - expected) / sd**2)
    curvature = 2.0 * students + np.sum(scaled**2 / sd**2)
    if len(loading) == 0:
        return 1.0
    return float(root * np.exp(gradient / curvature))


def _step_of_changes(solved: Solved, parameters: Parameters) -> Floats:
    """Newton's step of mu_beta (7); that of plain EM is a small part of it."""
    information = np.linalg.inv(parameters.prior_covariance)
    deviation = solved.mean - parameters.prior_mean
    gradient = (deviation.sum(axis=0) @ information)[BETA]
    spread = information @ solved.covariance.sum(axis=0) @ information
    curvature = (len(deviation) * information - spread)[BETA, BETA]
    return np.linalg.solve(curvature, gradient)

"""The M-step: parameters from expected moments, in closed form, with priors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sightline.measurement.enough import Flags, Held
from sightline.measurement.expectation import DRIFT, Moments
from sightline.measurement.observations import Floats, Index, Observations, Parameters
from sightline.measurement.posterior import Solved
from sightline.measurement.priors import Priors, expected_loadings, expected_residual, precision_of_priors
from sightline.measurement.rescaling import with_states
from sightline.measurement.student_t import scale_share, squares


def maximised(
    found: Moments, solved: Solved, parameters: Parameters, priors: Priors, held: Held, observations: Observations
) -> Parameters:
    """The next parameters. The caller has `found` and `solved` from these parameters and observations."""
    loadings = _loadings(found, parameters, priors, held)
    s2 = _residual_variances(found, loadings, parameters, priors, held, observations)
    changed = replace(parameters, c=loadings[:, 0], lam=loadings[:, 1], gam=loadings[:, 2], s2=s2)
    changed = _tasks(found, parameters, changed, priors, held, observations)
    changed = _severities(solved, changed, priors, held, observations)
    om2 = (found.sitting_square + priors.variance_weight * priors.om2) / (found.sittings + priors.variance_weight)
    return with_states(found, solved, parameters, replace(changed, om2=om2), priors, held)


def _loadings(found: Moments, parameters: Parameters, priors: Priors, held: Held) -> Floats:
    """(c, lam, gam) of each indicator (J x 3): a ridge system each; lam that comes out negative is 0."""
    old = np.stack([parameters.c, parameters.lam, parameters.gam], axis=1)
    precision = precision_of_priors(parameters, priors)
    expected = expected_loadings(parameters, priors)
    new = old.copy()
    for j in np.flatnonzero(~held.indicator):
        among = found.of_items[j, :DRIFT, :DRIFT] + np.triu(found.of_items[j, :DRIFT, :DRIFT], 1).T
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
    found: Moments,
    loadings: Floats,
    parameters: Parameters,
    priors: Priors,
    held: Held,
    observations: Observations,
) -> Floats:
    """s2 by one step of scoring in the expected likelihood of errors of variance s2 + v, after the new loadings.

    With normal errors and one v for all items of an indicator this is its maximum: the expected square less v.
    """
    variance = parameters.s2[observations.indicator] + observations.sampling_variance
    square = squares(found.error, found.spread, variance, parameters.nu) / variance**2
    among = found.squared + np.transpose(np.triu(found.squared, 1), (0, 2, 1))
    one = np.ones(len(loadings))
    after = np.column_stack([-loadings, one])
    before = np.column_stack([-parameters.c, -parameters.lam, -parameters.gam, one])
    by_indicator = np.bincount(observations.indicator, square, minlength=len(one))
    by_indicator += np.einsum("ja,jab,jb->j", after, among, after) - np.einsum(
        "ja,jab,jb->j", before, among, before
    )
    expected = expected_residual(parameters, priors)
    worth = priors.variance_weight / expected**2
    step = by_indicator - found.precisions[:, 0] + worth * (expected - parameters.s2)
    s2 = parameters.s2 + step / (scale_share(parameters.nu) * found.precisions[:, 1] + worth)
    return np.where(held.indicator, parameters.s2, np.maximum(s2, priors.minimum_residual))


def _tasks(
    found: Moments, old: Parameters, new: Parameters, priors: Priors, held: Held, observations: Observations
) -> Parameters:
    """Difficulties, shrunken to 0, after the change in the loadings; their mean goes into the intercepts."""
    if observations.n_tasks == 0:
        return new
    moved = np.stack([new.c - old.c, new.lam - old.lam, new.gam - old.gam], axis=1)
    gradient = found.task_gradient - np.einsum("qja,ja->q", found.task_items, moved)
    information = found.task_items[:, :, 0].sum(axis=1) + 1.0 / old.kap2
    difficulty = old.difficulty + (gradient - old.difficulty / old.kap2) / information
    c, difficulty = _centred(
        new.c, difficulty, ~held.indicator & always(observations.task, observations, len(new.c))
    )
    expected = np.sum(difficulty**2 + 1.0 / information)
    kap2 = (expected + priors.variance_weight * priors.kap2) / (len(difficulty) + priors.variance_weight)
    return replace(new, c=c, difficulty=difficulty, kap2=float(kap2))


def _severities(
    solved: Solved, new: Parameters, priors: Priors, held: Held, observations: Observations
) -> Parameters:
    """tau2; the severities' mean goes into the intercepts of what is rated, so that they sum to 0.

    One sum over all raters is all that identification needs, however many groups of raters share no student (with
    one teacher a class each is a group). The intercepts c are common to all, so raising every severity and
    lowering c by as much is the only shift that changes no prediction. What one group has beyond another shows in
    its ratings, and nothing else can take it up: levels and what students bring have mean 0 in every group by
    their prior, and play and talk see the same levels. Sums of 0 in each group would need intercepts for each, and
    would deny that some raters are stricter.
    """
    if observations.n_raters == 0:
        return new
    rated = ~held.indicator & always(observations.rater, observations, len(new.c))
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
    whole: Flags = (labelled > 0) & (labelled == shown)
    return whole


def _centred(c: Floats, effects: Floats, where: Flags) -> tuple[Floats, Floats]:
    """Intercepts and effects with the effects' mean moved into the intercepts that always go with one."""
    if not np.any(where):
        return c, effects
    mean = effects.mean()
    return c + mean * where, effects - mean

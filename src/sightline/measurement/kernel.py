"""The posterior of all students by compiled loops: one sorted pass over observables, no student in Python.

The same equations and results as `posterior`, to 1e-9. Importing this module imports numba (a third of a second);
the first call of a fresh installation compiles, and later processes read what it kept.
"""

from __future__ import annotations

import numpy as np

from sightline.measurement.card import STATE
from sightline.measurement.contributions import LEVELS_NOW, Contributions, Target, direct, of_raters
from sightline.measurement.item_loops import Known, contribute, errors
from sightline.measurement.loops import (
    Results,
    Rows,
    before_severity,
    finish,
    gather,
    rater_slots,
    rater_sums,
    united,
)
from sightline.measurement.observations import Floats, Observations, Parameters
from sightline.measurement.posterior import (
    Information,
    Severity,
    Solved,
    error_variance,
    prior_information,
    residuals,
    sitting_variances,
)


def information(observations: Observations, parameters: Parameters, weight: Floats | None = None) -> Information:
    """The sums of `posterior.information` in one compiled pass."""
    of = observations.indicator
    lam = parameters.lam[of]
    raters, slot = rater_slots(observations.student, observations.rater, observations.n_students)
    n, g, k = observations.n_students, observations.n_sittings, raters.shape[1]
    sums = Information(
        variance=error_variance(observations, parameters, weight),
        residual=residuals(observations, parameters),
        sitting_student=np.zeros(g, dtype=np.intp),
        sitting_sum=np.zeros((g, STATE)),
        sitting_precision=np.zeros(g),
        sitting_residual=np.zeros(g),
        sitting_shrink=np.zeros(g),
        sitting_rated=np.zeros((g, k)),
        gain=np.zeros((n, STATE, STATE)),
        eta=np.zeros((n, STATE)),
        raters=raters,
        slot=slot,
        borne=np.zeros((n, k, STATE)),
        rated=np.zeros((n, k, k)),
        rated_residual=np.zeros((n, k)),
    )
    rows = Rows(
        student=observations.student,
        sitting=observations.sitting,
        skill=parameters.skill[of],
        source=parameters.source[of],
        level=lam,
        change=lam * observations.time,
        own=parameters.gam[of],
        precision=1.0 / sums.variance,
        residual=sums.residual,
        om2=sitting_variances(observations, parameters),
    )
    gather(rows, sums)
    return sums


def severity_of(sums: Information, gain: Floats, n_raters: int, tau2: float) -> Severity:
    """Equation (3): each group of raters who share students is solved by itself. `gain` is -P b (N x K x 17)."""
    diagonal, shift, leader = np.zeros(n_raters), np.zeros(n_raters), np.arange(n_raters)
    rater_sums(sums, gain, diagonal, shift)
    rows, columns, values = united(sums, gain, leader)
    covariance = np.diag(tau2 / (1.0 + tau2 * diagonal))
    order = np.argsort(leader[rows], kind="stable")
    leaders, starts = np.unique(leader[rows[order]], return_index=True)
    for first, part in zip(leaders, np.split(order, starts[1:]), strict=False):  # one empty part without leaders
        members = np.flatnonzero(leader == first)
        precision = np.diag(1.0 + tau2 * diagonal[members])
        at = np.searchsorted(members, rows[part]), np.searchsorted(members, columns[part])
        np.add.at(precision, at, tau2 * values[part])
        inverse = tau2 * np.linalg.inv(precision)
        covariance[np.ix_(members, members)] = (inverse + inverse.T) / 2
    return Severity(mean=covariance @ shift, covariance=covariance)


def posterior(
    sums: Information,
    parameters: Parameters,
    *,
    n_raters: int,
    flat_slopes: bool = False,
    severity: Severity | None = None,
) -> Solved:
    """Means and covariances from the sums; a `severity` that is already known is used as it is."""
    n, k = sums.raters.shape
    before, gain = np.empty((n, STATE, STATE)), np.zeros((n, k, STATE))
    before_severity(prior_information(parameters, flat_slopes=flat_slopes), sums, before, gain)
    if severity is None:
        severity = severity_of(sums, gain, n_raters, parameters.tau2)
    results = Results(
        mean=np.empty((n, STATE)), covariance=np.empty((n, STATE, STATE)), with_severity=np.zeros((n, k, STATE))
    )
    finish(parameters.prior_mean, sums, before, gain, severity.mean, severity.covariance, results)
    return Solved(
        information=sums,
        mean=results.mean,
        covariance=results.covariance,
        covariance_before=before,
        severity=severity,
        severity_gain=gain,
        severity_covariance=results.with_severity,
    )


def solve(
    observations: Observations,
    parameters: Parameters,
    *,
    flat_slopes: bool = False,
    weight: Floats | None = None,
) -> Solved:
    """`posterior.solve`, compiled."""
    sums = information(observations, parameters, weight)
    return posterior(sums, parameters, n_raters=observations.n_raters, flat_slopes=flat_slopes)


def known_of(observations: Observations, parameters: Parameters, solved: Solved) -> Known:
    of = observations.indicator
    lam = parameters.lam[of]
    return Known(
        starts=np.searchsorted(observations.student, np.arange(observations.n_students + 1)),
        sitting=observations.sitting,
        skill=parameters.skill[of],
        source=parameters.source[of],
        level=lam,
        change=lam * observations.time,
        own=parameters.gam[of],
        deviation=solved.mean - parameters.prior_mean,
        covariance=solved.covariance,
        rho=solved.severity.mean,
        among=solved.severity.covariance,
    )


def contributions(
    observations: Observations,
    parameters: Parameters,
    solved: Solved,
    targets: tuple[Target, ...] = LEVELS_NOW,
) -> Contributions:
    """`contributions.contributions`, compiled."""
    wanted = np.stack([target.weights for target in targets])
    amounts = np.empty((len(observations.y), len(targets)))
    known = known_of(observations, parameters, solved)
    contribute(known, solved.information, solved.covariance_before, wanted, amounts)
    return Contributions(
        of_items=amounts,
        of_raters=of_raters(solved, targets),
        direct=direct(observations, parameters, targets),
    )


def expected_errors(observations: Observations, parameters: Parameters, solved: Solved) -> Floats:
    """`robust.expected_errors`, compiled."""
    out = np.empty(len(observations.y))
    errors(known_of(observations, parameters, solved), solved.information, out)
    return out

"""The posterior of all students by compiled loops: one sorted pass over observables, no student in Python.

The same equations and results as `posterior`, to 1e-9. Importing this module imports numba; the first call of a
fresh installation compiles, and later processes read what it kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.measurement.card import STATE

from sightline.measurement.loops import before_severity, finish, gather, rater_gains, rater_slots, rater_sums
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
    found = Information(
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
    gather(
        observations.student,
        observations.sitting,
        parameters.skill[of],
        parameters.source[of],
        lam,
        lam * observations.time,
        parameters.gam[of],
        1.0 / found.variance,
        found.residual,
        slot,
        sitting_variances(observations, parameters),
        found.sitting_student,
        found.sitting_sum,
        found.sitting_precision,
        found.sitting_residual,
        found.sitting_shrink,
        found.sitting_rated,
        found.gain,
        found.eta,
        found.borne,
        found.rated,
        found.rated_residual,
    )
    return found


def severity_of(found: Information, gain: Floats, n_raters: int, tau2: float) -> Severity:
    """Equation (3): each group of raters who share students is solved by itself. `gain` is -P b (N x K x 17)."""
    diagonal, shift, leader = np.zeros(n_raters), np.zeros(n_raters), np.arange(n_raters)
    rows, columns, values = rater_sums(
        found.raters, found.rated, found.rated_residual, found.borne, gain, found.eta, diagonal, shift, leader
    )
    covariance = np.diag(tau2 / (1.0 + tau2 * diagonal))
    order = np.argsort(leader[rows], kind="stable")
    rows, columns, values = rows[order], columns[order], values[order]
    leaders, starts = np.unique(leader[rows], return_index=True)
    for first, part in zip(leaders, np.split(np.arange(len(rows)), starts[1:]), strict=False):
        members = np.flatnonzero(leader == first)
        precision: Any = np.diag(1.0 + tau2 * diagonal[members])
        at = np.searchsorted(members, rows[part]), np.searchsorted(members, columns[part])
        np.add.at(precision, at, tau2 * values[part])
        inverse = tau2 * np.linalg.inv(precision)
        covariance[np.ix_(members, members)] = (inverse + inverse.T) / 2
    return Severity(mean=covariance @ shift, covariance=covariance)


def posterior(
    found: Information,
    parameters: Parameters,
    *,
    n_raters: int,
    flat_slopes: bool = False,
    severity: Severity | None = None,
) -> Solved:
    """Means and covariances from the sums; a `severity` that is already known is used as it is."""
    n, k = found.raters.shape
    before = np.empty((n, STATE, STATE))
    gain = np.zeros((n, k, STATE))
    before_severity(prior_information(parameters, flat_slopes=flat_slopes), found.gain, before)
    rater_gains(before, found.borne, found.raters, gain)
    if severity is None:
        severity = severity_of(found, gain, n_raters, parameters.tau2)
    mean, covariance, with_severity = np.empty((n, STATE)), np.empty((n, STATE, STATE)), np.zeros((n, k, STATE))
    finish(
        parameters.prior_mean,
        before,
        found.eta,
        found.raters,
        gain,
        severity.mean,
        severity.covariance,
        mean,
        covariance,
        with_severity,
    )
    return Solved(
        information=found,
        mean=mean,
        covariance=covariance,
        covariance_before=before,
        severity=severity,
        severity_gain=gain,
        severity_covariance=with_severity,
    )


def solve(
    observations: Observations,
    parameters: Parameters,
    *,
    flat_slopes: bool = False,
    weight: Floats | None = None,
) -> Solved:
    """`posterior.solve`, compiled."""
    found = information(observations, parameters, weight)
    return posterior(found, parameters, n_raters=observations.n_raters, flat_slopes=flat_slopes)

"""The posterior of all students at once in information form; sittings and rater severity integrated out exactly.

Equations (2) and (3) of the model in numpy: this is the reference that `kernel` has to agree with. Students share
nothing but their raters, so everything is an array over students (N) and only severity is solved jointly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sightline.measurement.card import N_SKILLS, STATE, Array
from sightline.measurement.observations import Floats, Index, Observations, Parameters

FLAT_VARIANCE = 1e4
"""Variance that stands for a flat prior on a change: an SD of 100 population SD."""

SITTINGS_AT_ONCE = 4096
"""Sittings whose 17 x 17 products are held at one time: 9 MB."""


class Information(NamedTuple):
    """What N students' observables say, before prior and severity. Times and orders of them change nothing.

    variance, residual: error variance s2/w and y - c - d - h'mu0 of each observable (n).
    sitting_student (G), sitting_sum a (G x 17), sitting_precision W, sitting_residual R, sitting_shrink v (G
    each), and sitting_rated (G x K): W of those items in the sitting that the student's k-th rater gave.
    gain: the items' part of L (N x 17 x 17); eta (N x 17).
    raters: each student's raters, -1 beyond the last (N x K, K the most that a student has); slot: which of them
    gave the item, -1 for none (n); borne: b of each (N x K x 17); rated: z'Rinv z (N x K x K); rated_residual:
    z'Rinv r (N x K).
    """

    variance: Floats
    residual: Floats
    sitting_student: Index
    sitting_sum: Floats
    sitting_precision: Floats
    sitting_residual: Floats
    sitting_shrink: Floats
    sitting_rated: Floats
    gain: Floats
    eta: Floats
    raters: Index
    slot: Index
    borne: Floats
    rated: Floats
    rated_residual: Floats


@dataclass(frozen=True, slots=True)
class Severity:
    """Posterior of the severities of R raters, in SD: mean (R) and covariance (R x R)."""

    mean: Floats
    covariance: Floats


@dataclass(frozen=True, slots=True)
class Solved:
    """The posterior of N students' states and of R severities, in SD.

    mean (N x 17), covariance with severity and before it (N x 17 x 17); severity_gain: -P b of each of the
    student's raters, and severity_covariance: Cov(x, rho) with each of them (N x K x 17, zero for none).
    """

    information: Information
    mean: Floats
    covariance: Floats
    covariance_before: Floats
    severity: Severity
    severity_gain: Floats
    severity_covariance: Floats


def error_variance(observations: Observations, parameters: Parameters, weight: Floats | None = None) -> Floats:
    """s2/w of each observable: the indicator's residual and the sampling error, over its Student-t weight.

    An observable on a task whose difficulty is not known carries kap2 on top.
    """
    variance = parameters.s2[observations.indicator] + observations.sampling_variance
    variance[(observations.task >= 0) & ~_difficulty_known(observations, parameters)] += parameters.kap2
    return variance if weight is None else variance / weight


def _difficulty_known(observations: Observations, parameters: Parameters) -> NDArray[np.bool_]:
    """Whether an observable's task has a difficulty in the parameters: not beyond the last, and a number."""
    if not len(parameters.difficulty):
        return np.zeros(len(observations.task), dtype=np.bool_)
    inside = (observations.task >= 0) & (observations.task < len(parameters.difficulty))
    known: NDArray[np.bool_] = inside & ~np.isnan(parameters.difficulty[np.where(inside, observations.task, 0)])
    return known


def design(observations: Observations, parameters: Parameters) -> tuple[Index, Floats]:
    """Each observable's h as its three non-zeros: their axes in the state and their values (n x 3 each)."""
    skill, source = parameters.skill[observations.indicator], parameters.source[observations.indicator]
    lam = parameters.lam[observations.indicator]
    axes = np.stack([skill, N_SKILLS + skill, 2 * N_SKILLS + source], axis=1)
    return axes, np.stack([lam, lam * observations.time, parameters.gam[observations.indicator]], axis=1)


def residuals(observations: Observations, parameters: Parameters) -> Floats:
    """The residual y - c - d - h'mu0 of each observable (n); a difficulty that is not known counts as 0."""
    residual = observations.y - parameters.c[observations.indicator]
    known = _difficulty_known(observations, parameters)
    residual[known] -= parameters.difficulty[observations.task[known]]
    slope = parameters.mu_beta[parameters.skill[observations.indicator]]
    return residual - parameters.lam[observations.indicator] * observations.time * slope


def rater_slots(observations: Observations) -> tuple[Index, Index]:
    """Each student's raters (N x K, -1 where there are fewer), and which of them gave each item (n, else -1)."""
    rated = np.flatnonzero(observations.rater >= 0)
    many = max(observations.n_raters, 1)
    pairs, which = np.unique(observations.student[rated] * many + observations.rater[rated], return_inverse=True)
    student = pairs // many
    first = np.searchsorted(student, student)
    place = np.arange(len(pairs)) - first
    raters = np.full((observations.n_students, int(place.max(initial=-1)) + 1), -1, dtype=np.intp)
    raters[student, place] = pairs % many
    slot = np.full(len(observations.y), -1, dtype=np.intp)
    slot[rated] = place[which]
    return raters, slot


def sitting_variances(observations: Observations, parameters: Parameters) -> Floats:
    """om2 of each sitting (G), by its source."""
    source = np.zeros(observations.n_sittings, dtype=np.intp)
    source[observations.sitting] = parameters.source[observations.indicator]
    return parameters.om2[source]


def information(observations: Observations, parameters: Parameters, weight: Floats | None = None) -> Information:
    """Sums of equations (2) and (3) over all observables; `weight` (n) multiplies their precision."""
    variance, residual = error_variance(observations, parameters, weight), residuals(observations, parameters)
    precision = 1.0 / variance
    axes, values = design(observations, parameters)
    raters, slot = rater_slots(observations)
    n_students, n_sittings, k = observations.n_students, observations.n_sittings, raters.shape[1]
    student, sitting = observations.student, observations.sitting
    weighted = values * precision[:, None]

    sums = _sum_at((n_sittings, STATE), (sitting[:, None], axes), weighted)
    totals = _sum_at((n_sittings,), (sitting,), precision)
    sitting_residual = _sum_at((n_sittings,), (sitting,), precision * residual)
    om2 = sitting_variances(observations, parameters)
    shrink = om2 / (1.0 + om2 * totals)
    owner = np.zeros(n_sittings, dtype=np.intp)
    owner[sitting] = student
    gave = np.flatnonzero(slot >= 0)
    rated_in = _sum_at((n_sittings, k), (sitting[gave], slot[gave]), precision[gave])

    gain = _sum_at(
        (n_students, STATE, STATE),
        (student[:, None, None], axes[:, :, None], axes[:, None, :]),
        weighted[:, :, None] * values[:, None, :],
    )
    for start in range(0, n_sittings, SITTINGS_AT_ONCE):
        part = slice(start, start + SITTINGS_AT_ONCE)
        products = sums[part, :, None] * (shrink[part, None] * sums[part])[:, None, :]
        np.subtract.at(gain, owner[part], products)
    eta = _sum_at((n_students, STATE), (student[:, None], axes), weighted * residual[:, None])
    np.subtract.at(eta, owner, sums * (shrink * sitting_residual)[:, None])

    borne = _sum_at((n_students, k, STATE), (student[gave, None], slot[gave, None], axes[gave]), weighted[gave])
    shared = shrink[:, None] * rated_in
    np.subtract.at(borne, owner, shared[:, :, None] * sums[:, None, :])
    rated = np.zeros((n_students, k, k))
    np.add.at(rated, (student[gave], slot[gave], slot[gave]), precision[gave])
    np.subtract.at(rated, owner, shared[:, :, None] * rated_in[:, None, :])
    rated_residual = _sum_at((n_students, k), (student[gave], slot[gave]), precision[gave] * residual[gave])
    np.subtract.at(rated_residual, owner, shared * sitting_residual[:, None])
    return Information(
        variance=variance,
        residual=residual,
        sitting_student=owner,
        sitting_sum=sums,
        sitting_precision=totals,
        sitting_residual=sitting_residual,
        sitting_shrink=shrink,
        sitting_rated=rated_in,
        gain=gain,
        eta=eta,
        raters=raters,
        slot=slot,
        borne=borne,
        rated=rated,
        rated_residual=rated_residual,
    )


def _sum_at(shape: tuple[int, ...], where: tuple[Index, ...], amounts: Floats) -> Floats:
    """An array of this shape with the amounts added up where the indices (broadcast) say."""
    if 0 in shape:
        return np.zeros(shape)
    flat = np.ravel_multi_index(np.broadcast_arrays(*where), shape)
    summed = np.bincount(flat.ravel(), weights=amounts.ravel(), minlength=int(np.prod(shape)))
    return summed.astype(np.float64, copy=False).reshape(shape)


def prior_information(parameters: Parameters, *, flat_slopes: bool = False) -> Array:
    """L0 (17 x 17); with flat slopes the levels keep their own variances and each change has FLAT_VARIANCE."""
    covariance = parameters.prior_covariance
    if flat_slopes:
        changes = slice(N_SKILLS, 2 * N_SKILLS)
        spread = np.sqrt(np.diag(covariance)[changes])
        among = covariance[changes, changes] / np.outer(spread, spread)
        covariance[changes, :] = 0.0
        covariance[:, changes] = 0.0
        covariance[changes, changes] = FLAT_VARIANCE * among
    return np.linalg.inv(covariance)


def severity_of(found: Information, before: Floats, n_raters: int, tau2: float) -> Severity:
    """Equation (3) for all raters jointly, the students integrated out by their P (`before`, N x 17 x 17)."""
    raters = found.raters
    along = found.borne @ before
    block = found.rated - along @ np.swapaxes(found.borne, 1, 2)
    shift = found.rated_residual - np.einsum("nki,ni->nk", along, found.eta)
    given = raters >= 0
    both = given[:, :, None] & given[:, None, :]
    rows = np.broadcast_to(raters[:, :, None], block.shape)[both]
    columns = np.broadcast_to(raters[:, None, :], block.shape)[both]
    precision = _sum_at((n_raters, n_raters), (rows, columns), block[both])
    covariance = tau2 * np.linalg.inv(np.eye(n_raters) + tau2 * precision)
    covariance = (covariance + covariance.T) / 2
    return Severity(mean=covariance @ _sum_at((n_raters,), (raters[given],), shift[given]), covariance=covariance)


def posterior(
    found: Information,
    parameters: Parameters,
    *,
    n_raters: int,
    flat_slopes: bool = False,
    severity: Severity | None = None,
) -> Solved:
    """Means and covariances from the sums; a `severity` that is already known is used as it is."""
    before = np.linalg.inv(prior_information(parameters, flat_slopes=flat_slopes) + found.gain)
    before = (before + np.swapaxes(before, 1, 2)) / 2
    if severity is None:
        severity = severity_of(found, before, n_raters, parameters.tau2)
    gain = -found.borne @ before
    among = local(severity.covariance, found.raters)
    with_severity = among @ gain
    rho = local_mean(severity.mean, found.raters)
    return Solved(
        information=found,
        mean=parameters.prior_mean
        + np.einsum("nij,nj->ni", before, found.eta)
        + np.einsum("nki,nk->ni", gain, rho),
        covariance=before + np.swapaxes(gain, 1, 2) @ with_severity,
        covariance_before=before,
        severity=severity,
        severity_gain=gain,
        severity_covariance=with_severity,
    )


def local_mean(mean: Floats, raters: Index) -> Floats:
    """Severities of each student's own raters (N x K), 0 where there is none."""
    return np.append(mean, 0.0)[raters]


def gains_of_raters(solved: Solved, n_raters: int) -> Floats:
    """-P b of every student and every rater of the school (N x 17 x R), 0 where they never met."""
    students, slots = np.nonzero(solved.information.raters >= 0)
    gains = np.zeros((len(solved.mean), STATE, n_raters))
    gains[students, :, solved.information.raters[students, slots]] = solved.severity_gain[students, slots]
    return gains


def local(covariance: Floats, raters: Index) -> Floats:
    """Covariance among each student's own raters (N x K x K), 0 where there is none."""
    if raters.size == 0:
        return np.zeros((*raters.shape, raters.shape[1]))
    both = (raters[:, :, None] >= 0) & (raters[:, None, :] >= 0)
    return np.where(both, covariance[raters[:, :, None], raters[:, None, :]], 0.0)


def solve(
    observations: Observations,
    parameters: Parameters,
    *,
    flat_slopes: bool = False,
    weight: Floats | None = None,
) -> Solved:
    """Equations (2) and (3) for all students: O(items + students x 17^3 + raters^3)."""
    found = information(observations, parameters, weight)
    return posterior(found, parameters, n_raters=observations.n_raters, flat_slopes=flat_slopes)

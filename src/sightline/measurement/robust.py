"""Student-t errors: each item's weight from how surprising it is, found together with the posterior.

An error e with nu degrees of freedom is a normal one whose precision is multiplied by w ~ Gamma(nu/2, nu/2). Given
the posterior, E[w_n] = (nu + 1)/(nu + E[e_n^2]/s2_n); given the weights, the posterior is that of normal errors.
The two alternate (variational EM; Tipping & Lawrence 2005). An outlier's weight falls, and so does its pull.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sightline.measurement.observations import Floats, Observations, Parameters
from sightline.measurement.posterior import Solved, design, error_variance, local, local_mean, solve

__all__ = ["Robust", "Solver", "expected_squares", "solve", "solve_robustly", "weights"]

NORMAL_FROM = 30.0
"""Degrees of freedom above which errors count as normal: even an error of 4 SD keeps two thirds of its weight."""

ROUNDS = 12
"""Most times that weights and posterior alternate."""

SETTLED = 1e-3
"""Largest change of a weight at which they count as settled."""


class Solver(Protocol):
    """How to solve and to square: the module `kernel`, or this module for plain numpy."""

    def solve(
        self,
        observations: Observations,
        parameters: Parameters,
        *,
        flat_slopes: bool = False,
        weight: Floats | None = None,
    ) -> Solved: ...

    def expected_squares(self, observations: Observations, parameters: Parameters, solved: Solved) -> Floats: ...


@dataclass(frozen=True, slots=True)
class Robust:
    """A posterior with its weights (n; None with normal errors), and how they were found.

    square: E[e^2]/s2 of each item before its weight, which is all that nu is estimated from (n; None with normal
    errors); rounds: how often
    weights and posterior alternated; last_change: largest change of a weight in the last round; settled: whether
    that was small enough.
    """

    solved: Solved
    weight: Floats | None
    square: Floats | None
    rounds: int
    last_change: float
    settled: bool


def expected_squares(observations: Observations, parameters: Parameters, solved: Solved) -> Floats:
    """E[e^2] of each item given everything (n), with what is not known of state, severity and sitting in it.

    e = r - h'(x - mu0) - rho - u. Given x and rho, u is normal with variance v, so e has the mean
    d - v sum(d w/s2) of d = r - h'(x - mu0) - rho, and the variance v; then x and rho are averaged over.
    """
    found, item = solved.information, observations.sitting
    axes, values = design(observations, parameters)
    student, shrink = observations.student, found.sitting_shrink
    owner = found.sitting_student
    rho = local_mean(solved.severity.mean, found.raters)
    rated = observations.rater >= 0

    deviation = solved.mean - parameters.prior_mean
    left = found.residual - np.sum(values * deviation[student[:, None], axes], axis=1)
    left[rated] -= solved.severity.mean[observations.rater[rated]]
    shared = found.sitting_residual - np.sum(found.sitting_sum * deviation[owner], axis=1)
    shared -= np.sum(found.sitting_rated * rho[owner], axis=1)
    mean = left - (shrink * shared)[item]

    # variance of h'x + z rho - v (a'x + W rho): of the item, of the sitting, and between them
    among = local(solved.severity.covariance, found.raters)
    carried = np.matmul(found.sitting_sum[:, None, :], solved.covariance[owner])[:, 0]
    carried += np.sum(found.sitting_rated[:, :, None] * solved.severity_covariance[owner], axis=1)
    borne = np.matmul(solved.severity_covariance[owner], found.sitting_sum[:, :, None])[:, :, 0]
    borne += np.matmul(found.sitting_rated[:, None, :], among[owner])[:, 0]
    of_sitting = np.sum(found.sitting_sum * carried, axis=1) + np.sum(found.sitting_rated * borne, axis=1)
    pairs = solved.covariance[student[:, None, None], axes[:, :, None], axes[:, None, :]]
    spread = np.einsum("ni,nij,nj->n", values, pairs, values)
    between = np.sum(values * carried[item[:, None], axes], axis=1)
    slot = found.slot[rated]
    spread[rated] += among[student[rated], slot, slot] + 2.0 * np.sum(
        values[rated] * solved.severity_covariance[student[rated, None], slot[:, None], axes[rated]], axis=1
    )
    between[rated] += borne[item[rated], slot]
    own = shrink[item]
    variance = own + spread - 2.0 * own * between + own**2 * of_sitting[item]
    squares: Floats = mean**2 + variance
    return squares


def weights(square: Floats, nu: float) -> Floats:
    """E[w] of each item (n) from E[e^2]/s2."""
    return (nu + 1.0) / (nu + square)


def solve_robustly(
    observations: Observations,
    parameters: Parameters,
    solver: Solver,
    *,
    flat_slopes: bool = False,
    rounds: int = ROUNDS,
) -> Robust:
    """Weights and posterior under `parameters.nu`, with the module `kernel` or this one as `solver`."""
    if parameters.nu > NORMAL_FROM or not len(observations.y):
        usual = solver.solve(observations, parameters, flat_slopes=flat_slopes)
        return Robust(solved=usual, weight=None, square=None, rounds=0, last_change=0.0, settled=True)
    variance = error_variance(observations, parameters)

    def of(weight: Floats) -> tuple[Solved, Floats]:
        solved = solver.solve(observations, parameters, flat_slopes=flat_slopes, weight=weight)
        return solved, solver.expected_squares(observations, parameters, solved) / variance

    return _alternate(of, np.ones_like(variance), parameters.nu, rounds)


def _alternate(of: Callable[[Floats], tuple[Solved, Floats]], weight: Floats, nu: float, rounds: int) -> Robust:
    solved, square = of(weight)
    change, done = np.inf, 0
    while done < rounds and change > SETTLED:
        fresh = weights(square, nu)
        change = float(np.max(np.abs(fresh - weight)))
        weight = fresh
        solved, square = of(weight)
        done += 1
    return Robust(
        solved=solved, weight=weight, square=square, rounds=done, last_change=change, settled=change <= SETTLED
    )

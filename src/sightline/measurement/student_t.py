"""What fitting needs of Student-t errors besides the pull of `robust`: one step of it with the moments that the
M-step asks for, what s2 is learned of, and the degrees of freedom.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sightline.measurement.expectation import Moments, moments
from sightline.measurement.kernel import solve
from sightline.measurement.observations import Floats, Observations, Parameters
from sightline.measurement.posterior import Solved, error_variance
from sightline.measurement.robust import information_share, pulled_in, weights

__all__ = ["START", "degrees_of_freedom", "pulled_in", "scale_share", "solve_pulled", "squares"]

NORMAL_FROM = 30.0
"""Degrees of freedom above which errors count as normal: even an error of 4 SD keeps two thirds of its weight."""

START = 8.0
"""Degrees of freedom to begin with: heavier tails than normal, and all moments that matter exist."""

LOWEST = 2.1
"""Least degrees of freedom: at 2 the variance ceases to exist."""

GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
WIDEST = 200.0
CLOSE = 0.02
"""Width in the logarithm of nu at which the search ends: two hundredths of itself."""


def scale_share(nu: float) -> float:
    """Information on its scale that a t error has, over that of a normal one."""
    return 1.0 if math.isinf(nu) else nu / (nu + 3.0)


def squares(error: Floats, spread: Floats, variance: Floats, nu: float) -> Floats:
    """Expected weighted squared errors (n), of which s2 is learned: at the mode, and what is not known of it."""
    if math.isinf(nu):
        return error**2 + spread
    return weights(error**2 / variance, nu) * error**2 + information_share(nu) * spread


def relative_likelihood(ratio: Floats, nu: float) -> float:
    """Sum of the log t density at squared ratios of error to scale, less that of a normal one at 0."""
    if math.isinf(nu):
        return float(-0.5 * ratio.sum())
    constant = math.lgamma((nu + 1.0) / 2.0) - math.lgamma(nu / 2.0) - 0.5 * math.log(nu / 2.0)
    return float(len(ratio) * constant - 0.5 * (nu + 1.0) * np.log1p(ratio / nu).sum())


def degrees_of_freedom(error: Floats, spread: Floats, variance: Floats) -> float:
    """The most likely nu (infinite above 30) given errors and their posterior variances (n each).

    Golden section in its logarithm on the expected log likelihood, to second order.
    """
    ratio, unknown = error**2 / variance, float((spread / variance).sum())

    def at(logarithm: float) -> float:
        nu = math.exp(logarithm)
        return relative_likelihood(ratio, nu) - 0.5 * information_share(nu) * unknown

    low, high = math.log(LOWEST), math.log(WIDEST)
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = at(left), at(right)
    while high - low > CLOSE:
        if at_left > at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = at(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = at(right)
    nu = math.exp((low + high) / 2.0)
    return math.inf if nu > NORMAL_FROM else nu


def solve_pulled(
    observations: Observations, parameters: Parameters, y: Floats, *, with_score: bool = False
) -> tuple[Solved, Moments]:
    """The posterior with `y` in place of what came in (n), and its moments with the errors of what came in."""
    share = information_share(parameters.nu)
    weight = None if math.isinf(parameters.nu) else np.full(len(y), share)
    pulled = replace(observations, y=y)
    solved = solve(pulled, parameters, weight=weight)
    found = moments(pulled, parameters, solved, weight=weight, with_score=with_score)
    if weight is None:
        return solved, found
    variance = error_variance(observations, parameters)
    error = found.error + observations.y - y
    fit = found.fit + share * np.sum(found.error**2 / variance) - len(variance) * math.log(share)
    fit += 2.0 * relative_likelihood(error**2 / variance, parameters.nu)
    return solved, found._replace(error=error, fit=fit)

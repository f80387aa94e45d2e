"""Student-t errors: how much each item still says when its error is too large for a normal one.

Given the posterior of the states, the expected log likelihood of t errors is that of a t density at the root of the
expected squared residual; weights and degrees of freedom follow from it (variational EM, one block).
"""

from __future__ import annotations

import math

import numpy as np

from sightline.measurement.observations import Floats

START = 8.0
"""Degrees of freedom to begin with: heavier tails than normal, and all moments that matter exist."""

OFF_ABOVE = 30.0
"""Degrees of freedom beyond which the errors count as normal; the weights would then all be within .9 to 1.03."""

LOWEST = 2.1
"""Least degrees of freedom: below 2 the variance does not exist."""

GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
WIDEST = 200.0
CLOSE = 0.02
"""Width in the logarithm of nu at which the search ends: two hundredths of itself."""


def weights(residual_square: Floats, variance: Floats, nu: float) -> Floats:
    """Expected precision of each item over its normal one (n); variance is s2 + v."""
    if math.isinf(nu):
        return np.ones(len(variance))
    return (nu + 1.0) / (nu + residual_square / variance)


def log_likelihood(ratio: Floats, nu: float) -> float:
    """Sum of the logarithms of the t density, less those of the normal one, at squared ratios of residual to SD."""
    if math.isinf(nu):
        return 0.0
    constant = math.lgamma((nu + 1.0) / 2.0) - math.lgamma(nu / 2.0) - 0.5 * math.log(nu / 2.0)
    return float(len(ratio) * constant - 0.5 * (nu + 1.0) * np.log1p(ratio / nu).sum() + 0.5 * ratio.sum())


def degrees_of_freedom(residual_square: Floats, variance: Floats) -> float:
    """The most likely nu given expected squared residuals; infinite above 30. Golden section in its logarithm."""
    ratio = residual_square / variance
    low, high = math.log(LOWEST), math.log(WIDEST)
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = log_likelihood(ratio, math.exp(left)), log_likelihood(ratio, math.exp(right))
    while high - low > CLOSE:
        if at_left > at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = log_likelihood(ratio, math.exp(left))
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = log_likelihood(ratio, math.exp(right))
    nu = math.exp((low + high) / 2.0)
    return math.inf if nu > OFF_ABOVE else nu

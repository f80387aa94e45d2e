"""Student-t errors in fitting: an error that is too large is pulled in, and all items are worth a little less.

At the posterior's mode a t error e of scale s2 pulls like a normal one of size w e, w = (nu + 1)/(nu + e2/s2), while
its expected curvature is (nu + 1)/(nu + 3)/s2 whatever came out (Fisher information; Lange, Little and Taylor 1989).
So the model is fitted as if errors were normal with that precision and y were where the pull puts it. Weights in
place of the precision would claim 1/s2: the intervals of three degrees of freedom then hold 87 %, with these 90 %.
"""

from __future__ import annotations

import math

import numpy as np

from sightline.measurement.expectation import Moments
from sightline.measurement.observations import Floats, Observations, Parameters
from sightline.measurement.robust import NORMAL_FROM, weights

START = 8.0
"""Degrees of freedom to begin with: heavier tails than normal, and all moments that matter exist."""

LOWEST = 2.1
"""Least degrees of freedom: at 2 the variance ceases to exist."""

GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
WIDEST = 200.0
CLOSE = 0.02
"""Width in the logarithm of nu at which the search ends: two hundredths of itself."""


def information_share(nu: float) -> float:
    """Information on its location that a t error has, over that of a normal one of the same scale."""
    return 1.0 if math.isinf(nu) else (nu + 1.0) / (nu + 3.0)


def scale_share(nu: float) -> float:
    """The same for its scale."""
    return 1.0 if math.isinf(nu) else nu / (nu + 3.0)


def pulled_in(y: Floats, error: Floats, variance: Floats, nu: float) -> Floats:
    """What y has to be for a normal error of the reduced precision to pull as the t error does (n)."""
    if math.isinf(nu):
        return y
    pulled: Floats = y - error + weights(error**2 / variance, nu) / information_share(nu) * error
    return pulled


def squares(error: Floats, spread: Floats, variance: Floats, nu: float) -> Floats:
    """Expected weighted squared errors (n), of which s2 is learned: of the mode, and of what is not known of it."""
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


def unpulled(found: Moments, observations: Observations, pulled: Floats, parameters: Parameters) -> Moments:
    """The moments with the errors and the fit of y as it came in; they were summed with `pulled` in its place."""
    if math.isinf(parameters.nu):
        return found
    variance = parameters.s2[observations.indicator] + observations.sampling_variance
    share = information_share(parameters.nu)
    error = found.error + observations.y - pulled
    fit = found.fit + share * np.sum(found.error**2 / variance) - len(variance) * math.log(share)
    return found._replace(error=error, fit=fit + 2.0 * relative_likelihood(error**2 / variance, parameters.nu))

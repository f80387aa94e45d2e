"""What fitting increases: the logarithm of the marginal likelihood of all observations, plus the priors'."""

from __future__ import annotations

import numpy as np

from sightline.measurement.expectation import Moments
from sightline.measurement.observations import Parameters
from sightline.measurement.posterior import Solved
from sightline.measurement.priors import Priors, expected_loadings, expected_residual, precision_of_priors


def log_likelihood(found: Moments, solved: Solved, parameters: Parameters) -> float:
    """Logarithm of p(y) with states, sittings and severities integrated out: exactly for normal errors, else
    Laplace's.

    Computed at the posterior mode: log p(y, everything) less the log posterior density there. With Student-t
    errors `found` has their errors and fit, not those of what was pulled in.
    """
    covariance = parameters.prior_covariance
    deviation = solved.mean - parameters.prior_mean
    students, raters = len(deviation), len(solved.severity.mean)
    twice = found.fit[0] - len(found.error) * np.log(2.0 * np.pi)
    twice -= students * np.linalg.slogdet(covariance)[1] - np.linalg.slogdet(solved.covariance_before)[1].sum()
    twice -= np.sum((deviation @ np.linalg.inv(covariance)) * deviation)
    if raters:
        twice -= raters * np.log(parameters.tau2) - np.linalg.slogdet(solved.severity.covariance)[1]
        twice -= np.sum(solved.severity.mean**2) / parameters.tau2
    return float(twice / 2.0)


def log_prior(found: Moments, parameters: Parameters, priors: Priors) -> float:
    """Logarithm of the priors' density, but for constants; difficulties are integrated out around their means."""
    loadings = np.stack([parameters.c, parameters.lam, parameters.gam], axis=1)
    expected = expected_loadings(parameters, priors)
    twice = -np.sum((loadings - expected) ** 2 * precision_of_priors(parameters, priors))
    residual = expected_residual(parameters, priors)
    twice -= 0.5 * priors.variance_weight * np.sum((parameters.s2 / residual - 1.0) ** 2)
    pairs = [*zip(parameters.om2, priors.om2, strict=True), (parameters.tau2, priors.tau2)]
    if len(parameters.difficulty):
        information = found.task_items[:, :, 0].sum(axis=1)
        twice -= np.sum(parameters.difficulty**2) / parameters.kap2
        twice -= np.sum(np.log1p(parameters.kap2 * information))
        pairs.append((parameters.kap2, priors.kap2))
    twice -= priors.variance_weight * sum(np.log(now) + before / now for now, before in pairs if now > 0.0)
    shape = np.trace(np.linalg.solve(parameters.sigma, priors.sigma))
    twice -= priors.sigma_df * (np.linalg.slogdet(parameters.sigma)[1] + shape)
    return float(twice / 2.0)

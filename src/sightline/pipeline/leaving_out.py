"""Every observation predicted from all the rest of its student, without the sitting that it is from.

Severities of raters are taken as the school found them, with their error: one sitting is a small part of those.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sightline.measurement.card import STATE
from sightline.measurement.observations import Floats, Index
from sightline.measurement.posterior import (
    Severity,
    design,
    error_variance,
    information,
    prior_information,
    sitting_variances,
)
from sightline.pipeline.comparing import Compared
from sightline.quality.fit_checks import Predicted

SITTINGS_AT_ONCE = 4096
"""Sittings whose 17 x 17 matrices are held at one time: 9 MB each."""


def predicted_without_sitting(of: Compared, severity: Severity) -> Predicted:
    """Mean and variance of each observation (n) from the other sittings of the same student."""
    o, parameters = of.observations, of.parameters
    rated = o.rater >= 0
    rho, unsure = np.zeros(len(o.y)), np.zeros(len(o.y))
    rho[rated] = severity.mean[o.rater[rated]]
    unsure[rated] = np.diag(severity.covariance)[o.rater[rated]]
    alone = replace(o, y=o.y - rho, rater=np.full(len(o.y), -1, dtype=np.intp), n_raters=0)
    sums = information(alone, parameters)
    axes, values = design(alone, parameters)
    rows = np.zeros((len(o.y), STATE))
    rows[np.arange(len(o.y))[:, None], axes] = values
    starts = np.searchsorted(o.sitting, np.arange(o.n_sittings + 1))
    prior = prior_information(parameters)
    mean, variance = np.zeros(len(o.y)), np.zeros(len(o.y))
    for first in range(0, o.n_sittings, SITTINGS_AT_ONCE):
        last = min(first + SITTINGS_AT_ONCE, o.n_sittings)
        own = slice(starts[first], starts[last])
        gain, eta = _of_sittings(
            rows[own], sums.variance[own], sums.residual[own], o.sitting[own] - first, last - first
        )
        a, shrink = sums.sitting_sum[first:last], sums.sitting_shrink[first:last]
        gain -= np.einsum("g,gi,gj->gij", shrink, a, a)
        eta -= (shrink * sums.sitting_residual[first:last])[:, None] * a
        student = sums.sitting_student[first:last]
        covariance = np.linalg.inv(prior + sums.gain[student] - gain)
        state = np.einsum("gij,gj->gi", covariance, sums.eta[student] - eta)
        at = o.sitting[own] - first
        mean[own] = np.einsum("ni,ni->n", rows[own], state[at])
        variance[own] = np.einsum("ni,nij,nj->n", rows[own], covariance[at], rows[own])
    tails = parameters.nu / (parameters.nu - 2.0) if np.isfinite(parameters.nu) else 1.0
    error = error_variance(alone, parameters) * tails
    return Predicted(
        observed=o.y,
        mean=o.y - sums.residual + mean,
        variance=variance + sitting_variances(alone, parameters)[o.sitting] + error + unsure,
        student=o.student,
    )


def _of_sittings(
    rows: Floats, variance: Floats, residual: Floats, sitting: Index, many: int
) -> tuple[Floats, Floats]:
    """Sums of h h'/variance (G x 17 x 17) and h r/variance (G x 17) over the items of each sitting."""
    gain, eta = np.zeros((many, STATE, STATE)), np.zeros((many, STATE))
    weighted = rows / variance[:, None]
    np.add.at(gain, sitting, weighted[:, :, None] * rows[:, None, :])
    np.add.at(eta, sitting, weighted * residual[:, None])
    return gain, eta

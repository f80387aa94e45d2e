"""Linear regression on a predictor that is measured with a known error, with cluster-robust standard errors.

Plain regression on a noisy predictor finds too small a slope, and groups of truly different skill then differ
in what is left. Here the known error variance is subtracted from the cross products (Fuller 1987, ch. 3.1), and
the covariance is the delete-one-cluster jackknife (CR3; Bell & McCaffrey 2002): it needs no normality, carries
the error of the predictor along, and is on the safe side when clusters are few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightline.quality.matching import Floats, Index


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients (k), their covariance (k x k), clusters, and how much of the predictor is no error.

    matching: share of the predictor's variation, given the other columns, that is not error; 0 or below means
    that it says nothing.
    """

    coefficients: Floats
    covariance: Floats
    clusters: int
    matching: float


def corrected_regression(
    y: Floats, columns: Floats, along: Floats, variance: Floats, weight: Floats, cluster: Index
) -> Fit | None:
    """Fit y on the columns (n x k); `along` (n x k) is their derivative with respect to the noisy predictor.

    variance: of the predictor's error (n); cluster: any integer labels (n). None when the corrected cross
    products cannot be solved.
    """
    _, label = np.unique(cluster, return_inverse=True)
    clusters = int(label.max()) + 1
    k = columns.shape[1]
    cross, observed = np.empty((clusters, k, k)), np.empty((k, k))
    right = np.empty((clusters, k))
    for a in range(k):
        right[:, a] = np.bincount(label, weight * columns[:, a] * y, clusters)
        for b in range(k):
            product = weight * columns[:, a] * columns[:, b]
            error = weight * variance * along[:, a] * along[:, b]
            cross[:, a, b] = np.bincount(label, product - error, clusters)
            observed[a, b] = product.sum()
    total, total_right = cross.sum(0), right.sum(0)
    noisy = int(np.argmax(np.abs(along).sum(0)))
    try:
        matching = float(np.linalg.inv(observed)[noisy, noisy] / np.linalg.inv(total)[noisy, noisy])
        beta = np.linalg.solve(total, total_right)
        left_out = np.linalg.solve(total - cross, (total_right - right)[..., None])[..., 0]
    except np.linalg.LinAlgError:
        return None
    moved = left_out - beta
    covariance = (clusters - 1) / clusters * moved.T @ moved
    return Fit(beta, covariance, clusters, matching)

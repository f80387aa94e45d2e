"""Squared extrapolation of EM (SQUAREM, Varadhan and Roland 2008): two steps show where the next would lead.

Parameters are laid out as one vector in which every number may be anything: variances by their logarithms, Sigma
by its Cholesky factor.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sightline.measurement.card import N_SKILLS
from sightline.measurement.enough import Held
from sightline.measurement.observations import Floats, Parameters

LATENT = 2 * N_SKILLS
NOTHING = 1e-12
"""Variance that stands for none where a logarithm is taken; a term that is turned off stays off."""

LONGEST = 16.0
"""Longest extrapolation, in EM steps; a longer one is more often refused than it helps."""


def laid_out(parameters: Parameters) -> Floats:
    """All free numbers in one vector."""
    root = np.linalg.cholesky(parameters.sigma)
    diagonal = np.diag_indices(LATENT)
    root[diagonal] = np.log(root[diagonal])
    return np.concatenate(
        [
            parameters.c,
            parameters.lam,
            parameters.gam,
            np.log(parameters.s2),
            np.log(np.maximum(parameters.om2, NOTHING)),
            np.log([parameters.tau2, parameters.kap2]),
            parameters.difficulty,
            parameters.mu_beta,
            root[np.tril_indices(LATENT)],
        ]
    )


def read_back(vector: Floats, like: Parameters, held: Held) -> Parameters:
    """The parameters of a vector; the variance of every level is made 1 and its scale moved into the loadings.

    What is held, and what the vector does not have, is taken from `like`.
    """
    many, sources, tasks = len(like.c), len(like.om2), len(like.difficulty)
    sizes = [many, many, many, many, sources, 2, tasks, N_SKILLS]
    c, lam, gam, s2, om2, variances, difficulty, mu_beta, packed = np.split(vector, np.cumsum(sizes))
    root = np.zeros((LATENT, LATENT))
    root[np.tril_indices(LATENT)] = packed
    diagonal = np.diag_indices(LATENT)
    root[diagonal] = np.exp(root[diagonal])
    sigma = root @ root.T
    scale = np.sqrt(np.diag(sigma)[:N_SKILLS])
    both = np.concatenate([scale, scale])
    tau2, kap2 = np.exp(variances)
    return replace(
        like,
        c=np.where(held.indicator, like.c, c),
        lam=np.where(held.indicator, like.lam, np.maximum(lam, 0.0) * scale[like.skill]),
        gam=np.where(held.indicator | held.gam, like.gam, gam),
        s2=np.where(held.indicator, like.s2, np.exp(s2)),
        om2=np.where(like.om2 > 0.0, np.exp(om2), 0.0),
        tau2=float(tau2),
        kap2=float(kap2),
        difficulty=difficulty,
        sigma=sigma / np.outer(both, both),
        mu_beta=mu_beta / scale,
    )


def extrapolated(first: Parameters, second: Parameters, third: Parameters, held: Held) -> Parameters | None:
    """Where three successive parameters of EM lead; None when the third is as good a guess."""
    start, middle, end = laid_out(first), laid_out(second), laid_out(third)
    step = middle - start
    bend = (end - middle) - step
    size = np.linalg.norm(bend)
    length = min(float(np.linalg.norm(step) / size), LONGEST) if size > 0 else 1.0
    if length <= 1.0:
        return None
    return read_back(start + 2.0 * length * step + length**2 * bend, third, held)

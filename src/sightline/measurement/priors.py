"""Priors of the parameters, and the parameters that they name as a start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightline.measurement.card import N_SKILLS, N_SOURCES
from sightline.measurement.observations import Floats, Index, Parameters

CHANGES = slice(N_SKILLS, 2 * N_SKILLS)
LATENT = 2 * N_SKILLS
WEEKS = 8.0
"""Length of window that the prior SD of a change belongs to."""


@dataclass(frozen=True, slots=True)
class Priors:
    """Normal priors of loadings, and variances that count as so many observations of their own kind.

    lam, lam_sd, gam, gam_sd: by source (3); c_sd: of intercepts, in SD of the standardised indicator; om2 (3),
    tau2, kap2: expected variances, each worth `variance_weight` sittings, raters or tasks; s2 follows from the
    others and is worth as many items; sigma: expected covariance of levels and changes (14 x 14), worth sigma_df
    students; minimum_residual: floor of s2. An om2 of 0, or a gam of 0 with an SD near 0, turns the term off.
    """

    lam: Floats
    lam_sd: Floats
    gam: Floats
    gam_sd: Floats
    om2: Floats
    tau2: float
    kap2: float
    sigma: Floats
    sigma_df: float
    c_sd: float = 1.0
    variance_weight: float = 5.0
    minimum_residual: float = 0.05


def literature_priors(students: int, weeks: float = WEEKS) -> Priors:
    """The model's published priors for so many students and a window of so many weeks.

    The covariance of 14 states needs a firmer prior when there are few students: 10 students' worth from 500 on,
    75 below. The SD of a change grows with the window's length.
    """
    among = np.full((N_SKILLS, N_SKILLS), 0.45) + 0.55 * np.eye(N_SKILLS)
    sigma = np.zeros((LATENT, LATENT))
    sigma[:N_SKILLS, :N_SKILLS] = among
    sigma[CHANGES, CHANGES] = (0.25 * weeks / WEEKS) ** 2 * among
    return Priors(
        lam=np.array([0.40, 0.40, 0.65]),
        lam_sd=np.full(N_SOURCES, 0.15),
        gam=np.array([0.30, 0.30, 0.40]),
        gam_sd=np.full(N_SOURCES, 0.15),
        om2=np.array([0.07, 0.07, 0.04]),
        tau2=0.40**2,
        kap2=0.40**2,
        sigma=sigma,
        sigma_df=10.0 if students >= 500 else 75.0,  # noqa: PLR2004 - said above
    )


def at_priors(skill: Index, source: Index, priors: Priors, n_tasks: int) -> Parameters:
    """Parameters at the priors' means: where the search starts, and what a held indicator keeps."""
    return Parameters(
        skill=skill,
        source=source,
        c=np.zeros(len(skill)),
        lam=priors.lam[source],
        gam=priors.gam[source],
        s2=_left_of_one(source, priors),
        om2=priors.om2,
        tau2=priors.tau2,
        kap2=priors.kap2,
        difficulty=np.zeros(n_tasks),
        sigma=priors.sigma,
        mu_beta=np.zeros(N_SKILLS),
    )


def _left_of_one(source: Index, priors: Priors) -> Floats:
    """s2 that is left of a variance of 1 by the other terms (J)."""
    explained = priors.lam[source] ** 2 + priors.gam[source] ** 2 + priors.om2[source]
    return np.maximum(1.0 - explained, priors.minimum_residual)


def precision_of_priors(parameters: Parameters, priors: Priors) -> Floats:
    """Prior precision of (c, lam, gam) of each indicator (J x 3)."""
    source = parameters.source
    sd = np.stack([np.full(len(source), priors.c_sd), priors.lam_sd[source], priors.gam_sd[source]], axis=1)
    return 1.0 / sd**2


def expected_loadings(parameters: Parameters, priors: Priors) -> Floats:
    """Prior mean of (c, lam, gam) of each indicator (J x 3)."""
    source = parameters.source
    return np.stack([np.zeros(len(source)), priors.lam[source], priors.gam[source]], axis=1)


def expected_residual(parameters: Parameters, priors: Priors) -> Floats:
    """Prior mean of s2 of each indicator (J)."""
    return _left_of_one(parameters.source, priors)

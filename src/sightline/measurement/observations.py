"""Observables of many students as sorted arrays, and the parameters of equation (1) that they are read with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.measurement.card import N_SKILLS, N_SOURCES, STATE, Array

Index = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observations:
    """n observables of N students, sorted by student and then by sitting; a sitting has one student, one source.

    student: index of the student, never falling; sitting: index over all sittings, never falling; indicator: index
    into the parameters; time: in units of the window, 0 to 1; y: standardised, more is better;
    sampling_variance: error variance beyond the indicator's residual, from exposure alone; rater, task: index, or
    -1 without one. All of length n.
    """

    student: Index
    sitting: Index
    indicator: Index
    time: Floats
    y: Floats
    sampling_variance: Floats
    rater: Index
    task: Index
    n_students: int
    n_sittings: int
    n_raters: int
    n_tasks: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of equation (1) in SD units of the norming population, for J indicators.

    skill, source: axis of each indicator (J); c, lam, gam, s2: intercept, loading on the skill, loading on what a
    student brings to the source, residual variance (J); om2: variance of one sitting (by source, 3); tau2, kap2:
    variance of rater severity and of task difficulty; difficulty: of each task (may be empty); sigma: covariance
    of levels and changes (14 x 14); mu_beta: mean change (7); nu: degrees of freedom of the errors, infinity for
    normal ones.
    """

    skill: Index
    source: Index
    c: Floats
    lam: Floats
    gam: Floats
    s2: Floats
    om2: Floats
    tau2: float
    kap2: float
    difficulty: Floats
    sigma: Floats
    mu_beta: Floats
    nu: float = np.inf

    @property
    def prior_mean(self) -> Array:
        """mu0, length 17: levels 0, the mean changes, source terms 0."""
        mean = np.zeros(STATE)
        mean[N_SKILLS : 2 * N_SKILLS] = self.mu_beta
        return mean

    @property
    def prior_covariance(self) -> Array:
        """C0, 17 x 17: sigma, and source terms of variance 1, independent of it and of one another."""
        covariance = np.eye(2 * N_SKILLS + N_SOURCES)
        covariance[: 2 * N_SKILLS, : 2 * N_SKILLS] = self.sigma
        return covariance

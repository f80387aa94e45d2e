"""One set of posteriors against the truth: coverage, error, calibration of levels. All in SD, all of the level now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.observations import Floats, Parameters
from sightline.measurement.posterior import Solved

Z90 = 1.6448536269514722
CUTS = (-1.2, 0.0, 1.2)
RELIABILITY_EDGES = tuple(round(0.1 * k, 1) for k in range(11))
FEWEST = 200
"""Estimates in a bin of reliability before its coverage is drawn."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """Level of N students in 7 skills at the end of the window: mean, standard error and reliability (N x 7)."""

    mean: Floats
    error: Floats
    reliability: Floats


@dataclass(frozen=True, slots=True)
class Binned:
    """Estimates by claimed reliability: how many are in each tenth, and how many intervals of them hold (10 each)."""

    count: Floats
    held: Floats


def targets() -> Floats:
    """The seven targets of the level now, alpha + beta (7 x 17)."""
    found = np.zeros((N_SKILLS, STATE))
    skills = np.arange(N_SKILLS)
    found[skills, skills] = 1.0
    found[skills, N_SKILLS + skills] = 1.0
    return found


def estimates(solved: Solved, parameters: Parameters, extra: Floats | None = None) -> Estimates:
    """What is claimed of each student; `extra` (N x 17 x 17) is added to the covariance (a bootstrap's part)."""
    a = targets()
    covariance = solved.covariance if extra is None else solved.covariance + extra
    variance = np.einsum("ki,nij,kj->nk", a, covariance, a)
    prior = np.einsum("ki,ij,kj->k", a, parameters.prior_covariance, a)
    return Estimates(solved.mean @ a.T, np.sqrt(variance), 1.0 - variance / prior)


def holds(found: Estimates, truth: Floats) -> np.ndarray:
    """Which 90 % intervals hold the truth (N x 7)."""
    return np.asarray(np.abs(found.mean - truth) <= Z90 * found.error)


def coverage(found: Estimates, truth: Floats) -> float:
    return float(holds(found, truth).mean())


def rmse(score: Floats, truth: Floats) -> float:
    return float(np.sqrt(np.mean((score - truth) ** 2)))


def by_reliability(found: Estimates, truth: Floats) -> Binned:
    tenth = np.clip((found.reliability * 10).astype(int), 0, 9).ravel()
    held = holds(found, truth).ravel()
    count = np.bincount(tenth, minlength=10).astype(np.float64)
    return Binned(count, np.bincount(tenth, weights=held, minlength=10).astype(np.float64))


def level_probabilities(found: Estimates) -> Floats:
    """P of each of the four levels (N x 7 x 4)."""
    below = ndtr((np.array(CUTS) - found.mean[..., None]) / found.error[..., None])
    edges = np.concatenate([np.zeros_like(below[..., :1]), below, np.ones_like(below[..., :1])], axis=-1)
    return np.asarray(np.diff(edges, axis=-1))


def calibration_error(found: Estimates, truth: Floats, bins: int = 10) -> float:
    """Mean distance of P(level) from how often it is the level, over tenths of P weighted by their numbers."""
    probability = level_probabilities(found).ravel()
    level = np.searchsorted(CUTS, truth)
    happened = (level[..., None] == np.arange(len(CUTS) + 1)).ravel()
    place = np.minimum((probability * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    said = np.bincount(place, weights=probability, minlength=bins)
    came = np.bincount(place, weights=happened, minlength=bins)
    return float(np.abs(said - came).sum() / count.sum())

"""Slopes of simulated students: what the measurement model would say of changes, drawn with numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from sightline.growth.changes import N_SKILLS, Changes, Floats, Levels, members_of

ERROR, CORRELATION = 0.93, 0.16
"""Standard error (SD) of one student's change in one skill at about 105 items in 8 weeks, and how errors of two
skills of one student correlate; from the posterior of the model's own design."""

ITEMS = 15
"""Items of one skill in a window."""

SPREAD = 0.0625 * (0.45 + 0.55 * np.eye(N_SKILLS))
"""Covariance of true change: SD .25 a window, correlated .45 among skills."""

AMONG_SKILLS = 0.45 + 0.55 * np.eye(N_SKILLS)


def error_covariance() -> Floats:
    return ERROR**2 * (CORRELATION + (1 - CORRELATION) * np.eye(N_SKILLS))


def a_school(mean: Floats, *, size: int = 25, spread: Floats | None = None) -> Changes:
    """Classes of the given size, with typical errors. mean: N x 7."""
    n = len(mean)
    return Changes(
        mean=mean,
        covariance=np.tile(error_covariance(), (n, 1, 1)),
        members=members_of(np.arange(n) // size, n // size),
        weeks=8,
        spread=spread,
    )


def errors(rng: np.random.Generator, n: int, *, tails: str = "normal") -> Floats:
    """Errors of n students' changes (n x 7) with the covariance of `error_covariance`.

    tails: "normal"; "t3 weighted", slopes from items with t3 noise at the mode of Student-t errors, as the model
    has them; "t3 unweighted", the same items by least squares. Their standard errors are right in all three.
    """
    own = np.sqrt(1 - CORRELATION) * _own(rng, n, tails) / _sd(tails)
    return np.asarray(ERROR * (own + np.sqrt(CORRELATION) * rng.normal(size=(n, 1))))


@cache
def _sd(tails: str) -> float:
    return float(_own(np.random.default_rng(0), 4000, tails).std())


def _own(rng: np.random.Generator, n: int, tails: str) -> Floats:
    if tails == "normal":
        return rng.normal(size=(n, N_SKILLS))
    time = np.linspace(-0.5, 0.5, ITEMS)
    y = rng.standard_t(3, size=(n, N_SKILLS, ITEMS))
    if tails == "t3 unweighted":
        return np.asarray(y @ time)
    level, slope = np.median(y, axis=-1, keepdims=True), np.zeros((n, N_SKILLS, 1))
    for _ in range(15):
        weight = 4 / (3 + (y - level - slope * time) ** 2)
        total = weight.sum(axis=-1, keepdims=True)
        centre = (weight * time).sum(axis=-1, keepdims=True) / total
        middle = (weight * y).sum(axis=-1, keepdims=True) / total
        lean = weight * (time - centre)
        slope = (lean * (y - middle)).sum(axis=-1, keepdims=True) / (lean * (time - centre)).sum(
            axis=-1, keepdims=True
        )
        level = middle - slope * centre
    return np.asarray(slope[..., 0])


@dataclass(frozen=True)
class Played:
    """A class design and how its data become posteriors: xhat = gain y, one matrix for each student."""

    designs: tuple[Floats, ...]
    gains: tuple[Floats, ...]
    covariances: Floats


def a_design(rng: np.random.Generator, students: int, items: int = 70, noise: float = 0.8) -> Played:
    """Items at random times, each loading .5 on one skill; slopes flat, levels with their prior."""
    precision = np.zeros((2 * N_SKILLS, 2 * N_SKILLS))
    precision[:N_SKILLS, :N_SKILLS] = np.linalg.inv(AMONG_SKILLS)
    precision[N_SKILLS:, N_SKILLS:] = 1e-4 * np.eye(N_SKILLS)
    designs, gains, covariances = [], [], []
    for _ in range(students):
        skill, time = np.arange(items) % N_SKILLS, rng.random(items)
        h = np.zeros((items, 2 * N_SKILLS))
        h[np.arange(items), skill] = 0.5
        h[np.arange(items), N_SKILLS + skill] = 0.5 * time
        covariance = np.linalg.inv(precision + h.T @ h / noise)
        designs.append(h)
        gains.append(covariance @ h.T / noise)
        covariances.append(covariance)
    return Played(tuple(designs), tuple(gains), np.array(covariances))


def play(
    rng: np.random.Generator, played: Played, n_classes: int, *, between: float, change: float, noise: float = 0.8
) -> Changes:
    """Changes of n_classes classes of one design; `between` of the variance of levels lies between classes."""
    root = np.linalg.cholesky(AMONG_SKILLS)
    means = []
    for _ in range(n_classes):
        high = np.sqrt(between) * root @ rng.normal(size=N_SKILLS)
        for h, gain in zip(played.designs, played.gains, strict=True):
            level = high + np.sqrt(1 - between) * root @ rng.normal(size=N_SKILLS)
            truth = np.concatenate([level, np.full(N_SKILLS, change)])
            means.append(gain @ (h @ truth + np.sqrt(noise) * rng.normal(size=len(h))))
    mean, size = np.array(means), len(played.designs)
    covariance = np.tile(played.covariances, (n_classes, 1, 1))
    return Changes(
        mean=mean[:, N_SKILLS:],
        covariance=covariance[:, N_SKILLS:, N_SKILLS:],
        members=members_of(np.arange(len(mean)) // size, n_classes),
        weeks=8,
        levels=Levels(
            mean=mean[:, :N_SKILLS],
            covariance=covariance[:, :N_SKILLS, :N_SKILLS],
            cross=covariance[:, N_SKILLS:, :N_SKILLS],
            prior=AMONG_SKILLS,
        ),
    )

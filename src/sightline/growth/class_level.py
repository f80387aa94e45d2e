"""A class's own mean level, let free, so that a high or a low class is not taken for a changed one.

The prior holds every student to level 0 at the start of the window. A student above it is pulled down where the
early evidence is thin, and so seems to rise. One student's error holds that; a class that is high as a whole has
it in common. So the mean level a of a class is estimated by the same equations as severity. With S the prior
covariance of levels, m_i and P_i a student's level and its covariance (slopes flat), and share the part of S that
lies between classes:

    e = sum S^-1 m_i     q = sum (S^-1 - S^-1 P_i S^-1)     V = ((share S)^-1 + q)^-1     a = V e

and changes move by Cov(change, level) S^-1 a. The share comes from the classes themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightline.growth.changes import Floats, Index, Levels

SHARES = np.linspace(0.0, 0.5, 51)
"""Shares of the variance of levels that may lie between classes. Schools seldom pass .3."""


@dataclass(frozen=True, slots=True)
class ClassLevels:
    """Mean level of each class: mean C x 7, covariance C x 7 x 7, and the share of variance between classes."""

    mean: Floats
    covariance: Floats
    share: float


def class_levels(levels: Levels, members: tuple[Index, ...]) -> ClassLevels:
    """Posterior of every class's mean level; the share is the mean of its posterior under a flat prior.

    The mean and no maximum: few classes say little about the share, and 0 would be the most daring guess.
    """
    root = np.linalg.cholesky(levels.prior)
    whiten = np.linalg.inv(root)
    score = np.array([whiten @ levels.mean[rows].sum(axis=0) for rows in members]).reshape(-1, len(root))
    known = np.array(
        [
            len(rows) * np.eye(len(root)) - whiten @ levels.covariance[rows].sum(axis=0) @ whiten.T
            for rows in members
        ]
    ).reshape(-1, *root.shape)
    value, axis = np.linalg.eigh(known)
    value = np.maximum(value, 0.0)  # no negative information by rounding
    along = np.einsum("ckd,ck->cd", axis, score)
    share = _share(value, along)
    kept = share / (1.0 + share * value)
    back = root @ axis
    return ClassLevels(
        mean=np.einsum("ckd,cd->ck", back, kept * along),
        covariance=np.einsum("ckd,cd,cld->ckl", back, kept, back),
        share=share,
    )


def _share(value: Floats, along: Floats) -> float:
    """Mean of the posterior of the share, from each class's information and score on its own axes (C x 7)."""
    spread = 1.0 + SHARES[:, None, None] * value
    likelihood = 0.5 * (SHARES[:, None, None] * along**2 / spread - np.log(spread)).sum(axis=(1, 2))
    weight = np.exp(likelihood - likelihood.max())
    return float(weight @ SHARES / weight.sum())


def moved_by(levels: Levels, rows: Index, weight: Floats) -> Floats:
    """How far the mean level of a class moves its mean changes (7 x 7). weight: students x 7, columns sum to 1."""
    return np.asarray(np.einsum("ik,ikl->kl", weight, levels.cross[rows]) @ np.linalg.inv(levels.prior))

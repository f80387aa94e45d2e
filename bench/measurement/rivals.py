"""What the model is compared with: fixed weights, equal thirds, and boosting trained on teacher ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from bench.measurement.world import GAME, TALK, TEACHER, Simulated, standardised
from sightline.measurement.card import N_SKILLS, N_SOURCES
from sightline.measurement.observations import Floats, Observations, Parameters

FIXED_WEIGHTS = (0.5, 0.2, 0.2, 0.1)
"""Of game, talk, teacher, and the student's mean over all skills and sources as the fourth part: the skills
correlate, so that this fourth part helps. One such formula of many."""

FOLDS = 5
LEVEL = 0.90


@dataclass(frozen=True, slots=True)
class Boosted:
    """Out-of-fold predictions of the mean rating (N x 7, SD of ratings) and half the width of their interval."""

    predicted: Floats
    label: Floats
    half_width: Floats


def indicator_means(observations: Observations, n_indicators: int) -> Floats:
    """Mean of each student's values of each indicator (N x J), NaN where there is none."""
    cell = observations.student * n_indicators + observations.indicator
    size = observations.n_students * n_indicators
    count = np.bincount(cell, minlength=size)
    total = np.bincount(cell, weights=observations.y, minlength=size)
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return np.asarray(means.reshape(observations.n_students, n_indicators))


def source_means(observations: Observations, parameters: Parameters) -> Floats:
    """Mean of each student's indicator means for each skill and source (3 x N x 7), 0 for none, as such formulas do."""
    means = indicator_means(observations, len(parameters.skill))
    found = np.zeros((N_SOURCES, observations.n_students, N_SKILLS))
    for source in range(N_SOURCES):
        for skill in range(N_SKILLS):
            mine = means[:, (parameters.source == source) & (parameters.skill == skill)]
            there = ~np.isnan(mine)
            found[source, :, skill] = np.where(there, mine, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return found


def on_one_scale(by_source: Floats) -> Floats:
    """Each source's score of each skill at mean 0 and SD 1 in the sample, without which weights mean nothing."""
    return np.array([np.stack([standardised(column) for column in score.T], axis=1) for score in by_source])


def fixed_weights(by_source: Floats) -> Floats:
    """50/20/20/10 of game, talk, teacher and the student's mean over all (N x 7), from scores of sources."""
    overall = by_source.mean(axis=(0, 2))[:, None]
    game, talk, teacher, rest = FIXED_WEIGHTS
    return np.asarray(
        game * by_source[GAME] + talk * by_source[TALK] + teacher * by_source[TEACHER] + rest * overall
    )


def equal_thirds(by_source: Floats) -> Floats:
    """The mean of the three sources (N x 7)."""
    return np.asarray(by_source.mean(axis=0))


def best_rescaled(score: Floats, truth: Floats) -> Floats:
    """The straight line from score to truth with the least squared error, skill by skill: more than any user could do.

    It needs the truth, so no formula with fixed weights does better in practice.
    """
    found = np.empty_like(score)
    for skill in range(score.shape[1]):
        own = standardised(score[:, skill])
        slope = float(np.mean(own * (truth[:, skill] - truth[:, skill].mean())))
        found[:, skill] = truth[:, skill].mean() + slope * own
    return found


def boosting(rng: np.random.Generator, simulated: Simulated) -> Boosted:
    """Gradient boosting from game and talk to the mean rating, cross-fitted, with split-conformal intervals of 90 %.

    A fifth of each training part is held back to set the width of the interval. Ratings and their predictions are
    in SD of the ratings, which is how a product that trains on ratings would show them.
    """
    observations, parameters = simulated.observations, simulated.truth.parameters
    means = indicator_means(observations, len(parameters.skill))
    features = means[:, parameters.source != TEACHER]
    teacher = source_means(observations, parameters)[TEACHER]
    n = observations.n_students
    fold = rng.permutation(n) % FOLDS
    predicted, half_width = np.empty((n, N_SKILLS)), np.empty((n, N_SKILLS))
    label = np.stack([standardised(teacher[:, skill]) for skill in range(N_SKILLS)], axis=1)
    for held in range(FOLDS):
        test = fold == held
        calibrate = fold == (held + 1) % FOLDS
        train = ~test & ~calibrate
        for skill in range(N_SKILLS):
            model = HistGradientBoostingRegressor(
                max_iter=60, learning_rate=0.08, max_leaf_nodes=8, min_samples_leaf=20, random_state=0
            )
            model.fit(features[train], label[train, skill])
            predicted[test, skill] = model.predict(features[test])
            residual = np.abs(label[calibrate, skill] - model.predict(features[calibrate]))
            rank = min(1.0, LEVEL * (1.0 + 1.0 / calibrate.sum()))
            half_width[test, skill] = np.quantile(residual, rank, method="higher")
    return Boosted(predicted, label, half_width)

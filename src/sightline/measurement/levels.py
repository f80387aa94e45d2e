"""Probabilities of the four levels from a posterior, and which name may be said."""

from __future__ import annotations

from itertools import pairwise
from statistics import NormalDist

from sightline.domain.skills import LEVELS, Level

NAMED_FROM = 0.60
"""One level is named alone when its probability reaches this; else two neighbours are named."""

Z_90 = 1.6448536269514722
"""Half-width of a 90 % interval in standard errors."""


def level_probabilities(
    mean: float, standard_error: float, cuts: tuple[float, float, float]
) -> tuple[tuple[Level, float], ...]:
    """Probability of each level, lowest first; they sum to 1. Mean, error and cuts in SD."""
    below = [0.0, *(NormalDist(mean, standard_error).cdf(cut) for cut in cuts), 1.0]
    return tuple((level, below[i + 1] - below[i]) for i, level in enumerate(LEVELS))


def level_name(probabilities: tuple[tuple[Level, float], ...]) -> str:
    """The most probable level when it reaches NAMED_FROM, else "lower to higher" of the likeliest two."""
    level, probability = max(probabilities, key=lambda pair: pair[1])
    if probability >= NAMED_FROM:
        return level.value
    neighbours = max(pairwise(probabilities), key=lambda two: two[0][1] + two[1][1])
    return f"{neighbours[0][0].value} to {neighbours[1][0].value}"


def interval_90(mean: float, standard_error: float) -> tuple[float, float]:
    """The 90 % credible interval, in SD."""
    return mean - Z_90 * standard_error, mean + Z_90 * standard_error

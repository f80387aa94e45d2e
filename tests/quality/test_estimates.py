"""Coverage, level calibration and reliability are measured as they are, and a model that is too sure is seen."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from known_truth import SIGMA, a_school
from scipy.stats import norm

from sightline.errors import BadInput
from sightline.quality.coverage import Coverage, LevelCalibration, coverage, level_calibration
from sightline.quality.matching import Floats
from sightline.quality.reliability import empirical_reliability
from sightline.quality.verdicts import Verdict, clustered_error

CUTS = (-1.2, 0.0, 1.2)


@cache
def estimated(*, honest: bool = True) -> tuple[Floats, Floats, Floats]:
    """True skills, means and standard errors (2,000 x 7) from every second, third ... or all indicators."""
    school = a_school(np.random.default_rng(0), 2000)
    mean, error = np.empty_like(school.truth), np.empty_like(school.truth)
    for part in range(4):
        rows = np.arange(2000) % 4 == part
        found, covariance = school.posterior(list(range(0, 30, part + 1)), SIGMA, honest=honest)
        mean[rows], error[rows] = found[rows], np.sqrt(np.diag(covariance))
    return school.truth, mean, error


def covered(*, honest: bool = True) -> Coverage:
    truth, mean, error = estimated(honest=honest)
    student = np.repeat(np.arange(len(truth)), 7)
    return coverage(truth.ravel(), mean.ravel(), error.ravel(), 1 - error.ravel() ** 2, student)


def calibrated(*, honest: bool = True) -> LevelCalibration:
    truth, mean, error = estimated(honest=honest)
    below = norm.cdf((np.array(CUTS) - mean.ravel()[:, None]) / error.ravel()[:, None])
    return level_calibration(np.diff(below, axis=1, prepend=0.0, append=1.0), truth.ravel(), CUTS)


def test_ninety_percent_intervals_of_an_honest_model_hold_the_truth() -> None:
    found = covered()
    assert found.verdict is Verdict.GOOD
    assert abs(found.overall.value - 0.90) <= 3 * found.overall.standard_error
    assert found.overall.standard_error < 0.005


def test_they_hold_at_every_reliability() -> None:
    found = covered()
    assert sum(share.n for share in found.bins) == found.overall.n == 14_000
    for share in found.bins:
        assert abs(share.value - 0.90) <= max(3.5 * share.standard_error, 0.02)


def test_without_method_and_session_terms_coverage_falls_and_is_called_bad() -> None:
    found = covered(honest=False)
    assert found.overall.value < 0.82
    assert found.verdict is Verdict.BAD


def test_level_probabilities_of_an_honest_model_come_true() -> None:
    found = calibrated()
    assert found.verdict is Verdict.GOOD
    assert found.error <= 0.01
    assert sum(one.n for one in found.bins) == 4 * 14_000


def test_level_probabilities_of_a_model_that_is_too_sure_do_not() -> None:
    honest, sure = calibrated(), calibrated(honest=False)
    assert sure.error > 3 * honest.error


def test_the_error_of_perfect_statements_is_what_chance_shows() -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(20):
        truth = rng.normal(size=400)
        below = norm.cdf(np.tile(CUTS, (400, 1)))  # knows the population and nothing else
        statement = level_calibration(np.diff(below, axis=1, prepend=0.0, append=1.0), truth, CUTS)
        found.append(statement.error / statement.by_chance)
    assert 0.7 <= np.mean(found) <= 1.3


def test_too_few_estimates_give_no_verdict() -> None:
    few = np.zeros(20)
    assert coverage(few, few, few + 1, few + 0.5, np.arange(20)).verdict is Verdict.NOT_ENOUGH
    assert level_calibration(np.full((20, 4), 0.25), few, CUTS).verdict is Verdict.NOT_ENOUGH


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(BadInput, match="as many truths"):
        coverage(np.zeros(3), np.zeros(2), np.ones(2), np.ones(2), np.arange(2))
    with pytest.raises(BadInput, match="four levels"):
        level_calibration(np.zeros((3, 3)), np.zeros(3), CUTS)


def test_the_error_of_a_mean_allows_for_what_students_share() -> None:
    rng = np.random.default_rng(2)
    means, errors = [], []
    for _ in range(200):
        values = np.repeat(rng.normal(size=40), 7)
        means.append(values.mean())
        errors.append(clustered_error(values, np.repeat(np.arange(40), 7)))
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.15)


def test_empirical_reliability_is_the_squared_correlation_with_the_truth() -> None:
    truth, mean, error = estimated()
    for skill, found in enumerate(empirical_reliability(mean, error)):
        assert found.value is not None
        assert found.standard_error is not None
        r2 = np.corrcoef(truth[:, skill], mean[:, skill])[0, 1] ** 2
        assert abs(found.value - r2) < 4 * found.standard_error + 0.01


def test_its_interval_holds_the_reliability_of_the_population() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        error = rng.uniform(0.4, 0.7, (150, 1))
        mean = rng.normal(size=(150, 1)) * np.sqrt(1 - error**2)
        interval = empirical_reliability(mean, error)[0].interval_90
        assert interval is not None
        held += interval[0] <= 1 - (0.7**3 - 0.4**3) / 0.9 <= interval[1]
    assert abs(held / 300 - 0.90) <= 3 * 0.0173


def test_unscored_students_are_left_out_and_too_few_are_said() -> None:
    _, mean, error = estimated()
    gone = mean[:100].copy()
    gone[15:, 2] = np.nan
    found = empirical_reliability(gone, error[:100])
    assert found[2].value is None
    assert found[2].verdict is Verdict.NOT_ENOUGH
    assert found[2].students == 15
    assert "too few" in found[2].words("resilience")
    assert found[1].students == 100


def test_words_say_the_number_and_what_is_right() -> None:
    assert "88 to 92 % is right" in covered().words
    assert "or less is right" in calibrated().words
    found = empirical_reliability(*estimated()[1:])[0]
    assert replace(found, value=0.712).words("empathy").startswith("empathy: 71 % of what differs")

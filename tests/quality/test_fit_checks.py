"""Model health: honest predictions pass, predictions that are too sure or shifted do not, and drift is found."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from known_truth import OM2, SIGMA, a_school

from sightline.errors import BadInput
from sightline.quality.fit_checks import LEAST_PREDICTED, Predicted, drift, left_out, pit
from sightline.quality.matching import Floats, Index
from sightline.quality.verdicts import Verdict


@cache
def predicted(*, honest: bool = True) -> Predicted:
    """Game values of 600 students, predicted from talk and ratings alone."""
    school = a_school(np.random.default_rng(0), 600)
    mean, covariance = school.posterior(list(range(12, 30)), SIGMA)
    rows = np.flatnonzero(school.source[school.indicator] == 0)
    j, student = school.indicator[rows], school.student[rows]
    skill, lam = school.skill[j], school.lam[j]
    variance = school.s2[j] + lam**2 * covariance[skill, skill]
    variance = variance + school.gam[j] ** 2 + OM2[0] if honest else school.s2[j] * 0.7
    return Predicted(school.y[rows], school.c[j] + lam * mean[student, skill], variance, student)


def test_predictions_of_an_honest_model_have_uniform_pit_values() -> None:
    found = pit(predicted())
    assert found.verdict is Verdict.GOOD
    assert sum(found.shares) == pytest.approx(1.0)
    assert abs(found.bias) < 3 * 0.03  # SE: what 600 students bring to games, and the error of their skills
    assert abs(found.spread - 1) < 0.05


def test_predictions_without_all_error_terms_are_called_too_sure() -> None:
    found = pit(predicted(honest=False))
    assert found.verdict is not Verdict.GOOD
    assert "too sure" in found.words
    assert left_out(predicted(honest=False)).verdict is Verdict.BAD


def test_shifted_predictions_are_called_shifted() -> None:
    honest = predicted()
    off = Predicted(honest.observed, honest.mean - 0.5, honest.variance, honest.student)
    assert pit(off).verdict is Verdict.BAD
    assert "above" in pit(off).words


def test_left_out_sessions_are_predicted_better_than_by_the_mean_and_within_their_intervals() -> None:
    found = left_out(predicted())
    assert found.verdict is Verdict.GOOD
    assert found.r is not None
    assert found.r > 0.2
    assert found.rmse < found.rmse_of_mean
    assert abs(found.coverage - 0.90) <= 3 * found.coverage_error
    low, high = found.tenths[0], found.tenths[-1]
    assert low.predicted < high.predicted
    assert low.observed < high.observed


def test_predictions_that_say_nothing_are_bad_whatever_their_intervals() -> None:
    rng = np.random.default_rng(1)
    observed = rng.normal(size=2000)
    blind = Predicted(observed, rng.normal(size=2000), np.full(2000, 2.0), np.arange(2000))
    assert left_out(blind).verdict is Verdict.BAD


def test_few_predictions_give_no_verdict() -> None:
    n = LEAST_PREDICTED - 1
    few = Predicted(np.linspace(-1, 1, n), np.linspace(-1, 1, n), np.ones(n), np.arange(n))
    assert pit(few).verdict is Verdict.NOT_ENOUGH
    assert left_out(few).verdict is Verdict.NOT_ENOUGH
    assert left_out(few).tenths == ()


def test_lengths_must_agree() -> None:
    with pytest.raises(BadInput, match="one mean, one variance"):
        pit(Predicted(np.zeros(3), np.zeros(2), np.ones(3), np.arange(3)))
    with pytest.raises(BadInput, match="one window"):
        drift(np.zeros(3), np.zeros(3, np.intp), np.zeros(2, np.intp), np.arange(3))


def residuals(seed: int, students: int = 300) -> tuple[Floats, Index, Index, Index]:
    """Eight indicators in four windows; students differ, so that their values are no independent ones."""
    rng = np.random.default_rng(seed)
    indicator, window, student = (
        part.ravel() for part in np.meshgrid(np.arange(8), np.arange(4), np.arange(students), indexing="ij")
    )
    brought = 0.4 * rng.normal(size=(8, students))
    residual = brought[indicator, student] + 0.9 * rng.normal(size=len(student))
    return residual, indicator, window, student


def test_an_indicator_that_moved_is_found_in_its_window() -> None:
    residual, indicator, window, student = residuals(0)
    residual = residual + 0.4 * ((indicator == 5) & (window == 2))
    found = {(one.indicator, one.window): one for one in drift(residual, indicator, window, student)}
    assert found[5, 2].verdict is Verdict.BAD
    assert found[5, 2].size == pytest.approx(0.4, abs=0.2)
    assert {key for key, one in found.items() if one.verdict is not Verdict.GOOD} <= {(5, w) for w in range(4)}
    assert "changed?" in found[5, 2].words("asking", "week 3")


def test_nothing_is_called_drift_where_nothing_moved_and_the_errors_hold() -> None:
    verdicts, ratios = [], []
    for seed in range(10):
        for one in drift(*residuals(10 + seed, 80)):
            verdicts.append(one.verdict)
            assert one.size is not None
            assert one.standard_error is not None
            ratios.append(one.size / one.standard_error)
    assert np.mean([verdict is not Verdict.GOOD for verdict in verdicts]) <= 0.01
    assert 0.85 <= np.std(ratios) <= 1.15


def test_few_values_are_not_judged() -> None:
    residual, indicator, window, student = residuals(1, 20)
    found = drift(residual, indicator, window, student)
    assert {one.verdict for one in found} == {Verdict.NOT_ENOUGH}
    assert {one.size for one in found} == {None}
    assert "too few" in found[0].words("asking", "week 1")

"""Simulated schools: what is announced is true often enough, and almost nothing is where nothing happened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sightline.growth.changes import Shared, members_of
from sightline.growth.power import class_standard_error, power
from sightline.growth.testing import class_tests, growth_of, student_tests
from slopes import SPREAD, a_design, a_school, errors, play

SCHOOLS = 200


def margin(rate: float, n: int) -> float:
    """Two standard errors of a simulated rate."""
    return 2 * float(np.sqrt(rate * (1 - rate) / n))


@pytest.mark.parametrize("tails", ["normal", "t3 weighted"])
def test_in_a_school_where_nothing_changes_each_level_announces_anything_in_one_of_twenty(tails: str) -> None:
    rng = np.random.default_rng(4)
    schools = SCHOOLS if tails == "normal" else 60
    announced = np.zeros(3)
    single = []
    for _ in range(schools):
        growth = growth_of(a_school(errors(rng, 250, tails=tails)))
        single.append((growth.classes.p < 0.05).mean())
        levels = (growth.classes, growth.students, growth.skills)
        announced += [(level.grew | level.declined).any() for level in levels]
    assert np.mean(single) <= 0.055 + margin(0.05, schools * 70)
    assert (announced / schools <= 0.055 + margin(0.05, schools)).all()


def test_children_who_change_as_children_do_are_not_announced_one_by_one() -> None:
    rng = np.random.default_rng(5)
    root = np.linalg.cholesky(SPREAD)
    students = skills = 0
    for _ in range(40):
        growth = growth_of(a_school(rng.normal(size=(500, 7)) @ root.T + errors(rng, 500), spread=SPREAD))
        students += int((growth.students.grew | growth.students.declined).sum())
        skills += int((growth.skills.grew | growth.skills.declined).sum())
    assert students / 40 < 1, "of 500 students fewer than one a window"
    assert skills / 40 < 1, "of 3,500 changes fewer than one a window"


MIXTURES = {
    "some classes grow": (0.3, 0.5, 0.0, 0.0),
    "some classes grow and a few students much more": (0.3, 0.5, 0.1, 1.5),
    "a few students change very much": (0.0, 0.0, 0.1, 2.5),
}


def realised(
    rng: np.random.Generator, mixture: tuple[float, float, float, float], tails: str, schools: int
) -> float:
    """The largest of the three levels' realised false-discovery rates at q = .10."""
    share, size, few, much = mixture
    wrong = np.zeros((schools, 3))
    for school in range(schools):
        sign = np.where(rng.random((20, 7)) < 0.8, 1, -1)
        truth = np.repeat((rng.random((20, 7)) < share) * sign * size, 25, axis=0)
        truth += (rng.random(500) < few)[:, None] * much
        growth = growth_of(a_school(truth + errors(rng, 500, tails=tails)), q=0.10)
        of_class = truth.reshape(20, 25, 7).mean(axis=1)
        for i, (level, true) in enumerate(
            ((growth.classes, of_class), (growth.students, truth.mean(axis=1)), (growth.skills, truth))
        ):
            false = level.found & (level.change * true <= 1e-12)
            wrong[school, i] = false.sum() / max(level.found.sum(), 1)
    return float(wrong.mean(axis=0).max())


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize(("tails", "schools"), [("normal", 100), ("t3 weighted", 25)])
def test_of_ten_that_are_found_about_one_is_false_at_most(mixture: str, tails: str, schools: int) -> None:
    assert realised(np.random.default_rng(6), MIXTURES[mixture], tails, schools) <= 0.12


def test_heavy_tails_that_nothing_weighs_down_break_the_promise() -> None:
    rng = np.random.default_rng(7)
    wrong = [
        growth_of(a_school(errors(rng, 500, tails="t3 unweighted")), q=0.05).students.found.any()
        for _ in range(80)
    ]
    assert np.mean(wrong) > 0.12, "a control that must fail: without weights there is no .05"


@pytest.mark.parametrize("between", [0.0, 0.1])
@pytest.mark.parametrize("n_classes", [2, 12])
def test_a_class_that_is_high_or_low_as_a_whole_is_not_taken_for_a_changed_one(
    between: float, n_classes: int
) -> None:
    rng = np.random.default_rng(8)
    played = a_design(rng, 25)
    free, held = [], []
    for _ in range(240 // n_classes):
        school = play(rng, played, n_classes, between=between, change=0.0)
        free.append(class_tests(school).p < 0.05)
        held.append(class_tests(replace(school, levels=None)).p < 0.05)
    assert np.mean(free) <= 0.055 + margin(0.05, 240 * 7)
    if between:
        assert np.mean(held) > 0.075, "a control that must fail: classes held to the population's level"


def test_a_class_that_changed_is_estimated_without_bias_when_its_level_is_free() -> None:
    rng = np.random.default_rng(9)
    played = a_design(rng, 25)
    found = [class_tests(play(rng, played, 10, between=0.1, change=0.5)) for _ in range(12)]
    error = np.mean([t.standard_error for t in found])
    assert np.mean([t.change for t in found]) == pytest.approx(0.5, abs=3 * error / np.sqrt(120 * 7))


def test_an_error_that_a_class_has_in_common_widens_its_mean() -> None:
    rng = np.random.default_rng(10)
    known, unknown = [], []
    for _ in range(100):
        gain = np.zeros((250, 7, 10))
        gain[np.arange(250), :, np.arange(250) // 25] = 0.3
        severity = rng.normal(size=10)
        own = errors(rng, 250)
        plain = a_school(own + gain @ severity)
        # each student's covariance holds what severity adds to it
        plain = replace(plain, covariance=plain.covariance + 0.09)
        unknown.append(class_tests(plain).p < 0.05)
        known.append(class_tests(replace(plain, shared=(Shared(gain, np.eye(10)),))).p < 0.05)
    assert np.mean(known) == pytest.approx(0.05, abs=0.03)
    assert np.mean(unknown) > 0.2, "a control that must fail: severity taken for each student's own"


def test_a_shock_of_the_class_is_covered_when_its_variance_is_given() -> None:
    rng = np.random.default_rng(11)
    shocks = 0.2 * rng.normal(size=(400, 10, 7))
    tests = []
    for shock in shocks:
        plain = a_school(np.repeat(shock, 25, axis=0) + errors(rng, 250))
        tests.append(class_tests(replace(plain, class_error=np.tile(0.04 * np.eye(7), (10, 1, 1)))).p < 0.05)
    assert np.mean(tests) == pytest.approx(0.05, abs=margin(0.05, 28000))


@pytest.mark.parametrize("change", [0.3, 0.5])
def test_power_of_a_class_is_what_the_formula_says(change: float) -> None:
    rng = np.random.default_rng(12)
    tests = [class_tests(a_school(change + errors(rng, 500))) for _ in range(60)]
    risen = np.mean([(t.p < 0.05) & (t.change > 0) for t in tests])
    said = float(power(change, class_standard_error(25, 0.93)))
    assert risen == pytest.approx(said, abs=0.03)


def test_likely_comes_true_nine_times_in_ten() -> None:
    rng = np.random.default_rng(13)
    root = np.linalg.cholesky(SPREAD)
    calibrated, flat = [], []
    for _ in range(60):
        # more evidence than is typical, or nothing would be likely at all
        truth = rng.normal(size=(500, 7)) @ root.T
        few = replace(a_school(truth + 0.25 * errors(rng, 500), spread=SPREAD), members=members_of([-1] * 500, 0))
        few = replace(few, covariance=few.covariance / 16)
        rise = student_tests(few).probability_of_rise >= 0.9
        calibrated.append(truth.mean(axis=1)[rise] > 0)
        noisy = student_tests(a_school(truth + errors(rng, 500)))
        flat.append(truth.mean(axis=1)[noisy.probability_of_rise >= 0.9] > 0)
    assert np.concatenate(calibrated).mean() >= 0.9
    assert np.concatenate(flat).mean() < 0.8, "a control that must fail: with a flat prior likely is not so"

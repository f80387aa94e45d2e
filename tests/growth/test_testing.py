"""Laws of the tests of change, whatever the numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from sightline.domain.changes import TooFew
from sightline.errors import BadInput
from sightline.growth.changes import Changes, Floats, members_of, occasion_error
from sightline.growth.discovery import discoveries, discoveries_inside
from sightline.growth.power import class_power_curves, class_standard_error, overall_standard_error, power
from sightline.growth.power import smallest_visible as visible
from sightline.growth.testing import Growth, class_tests, counted_in, growth_of, skill_tests, student_tests
from slopes import a_school, errors

seeds = st.integers(0, 10_000)
lift = st.floats(-2, 2)


def a_grown_school(seed: int, shift: float, students: int = 100) -> Changes:
    rng = np.random.default_rng(seed)
    few = (rng.random(students) < 0.2)[:, None] * 3 * shift
    return a_school(shift * (rng.random((1, 7)) < 0.5) + few + errors(rng, students))


@given(seeds, lift)
def test_only_what_is_found_and_large_is_announced_and_skills_only_of_the_selected(
    seed: int, shift: float
) -> None:
    growth = growth_of(a_grown_school(seed, shift))
    for level in (growth.classes, growth.students, growth.skills):
        announced = level.grew | level.declined
        assert (level.q[announced] < 0.05).all()
        assert (np.abs(level.change[announced]) >= 0.2).all()
        assert not (level.grew & level.declined).any()
    assert not growth.skills.found[~growth.selected].any()
    assert np.isnan(growth.skills.q[~growth.selected]).all()


@given(seeds, lift)
def test_what_rose_in_one_direction_fell_in_the_other(seed: int, shift: float) -> None:
    changes = a_grown_school(seed, shift)
    up, down = growth_of(changes), growth_of(replace(changes, mean=-changes.mean))
    for above, below in ((up.classes, down.classes), (up.students, down.students), (up.skills, down.skills)):
        assert np.array_equal(above.grew, below.declined)
        assert np.array_equal(above.declined, below.grew)
        np.testing.assert_allclose(above.probability_of_rise, 1 - below.probability_of_rise, atol=1e-12)
        np.testing.assert_allclose(above.smallest_visible, below.smallest_visible)


@given(seeds, lift)
def test_the_order_of_students_does_not_matter(seed: int, shift: float) -> None:
    changes = a_grown_school(seed, shift)
    order = np.random.default_rng(seed).permutation(len(changes.mean))
    place = np.argsort(order)
    moved = growth_of(
        replace(
            changes,
            mean=changes.mean[order],
            covariance=changes.covariance[order],
            members=tuple(place[rows] for rows in changes.members),
        )
    )
    still = growth_of(changes)
    np.testing.assert_allclose(moved.classes.q, still.classes.q)
    np.testing.assert_allclose(moved.students.q, still.students.q[order])
    np.testing.assert_array_equal(moved.skills.found, still.skills.found[order])


@given(st.lists(st.floats(1e-12, 1), min_size=1, max_size=60), st.floats(0.01, 0.2))
def test_a_family_is_found_as_another_library_finds_it(values: list[float], q: float) -> None:
    p = np.array(values)
    found = discoveries(p, np.ones(len(p), dtype=bool), q)
    rejected, adjusted, *_ = multipletests(p, alpha=q, method="fdr_bh")
    np.testing.assert_allclose(found.q, adjusted)
    assert np.array_equal(found.found, rejected) or np.isclose(adjusted, q).any()


@given(st.lists(st.floats(1e-9, 1), min_size=2, max_size=40), st.data())
def test_a_test_is_found_as_soon_as_it_reaches_its_bar(values: list[float], data: st.DataObject) -> None:
    p, tested = np.array(values), np.ones(len(values), dtype=bool)
    i = data.draw(st.integers(0, len(p) - 1))
    bar = discoveries(p, tested, 0.05).reached[i]
    lower = p.copy()
    lower[i] = min(p[i], bar * 0.999)
    assert discoveries(lower, tested, 0.05).found[i]


def test_inside_selected_families_q_is_the_share_that_was_selected() -> None:
    p = np.array([[0.004, 0.5], [0.004, 0.5], [0.9, 0.9], [0.9, 0.9]])
    two_of_four = discoveries_inside(p, np.array([True, True, False, False]), 4, 0.05)
    one_of_four = discoveries_inside(p, np.array([True, False, False, False]), 4, 0.05)
    np.testing.assert_allclose(two_of_four.q[0], [0.008 / 0.5, 1.0])
    np.testing.assert_allclose(one_of_four.q[0], [0.008 / 0.25, 1.0])
    assert two_of_four.found[:2, 0].all()
    assert not two_of_four.found[2:].any()


def test_one_student_with_almost_no_evidence_does_not_drown_a_class() -> None:
    rng = np.random.default_rng(1)
    school = a_school(0.8 + errors(rng, 25))
    thin = replace(school, covariance=school.covariance.copy())
    thin.covariance[0] = 1e4 * np.eye(7)
    thin.mean[0] = -50
    tests = class_tests(thin)
    assert (tests.counted == 24).all()
    assert (tests.standard_error < 0.2).all()


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=30))
def test_who_counts_is_the_surest_half_at_least_and_leaving_anybody_out_pays(variances: list[float]) -> None:
    row = np.array([variances])
    half = max(1, (len(variances) + 1) // 2)
    chosen = counted_in(row, half)[0]
    counted = chosen.sum()
    assert counted >= half
    assert chosen.all() or row[0][chosen].max() <= row[0][~chosen].min()
    error = row[0][chosen].sum() / counted**2
    assert error <= row[0].sum() / len(variances) ** 2 + 1e-9


def test_a_handful_of_students_is_no_class_and_an_empty_school_has_no_findings() -> None:
    few = a_school(5 + errors(np.random.default_rng(2), 8), size=4)
    growth = growth_of(few)
    assert not growth.classes.tested.any()
    assert growth.classes.at(0, 0) == TooFew(4)
    nobody = replace(
        few, mean=np.zeros((0, 7)), covariance=np.zeros((0, 7, 7)), members=(np.array([], dtype=np.intp),)
    )
    empty = growth_of(nobody)
    assert empty.classes.at(0, 0) == TooFew(0)
    assert empty.students.change.shape == (0,)
    assert growth_of(replace(nobody, members=())).classes.change.shape == (0, 7)


def test_a_skill_without_evidence_is_left_out_of_a_student_overall() -> None:
    school = a_school(errors(np.random.default_rng(3), 25))
    school.covariance[:, 6] = school.covariance[:, :, 6] = 0.0
    school.covariance[:, 6, 6] = 1e4
    overall = student_tests(school)
    assert (overall.counted == 6).all()
    np.testing.assert_allclose(overall.change, school.mean[:, :6].mean(axis=1))


def test_the_smallest_visible_change_is_seen_four_times_in_five() -> None:
    for error, p_at_most, at_least in ((0.2, 0.05, 0.0), (0.05, 0.05, 0.2), (0.98, 0.001, 0.2)):
        seen = visible(error, p_at_most=p_at_most, at_least=at_least)
        assert power(seen, error, p_at_most=p_at_most, at_least=at_least) == pytest.approx(0.8)
    alone = a_school(np.zeros((1, 7)), size=1)
    nobody_selected = skill_tests(alone, np.array([False]), 1)
    np.testing.assert_allclose(nobody_selected.smallest_visible, visible(0.93, at_least=0.2))


def test_power_rises_with_change_and_class_and_is_the_size_of_the_test_at_none() -> None:
    curves = class_power_curves(np.linspace(0, 1, 11), [10, 25, 60], 0.98)
    assert (np.diff(curves, axis=1) > 0).all()
    assert (np.diff(curves[:, 1:], axis=0) > 0).all()
    np.testing.assert_allclose(curves[:, 0], 0.025)
    one_sided = power([0.3, 0.5], 0.98, p_at_most=0.10)
    np.testing.assert_allclose(one_sided, [0.09, 0.12], atol=0.01)  # the model's figures for one student
    assert class_standard_error(10**9, 0.98, 0.1) == pytest.approx(0.1), "what is shared no class size takes away"
    assert overall_standard_error(1.0, 1.0) == pytest.approx(1.0)
    assert overall_standard_error(1.0, 0.0) == pytest.approx(7**-0.5)


def test_shocks_of_three_occasions_lean_by_the_formula_of_a_regression() -> None:
    times = np.array([0.0, 0.5, 1.0])
    rng = np.random.default_rng(0)
    slopes = [np.polyfit(times, rng.normal(size=3), 1)[0] for _ in range(4000)]
    assert occasion_error(times, np.ones(3), 1.0) == pytest.approx(2.0)
    assert np.var(slopes) == pytest.approx(2.0, rel=0.1)
    assert occasion_error(np.array([0.5, 0.5]), np.ones(2), 1.0) == np.inf


def broken(**parts: object) -> dict[str, object]:
    ok: dict[str, object] = {
        "mean": np.zeros((6, 7)),
        "covariance": np.tile(np.eye(7), (6, 1, 1)),
        "members": members_of([0, 0, 0, 1, 1, 1], 2),
        "weeks": 8.0,
    }
    return ok | parts


def with_nan() -> Floats:
    return np.full((6, 7), np.nan)


@pytest.mark.parametrize(
    "parts",
    [
        {"weeks": 3.9},
        {"weeks": 12.1},
        {"mean": np.zeros((6, 6))},
        {"mean": with_nan()},
        {"covariance": np.zeros((6, 7, 7))},
        {"members": (np.array([0, 0]),)},
        {"members": (np.array([6]),)},
        {"class_error": np.zeros((3, 7, 7))},
        {"spread": np.eye(6)},
        {"shared_tasks": 1.2},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_what_does_not_fit_together_is_refused(parts: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        Changes(**broken(**parts))  # type: ignore[arg-type]


@pytest.mark.parametrize("weeks", [4.0, 8.0, 12.0])
def test_windows_of_four_to_twelve_weeks_are_tested_alike(weeks: float) -> None:
    changes = replace(a_grown_school(1, 1.0), weeks=weeks)
    growth: Growth = growth_of(changes)
    assert np.array_equal(growth.classes.found, growth_of(a_grown_school(1, 1.0)).classes.found)

"""Laws of Student-t errors: what pulls is the error at the posterior's mode, less the farther it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from schools_of_arrays import array_schools, joint, random_observations, random_parameters
from sightline.measurement import kernel, robust
from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.contributions import LEVELS_NOW, by_student
from sightline.measurement.known_severity import KnownSeverity
from sightline.measurement.observations import Observations, Parameters
from sightline.measurement.posterior import error_variance, solve
from sightline.measurement.robust import expected_errors, pulled_in, solve_settled, weights

School = tuple[Observations, Parameters]


@settings(max_examples=40, deadline=None)
@given(array_schools())
def test_expected_errors_are_those_of_the_joint_gaussian(school: School) -> None:
    o, p = school
    errors = expected_errors(o, p, solve(o, p))
    mean, _ = joint(o, p)
    first = STATE * o.n_students
    for n in range(len(o.y)):
        j, base = o.indicator[n], o.student[n] * STATE
        expected = p.c[j] + mean[first + o.sitting[n]] + p.gam[j] * mean[base + 2 * N_SKILLS + p.source[j]]
        expected += p.lam[j] * (mean[base + p.skill[j]] + o.time[n] * mean[base + N_SKILLS + p.skill[j]])
        if o.rater[n] >= 0:
            expected += mean[first + o.n_sittings + o.rater[n]]
        if 0 <= o.task[n] < len(p.difficulty):
            expected += p.difficulty[o.task[n]]
        assert errors[n] == pytest.approx(o.y[n] - expected, abs=1e-9)


def a_school(nu: float, students: int = 60) -> School:
    rng = np.random.default_rng(8)
    parameters = replace(random_parameters(rng), nu=nu)
    return random_observations(rng, parameters, students=students), parameters


@pytest.mark.parametrize("nu", [2.2, 4.0, 8.0])
def test_what_was_pulled_in_reproduces_itself(nu: float) -> None:
    o, p = a_school(nu)
    found = solve_settled(o, p, kernel)
    assert found.settled
    pulled = replace(o, y=found.y)
    error = kernel.expected_errors(pulled, p, found.solved) + o.y - found.y
    np.testing.assert_allclose(pulled_in(o.y, error, error_variance(o, p), nu), found.y, atol=5e-4)


@settings(max_examples=20, deadline=None)
@given(array_schools())
def test_the_posterior_lies_at_a_mode_where_t_errors_pull_as_hard_as_the_priors_do(school: School) -> None:
    """The mode is the mean of normal errors whose precision each item's own error has made smaller."""
    o, p = school[0], replace(school[1], nu=4.0)
    found = solve_settled(o, p, kernel)
    error = kernel.expected_errors(replace(o, y=found.y), p, found.solved) + o.y - found.y
    mean, _ = joint(o, p, weights(error**2 / error_variance(o, p), p.nu))
    np.testing.assert_allclose(mean[: STATE * o.n_students].reshape(-1, STATE), found.solved.mean, atol=2e-3)


def test_the_reference_and_the_kernel_find_the_same() -> None:
    o, p = a_school(4.0, students=20)
    one, other = solve_settled(o, p, kernel), solve_settled(o, p, robust)
    np.testing.assert_allclose(one.y, other.y, atol=1e-9)
    np.testing.assert_allclose(one.solved.mean, other.solved.mean, atol=1e-9)


def test_normal_errors_change_nothing_to_the_last_bit() -> None:
    o, p = a_school(np.inf)
    found, usual = solve_settled(o, p, kernel), kernel.solve(o, p)
    assert found.y is o.y
    np.testing.assert_array_equal(found.solved.mean, usual.mean)
    np.testing.assert_array_equal(found.solved.covariance, usual.covariance)
    np.testing.assert_array_equal(
        kernel.contributions(o, p, found.solved).of_items, kernel.contributions(o, p, usual).of_items
    )


def test_the_precision_of_an_item_never_depends_on_how_it_came_out() -> None:
    o, p = a_school(4.0)
    other = replace(o, y=np.random.default_rng(3).permutation(o.y))
    one, two = solve_settled(o, p, kernel).solved, solve_settled(other, p, kernel).solved
    np.testing.assert_allclose(one.covariance, two.covariance, atol=1e-12)
    assert np.abs(one.mean - two.mean).max() > 0.1


def test_an_outlier_moves_a_mean_less_the_farther_it_is_while_normal_errors_give_it_full_pull() -> None:
    observations, parameters = a_school(4.0)

    def moved(by: float) -> tuple[float, float]:
        y = observations.y.copy()
        y[0] += by
        shifted, student = replace(observations, y=y), observations.student[0]
        heavy = solve_settled(shifted, parameters, kernel).solved.mean[student]
        usual = kernel.solve(shifted, parameters).mean[student]
        return (
            float(np.abs(heavy - solve_settled(observations, parameters, kernel).solved.mean[student]).max()),
            float(np.abs(usual - kernel.solve(observations, parameters).mean[student]).max()),
        )

    (near, usual_near), (far, usual_far) = moved(8.0), moved(40.0)
    assert usual_far == pytest.approx(5 * usual_near)
    assert far < near
    assert far < 0.2 * usual_far


@pytest.mark.parametrize("rounds", [1, 100])
def test_contributions_are_the_mean_settled_or_not(rounds: int) -> None:
    o, p = a_school(4.0)
    found = solve_settled(o, p, kernel, rounds=rounds)
    assert (found.settled, found.rounds < 100) == (rounds > 1, True)
    moved = kernel.contributions(o, p, found.solved)
    total = moved.of_raters.sum(axis=1)
    groups = by_student(moved, o)
    total[groups.student] += groups.amount
    wanted = np.stack([target.weights for target in LEVELS_NOW], axis=1)
    np.testing.assert_allclose(total, (found.solved.mean - p.prior_mean) @ wanted, atol=1e-9)


def test_students_with_known_severities_are_pulled_in_as_with_their_school() -> None:
    o, p = a_school(4.0)
    whole = solve_settled(o, p, kernel)
    again = solve_settled(o, p, KnownSeverity(whole.solved.severity))
    np.testing.assert_allclose(again.solved.mean, whole.solved.mean, atol=1e-3)
    np.testing.assert_allclose(again.solved.covariance, whole.solved.covariance, atol=1e-9)

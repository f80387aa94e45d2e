"""Laws of Student-t weights: they follow from the exact posterior, and an outlier pulls less the farther it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from schools_of_arrays import array_schools, joint, random_observations, random_parameters
from sightline.measurement import kernel
from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.observations import Observations, Parameters
from sightline.measurement.posterior import solve
from sightline.measurement.robust import expected_squares, solve_robustly

School = tuple[Observations, Parameters]


@settings(max_examples=40, deadline=None)
@given(array_schools())
def test_expected_squares_of_errors_are_those_of_the_joint_gaussian(school: School) -> None:
    o, p = school
    squares = expected_squares(o, p, solve(o, p))
    mean, covariance = joint(o, p)
    for n in range(len(o.y)):
        j, row = o.indicator[n], np.zeros(len(mean))
        base, first = o.student[n] * STATE, STATE * o.n_students
        row[base + p.skill[j]], row[base + N_SKILLS + p.skill[j]] = p.lam[j], p.lam[j] * o.time[n]
        row[base + 2 * N_SKILLS + p.source[j]] = p.gam[j]
        row[first + o.sitting[n]] = 1.0
        if o.rater[n] >= 0:
            row[first + o.n_sittings + o.rater[n]] = 1.0
        known = 0 <= o.task[n] < len(p.difficulty)
        error = o.y[n] - p.c[j] - (p.difficulty[o.task[n]] if known else 0.0) - row @ mean
        assert squares[n] == pytest.approx(error**2 + row @ covariance @ row, abs=1e-9)


def a_school(nu: float, students: int = 60) -> School:
    rng = np.random.default_rng(8)
    parameters = replace(random_parameters(rng), nu=nu)
    return random_observations(rng, parameters, students=students), parameters


def test_settled_weights_reproduce_themselves() -> None:
    observations, parameters = a_school(6.0)
    robust = solve_robustly(observations, parameters, kernel)
    assert robust.settled
    assert robust.weight is not None
    assert robust.square is not None
    expected = (parameters.nu + 1) / (parameters.nu + robust.square)
    np.testing.assert_allclose(robust.weight, expected, atol=2e-3)


def test_normal_errors_and_nu_above_30_need_no_weights() -> None:
    observations, parameters = a_school(31.0)
    robust = solve_robustly(observations, parameters, kernel)
    assert robust.weight is None
    np.testing.assert_array_equal(robust.solved.mean, kernel.solve(observations, parameters).mean)


def test_an_outlier_moves_a_mean_less_the_farther_it_is_while_normal_errors_give_it_full_pull() -> None:
    observations, parameters = a_school(4.0)

    def moved(by: float) -> tuple[float, float]:
        y = observations.y.copy()
        y[0] += by
        shifted, student = replace(observations, y=y), observations.student[0]
        robust = solve_robustly(shifted, parameters, kernel).solved.mean[student]
        usual = kernel.solve(shifted, parameters).mean[student]
        return (
            float(np.abs(robust - solve_robustly(observations, parameters, kernel).solved.mean[student]).max()),
            float(np.abs(usual - kernel.solve(observations, parameters).mean[student]).max()),
        )

    (near, usual_near), (far, usual_far) = moved(8.0), moved(40.0)
    assert usual_far == pytest.approx(5 * usual_near)
    assert far < near
    assert far < 0.2 * usual_far


def test_too_few_rounds_say_that_nothing_settled() -> None:
    observations, parameters = a_school(3.0)
    robust = solve_robustly(observations, parameters, kernel, rounds=1)
    assert not robust.settled
    assert robust.rounds == 1

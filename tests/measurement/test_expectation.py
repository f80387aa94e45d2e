"""The moments of the E-step and the marginal likelihood are those of one dense Gaussian of everything at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from schools_of_arrays import random_observations, random_parameters
from sightline.measurement.card import N_SKILLS, N_SOURCES, STATE
from sightline.measurement.expectation import moments
from sightline.measurement.kernel import solve
from sightline.measurement.objective import log_likelihood
from sightline.measurement.observations import Observations, Parameters
from sightline.measurement.posterior import error_variance, residuals
from sightline.measurement.priors import LATENT

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Dense:
    """All unknowns side by side: states less mu0 (17 each), severities, sittings; with data and without."""

    observations: Observations
    parameters: Parameters
    design: Matrix
    residual: Matrix
    prior: Matrix
    noise: Matrix

    @property
    def marginal(self) -> Matrix:
        return self.design @ self.prior @ self.design.T + np.diag(self.noise)

    def posterior(self) -> tuple[Matrix, Matrix]:
        gain = self.prior @ self.design.T @ np.linalg.inv(self.marginal)
        return gain @ self.residual, self.prior - gain @ self.design @ self.prior


def dense(o: Observations, p: Parameters) -> Dense:
    n, first = len(o.y), o.n_students * STATE
    design = np.zeros((n, first + o.n_raters + o.n_sittings))
    row, skill, source = np.arange(n), p.skill[o.indicator], p.source[o.indicator]
    at = o.student * STATE
    design[row, at + skill] = p.lam[o.indicator]
    design[row, at + N_SKILLS + skill] = p.lam[o.indicator] * o.time
    design[row, at + LATENT + source] = p.gam[o.indicator]
    rated = o.rater >= 0
    design[row[rated], first + o.rater[rated]] = 1.0
    design[row, first + o.n_raters + o.sitting] = 1.0
    of_sitting = np.zeros(o.n_sittings)
    of_sitting[o.sitting] = p.om2[source]
    prior = np.zeros((design.shape[1], design.shape[1]))
    prior[:first, :first] = np.kron(np.eye(o.n_students), p.prior_covariance)
    rest = np.concatenate([np.full(o.n_raters, p.tau2), of_sitting])
    prior[range(first, len(prior)), range(first, len(prior))] = rest
    return Dense(o, p, design, residuals(o, p), prior, error_variance(o, p))


def selections(whole: Dense, n: int) -> Matrix:
    """Rows that give 1, theta, m, what is to be explained, and t beta of item n, as changes of the unknowns."""
    o, p = whole.observations, whole.parameters
    rows = np.zeros((5, whole.design.shape[1]))
    at, skill, t = o.student[n] * STATE, p.skill[o.indicator[n]], o.time[n]
    rows[1, at + skill], rows[1, at + N_SKILLS + skill] = 1.0, t
    rows[2, at + LATENT + p.source[o.indicator[n]]] = 1.0
    rows[3, o.n_students * STATE :] = -whole.design[n, o.n_students * STATE :]
    rows[4, at + N_SKILLS + skill] = t
    return rows


@pytest.fixture(params=[0, 1, 2])
def whole(request: pytest.FixtureRequest) -> Dense:
    rng = np.random.default_rng(request.param)
    parameters = random_parameters(rng)
    observations = random_observations(rng, parameters, students=5, raters=3)
    return dense(observations, parameters)


def test_moments_of_items_are_exact_with_several_raters_a_student_and_unknown_tasks(whole: Dense) -> None:
    o, p = whole.observations, whole.parameters
    mean, covariance = whole.posterior()
    found = moments(o, p, solve(o, p), with_score=True)
    of_items, squared = np.zeros_like(found.of_items), np.zeros_like(found.squared)
    score = np.zeros_like(found.score)
    for n in range(len(o.y)):
        j, rows = o.indicator[n], selections(whole, n)
        prior_theta = o.time[n] * p.mu_beta[p.skill[j]]
        value = whole.residual[n] + p.c[j] + p.lam[j] * prior_theta
        z = np.array([1.0, prior_theta, 0.0, value, prior_theta]) + rows @ mean
        pair = np.outer(z, z) + rows @ covariance @ rows.T
        of_items[j] += np.triu(pair) / whole.noise[n]
        squared[j] += np.triu(pair[:4, :4]) / whole.noise[n] ** 2
        coefficients = np.array([-p.c[j], -p.lam[j], -p.gam[j], 1.0])
        score[o.student[n], j] += (pair[:3, :4] @ coefficients) / whole.noise[n]
        assert np.isclose(found.error[n], coefficients @ z[:4])
        assert np.isclose(found.spread[n], coefficients @ (rows @ covariance @ rows.T)[:4, :4] @ coefficients)
    assert np.allclose(found.of_items, of_items, atol=1e-9)
    assert np.allclose(found.squared, squared, atol=1e-9)
    assert np.allclose(found.score, score, atol=1e-9)


def test_sittings_have_their_expected_squares(whole: Dense) -> None:
    o, p = whole.observations, whole.parameters
    mean, covariance = whole.posterior()
    square = (mean**2 + np.diag(covariance))[-o.n_sittings :]
    source = np.zeros(o.n_sittings, dtype=np.intp)
    source[o.sitting] = p.source[o.indicator]
    found = moments(o, p, solve(o, p))
    assert np.allclose(found.sitting_square, np.bincount(source, square, minlength=N_SOURCES))
    assert np.array_equal(found.sittings, np.bincount(source, minlength=N_SOURCES))


def test_the_marginal_likelihood_is_that_of_the_dense_gaussian(whole: Dense) -> None:
    o, p = whole.observations, whole.parameters
    solved = solve(o, p)
    _, logarithm = np.linalg.slogdet(2 * np.pi * whole.marginal)
    expected = -0.5 * (logarithm + whole.residual @ np.linalg.solve(whole.marginal, whole.residual))
    assert np.isclose(log_likelihood(moments(o, p, solved), solved, p), expected, rtol=1e-10)


def test_scores_are_the_slopes_of_the_marginal_likelihood(whole: Dense) -> None:
    o, p = whole.observations, whole.parameters

    def likelihood(changed: Parameters) -> float:
        solved = solve(o, changed)
        return log_likelihood(moments(o, changed, solved), solved, changed)

    score = moments(o, p, solve(o, p), with_score=True).score.sum(axis=0)
    step = 1e-5
    for place, name in enumerate(("c", "lam", "gam")):
        for j in np.unique(o.indicator)[:4]:
            up, down = (getattr(p, name) + sign * step * (np.arange(len(p.c)) == j) for sign in (1, -1))
            slope = (likelihood(replace(p, **{name: up})) - likelihood(replace(p, **{name: down}))) / (2 * step)
            assert np.isclose(slope, score[j, place], rtol=1e-5, atol=1e-5)


def test_states_move_with_an_intercept_and_a_difficulty_as_foreseen(whole: Dense) -> None:
    o, p = whole.observations, whole.parameters
    solved = solve(o, p)
    found = moments(o, p, solved)
    j, q = int(o.indicator[0]), 0
    raised = replace(p, c=p.c + (np.arange(len(p.c)) == j))
    assert np.allclose(solve(o, raised).mean.sum(axis=0), solved.mean.sum(axis=0) - found.moves[j])
    harder = replace(p, difficulty=p.difficulty + (np.arange(len(p.difficulty)) == q))
    assert np.allclose(solve(o, harder).mean.sum(axis=0), solved.mean.sum(axis=0) - found.task_moves[q])

"""The information form against brute force: every observable at once in one dense joint normal distribution."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from bench.measurement import world
from bench.measurement.fitted import learned
from bench.measurement.scenarios import BASE, LARGE
from bench.measurement.scoring import targets
from sightline.measurement import kernel, posterior
from sightline.measurement.card import N_SKILLS, STATE, Array
from sightline.measurement.contributions import by_student, contributions
from sightline.measurement.observations import Observations, Parameters

SMALL = 6
"""Students of the comparison with brute force, which takes the cube of some 700 items."""


@dataclass(frozen=True, slots=True)
class Dense:
    """Posterior of N students' states by conditioning: mean (N x 17) and covariance of each (N x 17 x 17)."""

    mean: Array
    covariance: Array


def brute_force(observations: Observations, parameters: Parameters) -> Dense:
    """X given y from their joint covariance: O(items^3), no information form, no severity integrated out."""
    seen, of = observations, observations.indicator
    n, rows = len(seen.y), np.arange(len(seen.y))
    columns = seen.student * STATE
    h = np.zeros((n, seen.n_students * STATE))
    h[rows, columns + parameters.skill[of]] = parameters.lam[of]
    h[rows, columns + N_SKILLS + parameters.skill[of]] = parameters.lam[of] * seen.time
    h[rows, columns + 2 * N_SKILLS + parameters.source[of]] = parameters.gam[of]
    prior = np.kron(np.eye(seen.n_students), parameters.prior_covariance)
    start = np.tile(parameters.prior_mean, seen.n_students)
    alike = seen.rater[:, None] == seen.rater[None, :]
    together = seen.sitting[:, None] == seen.sitting[None, :]
    noise = (
        np.diag(parameters.s2[of] + seen.sampling_variance)
        + parameters.tau2 * (alike & (seen.rater >= 0)[:, None])
        + parameters.om2[parameters.source[of]][:, None] * together
    )
    difficulty = np.where(seen.task >= 0, parameters.difficulty[seen.task], 0.0)
    residual = seen.y - parameters.c[of] - difficulty - h @ start
    across = prior @ h.T
    gain = np.linalg.solve(h @ across + noise, across.T).T
    mean = (start + gain @ residual).reshape(seen.n_students, STATE)
    covariance = prior - gain @ across.T
    blocks = [covariance[i * STATE : (i + 1) * STATE, i * STATE : (i + 1) * STATE] for i in range(seen.n_students)]
    return Dense(mean, np.array(blocks))


@dataclass(frozen=True, slots=True)
class Laws:
    """Largest differences found: kernel and reference from brute force, and sums of contributions from means."""

    kernel: float
    reference: float
    sums: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Students scored a second at 100 items each, and seconds to fit 2,000 students; one core, after compilation."""

    students_a_second: float
    fit_seconds: float


def laws(rng: np.random.Generator) -> Laws:
    """Six students of two classes, with every kind of item, each second one with another rater."""
    scenario = replace(BASE, name="laws")
    parameters = world.world(rng, scenario)
    simulated = world.students(rng, scenario, parameters, number=SMALL)
    seen = replace(
        simulated.observations,
        rater=np.where(simulated.observations.rater >= 0, simulated.observations.student % 2, -1).astype(np.intp),
        n_raters=2,
    )
    dense = brute_force(seen, parameters)
    compiled, written_out = kernel.solve(seen, parameters), posterior.solve(seen, parameters)
    moved = contributions(seen, parameters, compiled)
    total = by_student(moved, seen).amount + moved.of_raters.sum(axis=1)
    means = (compiled.mean - parameters.prior_mean) @ targets().T
    return Laws(
        kernel=_apart(compiled, dense),
        reference=_apart(written_out, dense),
        sums=float(np.abs(total - means).max()),
    )


def speed(rng: np.random.Generator) -> Speed:
    """Time of scoring and of fitting 2,000 students; the machine's other work is in it."""
    scenario = replace(LARGE, name="speed", opportunity=0.52)
    parameters = world.world(rng, scenario)
    simulated = world.students(rng, scenario, parameters)
    learned(rng, world.students(rng, scenario, parameters, number=200), replace(scenario, refits=0))
    begin = time.perf_counter()
    learned(rng, simulated, scenario)
    fitted = time.perf_counter() - begin
    rounds = []
    for _ in range(5):
        begin = time.perf_counter()
        kernel.solve(simulated.observations, parameters)
        rounds.append(time.perf_counter() - begin)
    return Speed(students_a_second=scenario.students / min(rounds), fit_seconds=fitted)


def _apart(solved: posterior.Solved, dense: Dense) -> float:
    return float(max(np.abs(solved.mean - dense.mean).max(), np.abs(solved.covariance - dense.covariance).max()))

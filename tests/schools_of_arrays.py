"""Random schools as arrays, their parameters, and their posterior by one dense joint Gaussian."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from sightline.measurement.card import N_SKILLS, N_SOURCES, STATE
from sightline.measurement.observations import Observations, Parameters
from sightline.measurement.posterior import error_variance


def random_parameters(rng: np.random.Generator, n_tasks: int = 3, indicators: int = 12) -> Parameters:
    """Parameters of so many indicators; skills and sources in no order, and none of the numbers round."""
    root = rng.normal(size=(2 * N_SKILLS, 2 * N_SKILLS))
    sigma = root @ root.T / (2 * N_SKILLS) + 0.3 * np.eye(2 * N_SKILLS)
    return Parameters(
        skill=rng.integers(0, N_SKILLS, indicators),
        source=rng.integers(0, N_SOURCES, indicators),
        c=rng.normal(0, 0.2, indicators),
        lam=rng.uniform(0.2, 0.8, indicators),
        gam=rng.uniform(0, 0.5, indicators),
        s2=rng.uniform(0.3, 1.0, indicators),
        om2=rng.uniform(0.02, 0.2, N_SOURCES),
        tau2=0.16,
        kap2=0.16,
        difficulty=rng.normal(0, 0.4, max(n_tasks - 1, 0)),
        sigma=sigma,
        mu_beta=rng.normal(0, 0.1, N_SKILLS),
    )


def random_observations(
    rng: np.random.Generator,
    parameters: Parameters,
    *,
    students: int,
    most_sittings: int = 5,
    most_items: int = 6,
    raters: int = 3,
    tasks: int = 3,
) -> Observations:
    """Students with 0 to so many sittings of one source; a sitting of teachers' may hold several raters' items."""
    rows: list[tuple[int, int, int, float, int, int]] = []
    sitting = 0
    kinds = [source for source in range(N_SOURCES) if np.any(parameters.source == source)]
    for student in range(students):
        for _ in range(int(rng.integers(0, most_sittings + 1))):
            source = int(rng.choice(kinds))
            own = np.flatnonzero(parameters.source == source)
            at = float(rng.uniform())
            for _ in range(int(rng.integers(1, most_items + 1))):
                rater = int(rng.integers(0, raters)) if source == N_SOURCES - 1 and raters else -1
                task = int(rng.integers(-1, tasks))
                rows.append((student, sitting, int(rng.choice(own)), at, rater, task))
            sitting += 1
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * 6
    whole = [np.array(column, dtype=np.intp) for column in (*columns[:3], *columns[4:])]
    return Observations(
        student=whole[0],
        sitting=whole[1],
        indicator=whole[2],
        time=np.array(columns[3], dtype=np.float64),
        y=rng.normal(0, 1, len(rows)),
        sampling_variance=rng.uniform(0, 0.3, len(rows)),
        rater=whole[3],
        task=whole[4],
        n_students=students,
        n_sittings=sitting,
        n_raters=raters,
        n_tasks=tasks,
    )


@st.composite
def array_schools(draw: st.DrawFn) -> tuple[Observations, Parameters]:
    """A school of 1 to 6 students, empty ones among them, with 0 to 3 raters."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parameters = random_parameters(rng)
    observations = random_observations(
        rng, parameters, students=draw(st.integers(1, 6)), raters=draw(st.integers(0, 3))
    )
    return observations, parameters


def joint(
    observations: Observations, parameters: Parameters, weight: np.ndarray[Any, Any] | None = None
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Mean and covariance of [all states, all sittings, all raters]; nothing is integrated out by hand."""
    o, p = observations, parameters
    n, state = len(o.y), STATE * o.n_students
    size = state + o.n_sittings + o.n_raters
    prior, mean, design = np.zeros((size, size)), np.zeros(size), np.zeros((n, size))
    for i in range(o.n_students):
        own = slice(i * STATE, (i + 1) * STATE)
        prior[own, own], mean[own] = p.prior_covariance, p.prior_mean
    expected = np.zeros(n)
    for row in range(n):
        j, base = o.indicator[row], o.student[row] * STATE
        design[row, base + p.skill[j]] = p.lam[j]
        design[row, base + N_SKILLS + p.skill[j]] = p.lam[j] * o.time[row]
        design[row, base + 2 * N_SKILLS + p.source[j]] = p.gam[j]
        design[row, state + o.sitting[row]] = 1.0
        prior[state + o.sitting[row], state + o.sitting[row]] = p.om2[p.source[j]]
        if o.rater[row] >= 0:
            design[row, state + o.n_sittings + o.rater[row]] = 1.0
        expected[row] = p.c[j] + (p.difficulty[o.task[row]] if 0 <= o.task[row] < len(p.difficulty) else 0.0)
    for r in range(o.n_raters):
        prior[state + o.n_sittings + r, state + o.n_sittings + r] = p.tau2
    gain = np.zeros((size, 0))
    if n:
        noise = np.diag(error_variance(o, p, weight))
        gain = prior @ design.T @ np.linalg.inv(design @ prior @ design.T + noise)
    return mean + gain @ (o.y - expected - design @ mean), prior - gain @ design @ prior

"""Students drawn from the measurement model's own family (generator A), with everything that is true of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.measurement.card import N_SKILLS, N_SOURCES, STATE
from sightline.measurement.observations import Floats, Index, Observations, Parameters

GAME, TALK, TEACHER = 0, 1, 2


@dataclass(frozen=True)
class Design:
    """Who sees whom how often; defaults give about 115 items a student over 8 weeks."""

    students: int = 200
    class_size: int = 25
    game: int = 12
    talk: int = 11
    teacher: int = 7
    tasks: int = 24
    game_sessions: float = 9.6
    game_shown: float = 0.44
    talk_sessions: int = 4
    occasions: tuple[float, ...] = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Simulated:
    """What was drawn: observations, the parameters behind them, states (N x 17) and severities (R)."""

    observations: Observations
    truth: Parameters
    state: NDArray[np.float64]
    severity: NDArray[np.float64]


def true_parameters(rng: np.random.Generator, design: Design) -> Parameters:
    counts = (design.game, design.talk, design.teacher)
    source = np.repeat(np.arange(N_SOURCES), counts)
    skill = np.concatenate([np.arange(count) % N_SKILLS for count in counts])
    low = np.array([0.30, 0.30, 0.60])[source]
    high = np.array([0.50, 0.55, 0.75])[source]
    lam = rng.uniform(low, high)
    gam = np.array([0.30, 0.30, 0.40])[source] + rng.normal(0, 0.05, len(source))
    om2 = np.array([0.07, 0.07, 0.04])
    among = np.eye(N_SKILLS)
    pairs = np.triu_indices(N_SKILLS, 1)
    among[pairs] = rng.uniform(0.4, 0.6, len(pairs[0]))
    among = among + among.T - np.eye(N_SKILLS)
    sigma = np.zeros((2 * N_SKILLS, 2 * N_SKILLS))
    sigma[:N_SKILLS, :N_SKILLS] = among
    sigma[N_SKILLS:, N_SKILLS:] = 0.25**2 * among
    return Parameters(
        skill=skill,
        source=source,
        c=rng.normal(0, 0.1, len(source)),
        lam=lam,
        gam=gam,
        s2=1 - lam**2 - gam**2 - om2[source],
        om2=om2,
        tau2=0.4**2,
        kap2=0.4**2,
        difficulty=rng.normal(0, 0.4, design.tasks),
        sigma=sigma,
        mu_beta=rng.normal(0.1, 0.05, N_SKILLS),
    )


def _sittings(rng: np.random.Generator, design: Design, of_source: list[Index]) -> list[tuple[float, Index]]:
    """Time and indicators of each sitting of one student, empty sittings left out."""
    drawn: list[tuple[float, Index]] = []
    for _ in range(rng.poisson(design.game_sessions)):
        shown = of_source[GAME][rng.random(design.game) < design.game_shown]
        drawn.append((float(rng.random()), shown))
    drawn.extend(
        ((week + float(rng.random())) / 8, of_source[TALK]) for week in rng.permutation(8)[: design.talk_sessions]
    )
    drawn.extend((time, of_source[TEACHER]) for time in design.occasions)
    return [(time, shown) for time, shown in drawn if len(shown)]


def draw_design(rng: np.random.Generator, design: Design, parameters: Parameters) -> Observations:
    """Everything but y, which is zero."""
    of_source = [np.flatnonzero(parameters.source == s) for s in range(N_SOURCES)]
    student: list[int] = []
    sitting: list[int] = []
    indicator: list[int] = []
    time: list[float] = []
    rater: list[int] = []
    task: list[int] = []
    sittings = 0
    for i in range(design.students):
        for at, shown in _sittings(rng, design, of_source):
            source = parameters.source[shown[0]]
            student += [i] * len(shown)
            sitting += [sittings] * len(shown)
            indicator += shown.tolist()
            time += [at] * len(shown)
            rater += [i // design.class_size if source == TEACHER else -1] * len(shown)
            played = rng.integers(design.tasks, size=len(shown)) if source == GAME and design.tasks else None
            task += [-1] * len(shown) if played is None else played.tolist()
            sittings += 1
    exposure = rng.integers(4, 40, len(student))
    proportions = parameters.source[np.array(indicator)] == GAME
    return Observations(
        student=np.array(student, dtype=np.intp),
        sitting=np.array(sitting, dtype=np.intp),
        indicator=np.array(indicator, dtype=np.intp),
        time=np.array(time),
        y=np.zeros(len(student)),
        sampling_variance=np.where(proportions, 1.0 / (exposure + 0.5), 0.0),
        rater=np.array(rater, dtype=np.intp),
        task=np.array(task, dtype=np.intp),
        n_students=design.students,
        n_sittings=sittings,
        n_raters=-(-design.students // design.class_size),
        n_tasks=design.tasks,
    )


def _noise(rng: np.random.Generator, n: int, degrees: float | None) -> Floats:
    return rng.normal(size=n) if degrees is None else rng.standard_t(degrees, n)


def simulate(rng: np.random.Generator, design: Design | None = None, degrees: float | None = None) -> Simulated:
    """Generator A; `degrees` makes the errors Student-t with s2 as their scale."""
    design = design or Design()
    truth = true_parameters(rng, design)
    o = draw_design(rng, design, truth)
    state = (
        np.asarray(truth.prior_mean, dtype=np.float64)
        + rng.normal(size=(design.students, STATE)) @ np.linalg.cholesky(truth.prior_covariance).T
    )
    severity = rng.normal(0, np.sqrt(truth.tau2), o.n_raters)
    source = truth.source[o.indicator]
    source_of_sitting = np.zeros(o.n_sittings, dtype=np.intp)
    source_of_sitting[o.sitting] = source
    shared = rng.normal(size=o.n_sittings) * np.sqrt(truth.om2[source_of_sitting])
    skill = truth.skill[o.indicator]
    theta = state[o.student, skill] + o.time * state[o.student, N_SKILLS + skill]
    error = np.sqrt(truth.s2[o.indicator] + o.sampling_variance) * _noise(rng, len(o.y), degrees)
    y = (
        truth.c[o.indicator]
        + truth.lam[o.indicator] * theta
        + truth.gam[o.indicator] * state[o.student, 2 * N_SKILLS + source]
        + np.append(truth.difficulty, 0.0)[o.task]
        + np.append(severity, 0.0)[o.rater]
        + shared[o.sitting]
        + error
    )
    observed = Observations(**{name: getattr(o, name) for name in Observations.__slots__ if name != "y"}, y=y)
    return Simulated(observations=observed, truth=truth, state=state, severity=severity)

"""Generator A: a world of the model's own family, its students, and what is observed of them.

A world (indicators, tasks, how skills go together) is one thing, its students another: new students of the same
world can be drawn, with a change of one's own choosing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bench.measurement.scenarios import BASE_WEEKS, Scenario
from sightline.domain.skills import SOURCES, Source
from sightline.measurement.card import N_SKILLS, N_SOURCES
from sightline.measurement.observations import Floats, Index, Observations, Parameters

CLASS_SIZE = 25
N_TASKS = 24
KAP = 0.4
SD_BETA = 0.25
OM2 = (0.07, 0.07, 0.04)
EXPOSURE_VARIANCE = 0.15
"""Mean sampling variance of a game or talk indicator in units of its variance, from some six opportunities."""

GAME_SKILLS = (0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 6, 6)
TALK_SKILLS = (0, 0, 2, 2, 3, 4, 5, 5, 5, 6, 6)
TEACHER_SKILLS = (0, 1, 2, 3, 4, 5, 6)
"""Axes of the skills that indicators look at: communication has no game indicator, adaptability none of talk."""

LAM = ((0.3, 0.5), (0.3, 0.55), (0.6, 0.75))
GAM = (0.3, 0.3, 0.4)
GAM_SD = 0.05
AXES = {source: axis for axis, source in enumerate(SOURCES)}
GAME, TALK, TEACHER = (AXES[s] for s in (Source.GAME, Source.TALK, Source.TEACHER))
WEEKLY_AUTOCORRELATION = 0.6


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of N simulated students and C classes: level and change are those at the end of the window.

    alpha, beta, level, change: (N, 7), SD; m: (N, 3); severity: of each rater (C); classes: of each student (N);
    parameters: of the world, of equation (1) when the scenario has an oracle.
    """

    alpha: Floats
    beta: Floats
    level: Floats
    change: Floats
    m: Floats
    severity: Floats
    classes: Index
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Simulated:
    """Observations and the truth behind them."""

    observations: Observations
    truth: Truth


def world(rng: np.random.Generator, scenario: Scenario) -> Parameters:
    """Parameters drawn as measurement.md says; s2 leaves each indicator a variance near 1 before severity and task."""
    skill = np.array(GAME_SKILLS + TALK_SKILLS + TEACHER_SKILLS, dtype=np.intp)
    counts = (len(GAME_SKILLS), len(TALK_SKILLS), len(TEACHER_SKILLS))
    source = np.repeat(np.arange(N_SOURCES), counts).astype(np.intp)
    bounds = np.array(LAM)[source]
    lam = rng.uniform(bounds[:, 0], bounds[:, 1])
    gam = np.abs(rng.normal(np.array(GAM)[source], GAM_SD))
    om2 = np.array(OM2)
    exposure = np.where(source == TEACHER, 0.0, EXPOSURE_VARIANCE)
    difficulty = rng.normal(0.0, KAP, N_TASKS)
    among = _correlation(rng)
    sigma = np.zeros((2 * N_SKILLS, 2 * N_SKILLS))
    sigma[:N_SKILLS, :N_SKILLS] = among
    sigma[N_SKILLS:, N_SKILLS:] = among * (SD_BETA * scenario.weeks / BASE_WEEKS) ** 2
    return Parameters(
        skill=skill,
        source=source,
        c=rng.normal(0.0, 0.1, len(skill)),
        lam=lam,
        gam=gam,
        s2=1.0 - lam**2 - gam**2 - om2[source] - exposure,
        om2=om2,
        tau2=scenario.severity_sd**2,
        kap2=KAP**2,
        difficulty=difficulty - difficulty.mean(),
        sigma=sigma,
        mu_beta=np.zeros(N_SKILLS),
        nu=scenario.error_df,
    )


def students(
    rng: np.random.Generator,
    scenario: Scenario,
    parameters: Parameters,
    *,
    beta: Floats | None = None,
    number: int | None = None,
) -> Simulated:
    """Students of a world in classes of 25, one teacher each; `beta` (N x 7) sets their changes, else drawn."""
    n = scenario.students if number is None else number
    skills = people(rng, scenario, parameters, n, beta)
    design = sittings(rng, scenario, skills)
    y = predictor(rng, scenario, parameters, skills, design) + errors(rng, scenario, parameters, design)
    if scenario.ordinal:
        y = with_categories(y, design, parameters)
    return Simulated(observations(design, y, design.exposure_variance, skills), skills.truth)


@dataclass(frozen=True, slots=True)
class People:
    """Students before anything is seen of them; weekly: (weeks + 1, N, 7), what wobbles around the line."""

    truth: Truth
    weekly: Floats


def people(
    rng: np.random.Generator, scenario: Scenario, parameters: Parameters, n: int, beta: Floats | None
) -> People:
    classes = np.arange(n, dtype=np.intp) // CLASS_SIZE
    n_classes = int(classes[-1]) + 1
    root = np.linalg.cholesky(parameters.sigma)
    own = rng.standard_normal((n, 2 * N_SKILLS)) @ root.T
    shared = rng.standard_normal((n_classes, N_SKILLS)) @ root[:N_SKILLS, :N_SKILLS].T
    alpha = np.sqrt(1.0 - scenario.icc) * own[:, :N_SKILLS] + np.sqrt(scenario.icc) * shared[classes]
    change = own[:, N_SKILLS:] + parameters.mu_beta if beta is None else beta
    weekly = _weekly(rng, scenario, n)
    truth = Truth(
        alpha=alpha,
        beta=change,
        level=alpha + change + weekly[-1],
        change=change,
        m=rng.standard_normal((n, N_SOURCES)),
        severity=rng.normal(0.0, scenario.severity_sd, n_classes),
        classes=classes,
        parameters=parameters,
    )
    return People(truth, weekly)


@dataclass(frozen=True, slots=True)
class Design:
    """Who was observed when by what: of each of n items student, sitting, indicator, time, task, source, exposure."""

    student: Index
    sitting: Index
    indicator: Index
    time: Floats
    task: Index
    source: Index
    opportunities: Floats
    exposure_variance: Floats
    n_sittings: int


def sittings(rng: np.random.Generator, scenario: Scenario, skills: People) -> Design:
    """Sittings of all students, and the items that they gave an opportunity for, sorted."""
    n = len(skills.truth.classes)
    weeks = int(scenario.weeks)
    plays = rng.poisson(scenario.game_rate * weeks, n)
    talks = rng.random((n, weeks)) < scenario.talk_rate
    talker, talk_week = np.nonzero(talks)
    rated = np.array(scenario.rating_weeks)
    student = np.concatenate([np.repeat(np.arange(n), plays), talker, np.repeat(np.arange(n), len(rated))])
    source = np.repeat([GAME, TALK, TEACHER], [plays.sum(), len(talker), n * len(rated)])
    time = np.concatenate(
        [
            rng.random(int(plays.sum())),
            (talk_week + rng.random(len(talker))) / weeks,
            np.tile(rated / scenario.weeks, n),
        ]
    )
    task = np.where(source == GAME, rng.integers(0, N_TASKS, len(student)), -1)
    keep = np.isin(source, [AXES[s] for s in scenario.sources])
    if scenario.missing:
        general = level_at(skills, scenario, student, time).mean(axis=1)
        keep &= rng.random(len(student)) < _logistic(1.5 + 0.75 * general)
    order = np.lexsort((source, time, student))
    order = order[keep[order]]
    student, source, time, task = student[order], source[order], time[order], task[order]
    indicators_of = [np.flatnonzero(skills.truth.parameters.source == s) for s in range(N_SOURCES)]
    sizes = np.array([len(found) for found in indicators_of])[source]
    sitting = np.repeat(np.arange(len(student)), sizes)
    indicator = np.concatenate([indicators_of[s] for s in source]) if len(source) else np.zeros(0, np.intp)
    chance = np.where(source[sitting] == TEACHER, scenario.seen, scenario.opportunity)
    shown = rng.random(len(sitting)) < chance
    if scenario.missing:
        theta = level_at(skills, scenario, student, time)
        seen_skill = theta[sitting, skills.truth.parameters.skill[indicator]]
        shown &= rng.random(len(sitting)) < _logistic(2.5 + 0.75 * seen_skill)
    sitting, indicator = sitting[shown], indicator[shown]
    used, sitting = np.unique(sitting, return_inverse=True)
    student, source, time, task = student[used], source[used], time[used], task[used]
    opportunities = (2 + rng.poisson(4.0, len(sitting))).astype(np.float64)
    mean_inverse = _mean_inverse_exposure()
    exposure = np.where(
        source[sitting] == TEACHER, 0.0, EXPOSURE_VARIANCE / mean_inverse / (4.0 * opportunities + 2.0)
    )
    return Design(
        student=student[sitting].astype(np.intp),
        sitting=sitting.astype(np.intp),
        indicator=indicator.astype(np.intp),
        time=time[sitting],
        task=task[sitting].astype(np.intp),
        source=source[sitting].astype(np.intp),
        opportunities=opportunities,
        exposure_variance=exposure,
        n_sittings=len(used),
    )


def level_at(skills: People, scenario: Scenario, student: Index, time: Floats) -> Floats:
    """True levels (n, 7) of these students at these times."""
    truth = skills.truth
    passed = (time > 0.5).astype(float) if scenario.step else time  # noqa: PLR2004 - the middle of the window
    line = truth.alpha[student] + truth.beta[student] * passed[:, None]
    week = np.minimum((time * scenario.weeks).astype(np.intp), len(skills.weekly) - 1)
    return np.asarray(line + skills.weekly[week, student])


def predictor(
    rng: np.random.Generator, scenario: Scenario, parameters: Parameters, skills: People, design: Design
) -> Floats:
    """Equation (1) without its error: intercept, skill, method, task, rater and sitting."""
    truth = skills.truth
    j = design.indicator
    n_items = np.arange(len(j))
    theta = level_at(skills, scenario, design.student, design.time)[n_items, parameters.skill[j]]
    together = rng.standard_normal(design.n_sittings)[design.sitting] * np.sqrt(parameters.om2)[design.source]
    rater = np.where(design.source == TEACHER, truth.severity[truth.classes[design.student]], 0.0)
    task = np.where(design.task >= 0, parameters.difficulty[design.task], 0.0)
    method = parameters.gam[j] * truth.m[design.student, design.source]
    return np.asarray(parameters.c[j] + parameters.lam[j] * theta + method + task + rater + together)


def errors(rng: np.random.Generator, scenario: Scenario, parameters: Parameters, design: Design) -> Floats:
    """Normal errors of variance s2 + exposure variance, or t errors with the root of that as their scale.

    The variance of t3 errors is three times the square of their scale.
    """
    scale = np.sqrt(parameters.s2[design.indicator] + design.exposure_variance)
    normal = np.isinf(scenario.error_df)
    drawn = rng.standard_normal(len(scale)) if normal else rng.standard_t(scenario.error_df, len(scale))
    return np.asarray(scale * drawn)


def with_categories(y: Floats, design: Design, parameters: Parameters) -> Floats:
    """Ratings cut into four categories at -1.2, 0, 1.2 SD and standardised in the sample, other values as they are."""
    found = y.copy()
    for j in np.flatnonzero(parameters.source == TEACHER):
        mine = design.indicator == j
        if mine.any():
            found[mine] = standardised(four_categories(y[mine]))
    return found


def four_categories(values: Floats) -> Floats:
    """1 to 4, cut at -1.2, 0 and 1.2 SD of the values."""
    return np.asarray(1.0 + np.searchsorted([-1.2, 0.0, 1.2], standardised(values)), dtype=np.float64)


def standardised(values: Floats) -> Floats:
    """Mean 0 and SD 1; values that are all alike stay 0."""
    spread = values.std()
    return np.asarray((values - values.mean()) / (spread if spread > 0 else 1.0))


def observations(design: Design, y: Floats, variance: Floats, skills: People) -> Observations:
    """Items as the measurement core takes them."""
    classes = skills.truth.classes
    return Observations(
        student=design.student,
        sitting=design.sitting,
        indicator=design.indicator,
        time=design.time,
        y=y,
        sampling_variance=variance,
        rater=np.where(design.source == TEACHER, classes[design.student], -1).astype(np.intp),
        task=design.task,
        n_students=len(classes),
        n_sittings=design.n_sittings,
        n_raters=len(skills.truth.severity),
        n_tasks=N_TASKS,
    )


def shifted(simulated: Simulated, which: np.ndarray, by: float) -> Simulated:
    """The same with `by` SD added to the items that the mask (n) names: something planted, to be found."""
    seen = simulated.observations
    return replace(simulated, observations=replace(seen, y=seen.y + by * which))


def only(seen: Observations, keep: np.ndarray) -> Observations:
    """The items that the mask (n) names, sittings numbered anew; all students and raters stay."""
    used, sitting = np.unique(seen.sitting[keep], return_inverse=True)
    return replace(
        seen,
        student=seen.student[keep],
        sitting=sitting.astype(np.intp),
        indicator=seen.indicator[keep],
        time=seen.time[keep],
        y=seen.y[keep],
        sampling_variance=seen.sampling_variance[keep],
        rater=seen.rater[keep],
        task=seen.task[keep],
        n_sittings=len(used),
    )


def _correlation(rng: np.random.Generator) -> Floats:
    """Skills correlated .4 to .6, drawn again in the rare case that the draw is no correlation matrix."""
    while True:
        draw = np.triu(rng.uniform(0.4, 0.6, (N_SKILLS, N_SKILLS)), 1)
        among = draw + draw.T + np.eye(N_SKILLS)
        if np.linalg.eigvalsh(among)[0] > 0.05:  # noqa: PLR2004 - well away from singular
            return np.asarray(among)


def _weekly(rng: np.random.Generator, scenario: Scenario, n: int) -> Floats:
    weeks = int(scenario.weeks)
    if scenario.wobble == 0.0:
        return np.zeros((weeks + 1, n, N_SKILLS))
    keeps = WEEKLY_AUTOCORRELATION
    found = np.empty((weeks + 1, n, N_SKILLS))
    found[0] = rng.standard_normal((n, N_SKILLS))
    for week in range(1, weeks + 1):
        found[week] = keeps * found[week - 1] + np.sqrt(1 - keeps**2) * rng.standard_normal((n, N_SKILLS))
    return scenario.wobble * found


def _mean_inverse_exposure() -> float:
    """Mean of 1/(4n + 2) over n = 2 + Poisson(4), to give sampling variances their mean."""
    counts = np.arange(60)
    chances = np.exp(-4.0 + counts * np.log(4.0) - np.cumsum(np.log(np.maximum(counts, 1))))
    return float((chances / (4.0 * (2.0 + counts) + 2.0)).sum())


def _logistic(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))

"""What the M-step needs of the posterior: expected moments of items, sittings, severities and states.

The covariances between a student's state, the rater's severity and the sitting's term are all in them; left out,
what a student brings to a source comes out a fifth too small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numba
import numpy as np

from sightline.measurement.card import N_SKILLS, N_SOURCES, STATE
from sightline.measurement.observations import Floats, Index, Observations, Parameters
from sightline.measurement.posterior import Solved

CHANGE, BROUGHT = N_SKILLS, 2 * N_SKILLS
EXPLAINED, DRIFT = 3, 4
"""Places in an item's z = (1, theta, m, y - d - rho - u, t beta): intercept, skill at its time, what is brought to the
source, what is to be explained, and the part of theta that came since the window's start."""

MOMENTS = 5

Function = TypeVar("Function", bound=Callable[..., object])


class Moments(NamedTuple):
    """Expected sums of one pass over all items; w is the Student-t weight, 1 without one.

    of_items: by indicator, sum of w/(s2 + v) E[zz'] (J x 5 x 5, upper triangle); squared: the same with
    w/(s2 + v)^2, the first four (J x 4 x 4); precisions: sums of 1/(s2 + v) and of its square (J x 2); moves,
    task_moves: how much the sum of all students' states falls when an intercept (J x 17) or a difficulty (Q x 17)
    rises by 1; task_gradient: of each difficulty (Q); task_items: by task and indicator, sum of w/(s2 + v)
    E[1, theta, m] (Q x J x 3); sitting_square, sittings: sum of E[u2] and number, by source (3); fit: what items and sittings add
    to twice the log likelihood; error, spread: mean and variance of each item's e (n); score: gradient in (c, lam, gam) of each
    student and indicator (N x J x 3; empty unless asked for).
    """

    of_items: Floats
    squared: Floats
    precisions: Floats
    moves: Floats
    task_moves: Floats
    task_gradient: Floats
    task_items: Floats
    sitting_square: Floats
    sittings: Floats
    fit: Floats
    error: Floats
    spread: Floats
    score: Floats


class _Items(NamedTuple):
    start: Index
    sitting: Index
    indicator: Index
    time: Floats
    y: Floats
    sampling_variance: Floats
    weight: Floats
    slot: Index
    task: Index


class _Model(NamedTuple):
    skill: Index
    source: Index
    c: Floats
    lam: Floats
    gam: Floats
    s2: Floats
    om2: Floats
    difficulty: Floats


class _State(NamedTuple):
    mean: Floats
    covariance: Floats
    raters: Index
    gain: Floats
    severity: Floats
    severity_covariance: Floats


class _Sitting(NamedTuple):
    """The sitting's term: mean, variance without the student's own, S a with the joint covariance S, variance."""

    mean: float
    own: float
    carried: Floats
    variance: float


def _compiled(function: Function) -> Function:
    """The function compiled by numba, which has no types of its own."""
    compiled: Function = numba.njit(cache=True, error_model="numpy")(function)
    return compiled


def moments(
    observations: Observations,
    parameters: Parameters,
    solved: Solved,
    *,
    weight: Floats | None = None,
    with_score: bool = False,
) -> Moments:
    """One pass over all items under the posterior of `solve`; `weight` must be the one that it had."""
    n, many = len(observations.y), len(parameters.c)
    items = _Items(
        start=np.searchsorted(observations.student, np.arange(observations.n_students + 1)).astype(np.intp),
        sitting=observations.sitting,
        indicator=observations.indicator,
        time=observations.time,
        y=observations.y,
        sampling_variance=observations.sampling_variance,
        weight=np.ones(n) if weight is None else weight,
        slot=solved.information.slot,
        task=observations.task,
    )
    model = _Model(*(getattr(parameters, name) for name in _Model._fields))
    state = _State(
        mean=solved.mean,
        covariance=solved.covariance_before,
        raters=solved.information.raters,
        gain=solved.severity_gain,
        severity=solved.severity.mean,
        severity_covariance=solved.severity.covariance,
    )
    sums = Moments(
        of_items=np.zeros((many, MOMENTS, MOMENTS)),
        squared=np.zeros((many, DRIFT, DRIFT)),
        precisions=np.zeros((many, 2)),
        moves=np.zeros((many, STATE)),
        task_moves=np.zeros((observations.n_tasks, STATE)),
        task_gradient=np.zeros(observations.n_tasks),
        task_items=np.zeros((observations.n_tasks, many, EXPLAINED)),
        sitting_square=np.zeros(N_SOURCES),
        sittings=np.zeros(N_SOURCES),
        fit=np.zeros(1),
        error=np.zeros(n),
        spread=np.zeros(n),
        score=np.zeros((observations.n_students if with_score else 0, many, EXPLAINED)),
    )
    _sum(items, model, state, sums)
    return sums


@_compiled
def _joint(i: int, state: _State) -> Floats:
    """Covariance of one student's state and of his raters' severities (17 + K square, zero beyond the last)."""
    gain, raters = state.gain[i], state.raters[i]
    size = STATE + len(raters)
    joint = np.zeros((size, size))
    joint[:STATE, :STATE] = state.covariance[i]
    for p in range(len(raters)):
        for q in range(len(raters)):
            if raters[p] < 0 or raters[q] < 0:
                continue
            among = state.severity_covariance[raters[p], raters[q]]
            joint[STATE + p, STATE + q] = among
            for a in range(STATE):
                borne = gain[p, a] * among
                joint[a, STATE + q] += borne
                joint[STATE + q, a] += borne
                for b in range(STATE):
                    joint[a, b] += borne * gain[q, b]
    return joint


@_compiled
def _sum_sitting(
    i: int, span: tuple[int, int], joint: Floats, items: _Items, model: _Model, state: _State, sums: Moments
) -> _Sitting:
    """The posterior of one sitting's term, its sums, and the residuals without it (left in `error`)."""
    design = np.zeros(joint.shape[0])
    total, shift = 0.0, 0.0
    source = model.source[items.indicator[span[0]]]
    brought = BROUGHT + source
    for n in range(span[0], span[1]):
        j, t, slot = items.indicator[n], items.time[n], items.slot[n]
        k = model.skill[j]
        variance = (model.s2[j] + items.sampling_variance[n]) / items.weight[n]
        residual = items.y[n] - model.c[j] - model.gam[j] * state.mean[i, brought]
        residual -= model.lam[j] * (state.mean[i, k] + t * state.mean[i, CHANGE + k])
        if items.task[n] >= 0:
            residual -= model.difficulty[items.task[n]]
        if slot >= 0:
            residual -= state.severity[state.raters[i, slot]]
            design[STATE + slot] += 1.0 / variance
        design[k] += model.lam[j] / variance
        design[CHANGE + k] += model.lam[j] * t / variance
        design[brought] += model.gam[j] / variance
        total += 1.0 / variance
        shift += residual / variance
        sums.fit[0] -= np.log(variance)
        sums.error[n] = residual
    om2 = model.om2[source]
    own = om2 / (1.0 + om2 * total)
    carried = joint @ design
    variance = own + own * own * (design @ carried)
    sums.sitting_square[source] += own * own * shift * shift + variance
    sums.sittings[source] += 1.0
    sums.fit[0] -= np.log(1.0 + om2 * total) + own * shift * shift / (1.0 + om2 * total)
    return _Sitting(own * shift, own, carried, variance)


@_compiled
def _sum_item(
    i: int, n: int, joint: Floats, sitting: _Sitting, items: _Items, model: _Model, state: _State, sums: Moments
) -> None:
    """Adds one item's expected squares and products."""
    j, t = items.indicator[n], items.time[n]
    k, brought = model.skill[j], BROUGHT + model.source[j]
    change = CHANGE + k
    lam, gam = model.lam[j], model.gam[j]
    theta, m = state.mean[i, k] + t * state.mean[i, change], state.mean[i, brought]
    error = sums.error[n] - sitting.mean
    value = error + model.c[j] + lam * theta + gam * m
    theta_theta = joint[k, k] + 2.0 * t * joint[k, change] + t * t * joint[change, change]
    theta_m = joint[k, brought] + t * joint[change, brought]
    theta_value = sitting.own * (sitting.carried[k] + t * sitting.carried[change])
    m_m = joint[brought, brought]
    m_value = sitting.own * sitting.carried[brought]
    value_value = sitting.variance
    if items.slot[n] >= 0:
        rater = STATE + items.slot[n]
        theta_value -= joint[k, rater] + t * joint[change, rater]
        m_value -= joint[brought, rater]
        value_value += joint[rater, rater] - 2.0 * sitting.own * sitting.carried[rater]
    spread = value_value + lam * lam * theta_theta + gam * gam * m_m
    spread += 2.0 * (lam * gam * theta_m - lam * theta_value - gam * m_value)
    sums.error[n], sums.spread[n] = error, spread

    variance = model.s2[j] + items.sampling_variance[n]
    precision = items.weight[n] / variance
    sums.fit[0] -= precision * error * error
    sums.precisions[j, 0] += 1.0 / variance
    sums.precisions[j, 1] += 1.0 / (variance * variance)
    drift, drift_drift = t * state.mean[i, change], t * t * joint[change, change]
    theta_drift = t * joint[k, change] + drift_drift
    drift_value = t * sitting.own * sitting.carried[change]
    if items.slot[n] >= 0:
        drift_value -= t * joint[change, STATE + items.slot[n]]
    z = (1.0, theta, m, value, drift)
    among = (
        (0.0, 0.0, 0.0, 0.0, 0.0),
        (0.0, theta_theta, theta_m, theta_value, theta_drift),
        (0.0, 0.0, m_m, m_value, t * joint[change, brought]),
        (0.0, 0.0, 0.0, value_value, drift_value),
        (0.0, 0.0, 0.0, 0.0, drift_drift),
    )
    for a in range(MOMENTS):
        for b in range(a, MOMENTS):
            moment = precision * (z[a] * z[b] + among[a][b])
            sums.of_items[j, a, b] += moment
            if b < DRIFT:
                sums.squared[j, a, b] += moment / variance
    for a in range(STATE):
        move = (
            lam * (joint[a, k] + t * joint[a, change]) + gam * joint[a, brought] - sitting.own * sitting.carried[a]
        )
        sums.moves[j, a] += precision * move
        if items.task[n] >= 0:
            sums.task_moves[items.task[n], a] += precision * move
    if items.task[n] >= 0:
        sums.task_gradient[items.task[n]] += precision * error
        for a in range(EXPLAINED):
            sums.task_items[items.task[n], j, a] += precision * z[a]
    if sums.score.shape[0] > 0:
        sums.score[i, j, 0] += precision * error
        sums.score[i, j, 1] += precision * (theta * error + theta_value - lam * theta_theta - gam * theta_m)
        sums.score[i, j, 2] += precision * (m * error + m_value - lam * theta_m - gam * m_m)


@_compiled
def _sum(items: _Items, model: _Model, state: _State, sums: Moments) -> None:
    """All students, one after another, and each of their sittings."""
    for i in range(len(items.start) - 1):
        joint = _joint(i, state)
        n, end = items.start[i], items.start[i + 1]
        while n < end:
            last = n + 1
            while last < end and items.sitting[last] == items.sitting[n]:
                last += 1
            sitting = _sum_sitting(i, (n, last), joint, items, model, state, sums)
            for item in range(n, last):
                _sum_item(i, item, joint, sitting, items, model, state, sums)
            n = last

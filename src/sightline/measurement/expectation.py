"""What the M-step needs of the posterior: expected moments of items, sittings, severities and states.

The covariances between a student's state, the rater's severity and the sitting's term are all in them; left out,
what a student brings to a source comes out a fifth too small.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sightline.measurement.card import N_SKILLS, N_SOURCES, STATE
from sightline.measurement.loops import compiled
from sightline.measurement.observations import Floats, Index, Observations, Parameters
from sightline.measurement.posterior import Solved, error_variance

CHANGE, BROUGHT = N_SKILLS, 2 * N_SKILLS
EXPLAINED, DRIFT = 3, 4
"""Places in an item's z = (1, theta, m, y - d - rho - u, t beta): intercept, skill at its time, what is brought to
the source, what is to be explained, and the part of theta that came since the window's start."""

MOMENTS = 5


class Moments(NamedTuple):
    """Expected sums of one pass over all items; w is the Student-t weight, 1 without one.

    of_items: by indicator, sum of w/(s2 + v) E[zz'] (J x 5 x 5, upper triangle); squared: the same with w/(s2 +
    v)^2, the first four (J x 4 x 4); precisions: sums of 1/(s2 + v) and of its square (J x 2); moves,
    task_moves: how much the sum of all students' states falls when an intercept (J x 17) or a difficulty (Q x
    17) rises by 1; task_gradient: of each difficulty (Q); task_items: by task and indicator, sum of w/(s2 + v)
    E[1, theta, m] (Q x J x 3); sitting_square, sittings: sum of E[u2] and number, by source (3); fit: what items
    and sittings add to twice the log likelihood; error, spread: mean and variance of each item's e (n); score:
    gradient in (c, lam, gam) of each student and indicator (N x J x 3; empty unless asked for).
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
    variance: Floats
    weight: Floats
    slot: Index
    task: Index


class _Model(NamedTuple):
    skill: Index
    source: Index
    c: Floats
    lam: Floats
    gam: Floats
    om2: Floats
    difficulty: Floats


class _State(NamedTuple):
    mean: Floats
    covariance: Floats
    raters: Index
    gain: Floats
    severity: Floats
    severity_covariance: Floats
    together: Floats


class _Student(NamedTuple):
    """Covariance of the state and of the raters' severities (17 + K square), and of the sum of all states with
    them.

    The sum is over all students (17 x 17 + K): raters tie them together.
    """

    joint: Floats
    total: Floats


class _Item(NamedTuple):
    """Room for one item's numbers: error (1), E[z] (5), covariance of z (5 x 5)."""

    error: Floats
    z: Floats
    among: Floats


class _Sitting(NamedTuple):
    """The sitting's term: mean, variance without the student's own, both covariances times a, variance."""

    mean: float
    own: float
    carried: Floats
    total: Floats
    variance: float


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
        variance=error_variance(observations, parameters),
        weight=np.ones(n) if weight is None else weight,
        slot=solved.information.slot,
        task=_known_task(observations, parameters),
    )
    model = _Model(*(getattr(parameters, name) for name in _Model._fields))
    raters, gain = solved.information.raters, solved.severity_gain
    borne = np.zeros((observations.n_raters, STATE))
    np.add.at(borne, raters[raters >= 0], gain[raters >= 0])
    state = _State(
        mean=solved.mean,
        covariance=solved.covariance_before,
        raters=raters,
        gain=gain,
        severity=solved.severity.mean,
        severity_covariance=solved.severity.covariance,
        together=solved.severity.covariance @ borne,
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
    room = _Item(error=np.zeros(1), z=np.zeros(MOMENTS), among=np.zeros((MOMENTS, MOMENTS)))
    _sum(items, model, state, room, sums)
    return sums


def _known_task(observations: Observations, parameters: Parameters) -> Index:
    """The task of each item (n), -1 without one and where its difficulty is not known."""
    padded = np.append(
        parameters.difficulty, np.full(max(observations.n_tasks - len(parameters.difficulty), 0) + 1, np.nan)
    )
    return np.where(np.isnan(padded[observations.task]), -1, observations.task)


@compiled
def _student(i: int, state: _State) -> _Student:
    """One student's covariances; rows and columns of raters beyond the last are zero."""
    gain, raters = state.gain[i], state.raters[i]
    size = STATE + len(raters)
    joint, total = np.zeros((size, size)), np.zeros((STATE, size))
    joint[:STATE, :STATE] = state.covariance[i]
    total[:, :STATE] = state.covariance[i]
    for p in range(len(raters)):
        if raters[p] < 0:
            continue
        total[:, STATE + p] = state.together[raters[p]]
        for a in range(STATE):
            for b in range(STATE):
                total[a, b] += state.together[raters[p], a] * gain[p, b]
        for q in range(len(raters)):
            if raters[q] < 0:
                continue
            among = state.severity_covariance[raters[p], raters[q]]
            joint[STATE + p, STATE + q] = among
            for a in range(STATE):
                borne = gain[p, a] * among
                joint[a, STATE + q] += borne
                joint[STATE + q, a] += borne
                for b in range(STATE):
                    joint[a, b] += borne * gain[q, b]
    return _Student(joint, total)


@compiled
def _sum_sitting(
    i: int, span: tuple[int, int], student: _Student, items: _Items, model: _Model, state: _State, sums: Moments
) -> _Sitting:
    """The posterior of one sitting's term, its sums, and the residuals without it (left in `error`)."""
    design = np.zeros(student.joint.shape[0])
    total, shift = 0.0, 0.0
    source = model.source[items.indicator[span[0]]]
    brought = BROUGHT + source
    for n in range(span[0], span[1]):
        j, t, slot = items.indicator[n], items.time[n], items.slot[n]
        k = model.skill[j]
        variance = items.variance[n] / items.weight[n]
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
    carried = student.joint @ design
    variance = own + own * own * (design @ carried)
    sums.sitting_square[source] += own * own * shift * shift + variance
    sums.sittings[source] += 1.0
    sums.fit[0] -= np.log(1.0 + om2 * total) + own * shift * shift / (1.0 + om2 * total)
    return _Sitting(own * shift, own, carried, student.total @ design, variance)


@compiled
def _of_item(
    i: int, n: int, joint: Floats, sitting: _Sitting, items: _Items, model: _Model, state: _State, item: _Item
) -> float:
    """The variance of one item's error; E[z] and the covariance of z are left in `item`."""
    j, t = items.indicator[n], items.time[n]
    k, brought = model.skill[j], BROUGHT + model.source[j]
    change = CHANGE + k
    lam, gam = model.lam[j], model.gam[j]
    theta, m = state.mean[i, k] + t * state.mean[i, change], state.mean[i, brought]
    theta_m = joint[k, brought] + t * joint[change, brought]
    drift_value = t * sitting.own * sitting.carried[change]
    theta_value = sitting.own * sitting.carried[k] + drift_value
    m_value = sitting.own * sitting.carried[brought]
    value_value = sitting.variance
    if items.slot[n] >= 0:
        rater = STATE + items.slot[n]
        drift_value -= t * joint[change, rater]
        theta_value -= joint[k, rater] + t * joint[change, rater]
        m_value -= joint[brought, rater]
        value_value += joint[rater, rater] - 2.0 * sitting.own * sitting.carried[rater]
    drift_drift = t * t * joint[change, change]
    theta_drift = t * joint[k, change] + drift_drift
    theta_theta = joint[k, k] + t * joint[k, change] + theta_drift
    z, among = item.z, item.among
    z[0], z[1], z[2], z[3] = 1.0, theta, m, item.error[0] + model.c[j] + lam * theta + gam * m
    z[4] = t * state.mean[i, change]
    among[1, 1], among[1, 2], among[1, 3], among[1, 4] = theta_theta, theta_m, theta_value, theta_drift
    among[2, 1], among[2, 2], among[2, 3], among[2, 4] = (
        theta_m,
        joint[brought, brought],
        m_value,
        t * joint[change, brought],
    )
    among[3, 3], among[3, 4], among[4, 4] = value_value, drift_value, drift_drift
    spread = value_value + lam * lam * theta_theta + gam * gam * joint[brought, brought]
    spread += 2.0 * (lam * gam * theta_m - lam * theta_value - gam * m_value)
    return float(spread)


@compiled
def _sum_item(i: int, n: int, items: _Items, model: _Model, item: _Item, sums: Moments) -> None:
    """Adds one item's expected squares and products."""
    j, q = items.indicator[n], items.task[n]
    lam, gam, z, among = model.lam[j], model.gam[j], item.z, item.among
    variance, error = items.variance[n], item.error[0]
    precision = items.weight[n] / variance
    sums.fit[0] -= precision * error * error
    sums.precisions[j, 0] += 1.0 / variance
    sums.precisions[j, 1] += 1.0 / (variance * variance)
    for a in range(MOMENTS):
        for b in range(a, MOMENTS):
            sums.of_items[j, a, b] += precision * (z[a] * z[b] + among[a, b])
    for a in range(DRIFT):
        for b in range(a, DRIFT):
            sums.squared[j, a, b] += precision / variance * (z[a] * z[b] + among[a, b])
    if q >= 0:
        sums.task_gradient[q] += precision * error
        for a in range(EXPLAINED):
            sums.task_items[q, j, a] += precision * z[a]
    if sums.score.shape[0] > 0:
        for a in range(EXPLAINED):
            pull = z[a] * error + among[a, EXPLAINED] - lam * among[a, 1] - gam * among[a, 2]
            sums.score[i, j, a] += precision * pull


@compiled
def _sum_moves(n: int, total: Floats, sitting: _Sitting, items: _Items, model: _Model, sums: Moments) -> None:
    """Adds how far all students' states together fall when this item is expected to be 1 higher."""
    j, t, q, slot = items.indicator[n], items.time[n], items.task[n], items.slot[n]
    k, brought = model.skill[j], BROUGHT + model.source[j]
    for a in range(STATE):
        move = model.lam[j] * (total[a, k] + t * total[a, CHANGE + k]) + model.gam[j] * total[a, brought]
        if slot >= 0:
            move += total[a, STATE + slot]
        move = items.weight[n] / items.variance[n] * (move - sitting.own * sitting.total[a])
        sums.moves[j, a] += move
        if q >= 0:
            sums.task_moves[q, a] += move


@compiled
def _sum(items: _Items, model: _Model, state: _State, item: _Item, sums: Moments) -> None:
    """All students, one after another, and each of their sittings."""
    for i in range(len(items.start) - 1):
        student = _student(i, state)
        n, end = items.start[i], items.start[i + 1]
        while n < end:
            last = n + 1
            while last < end and items.sitting[last] == items.sitting[n]:
                last += 1
            sitting = _sum_sitting(i, (n, last), student, items, model, state, sums)
            for at in range(n, last):
                item.error[0] = sums.error[at] - sitting.mean
                sums.error[at] = item.error[0]
                sums.spread[at] = _of_item(i, at, student.joint, sitting, items, model, state, item)
                _sum_item(i, at, items, model, item, sums)
                _sum_moves(at, student.total, sitting, items, model, sums)
            n = last

"""The posterior by brute force: one dense joint Gaussian over all students, sittings and raters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np

from sightline.domain.observables import Observable
from sightline.measurement.assess import Frame
from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.norms import standardised
from sightline.measurement.parameters import SKILL_AXIS, SOURCE_AXIS, residual_variance


def brute_force(
    school: dict[UUID, list[Observable]], frame: Frame
) -> dict[UUID, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Mean and covariance of every student's state, from one dense joint Gaussian over everything.

    The unknowns are all students' states, all sittings and all raters; nothing is integrated out by hand.
    """
    card, students = frame.card, sorted(school)
    rows = [(i, o) for i, s in enumerate(students) for o in school[s] if o.indicator in frame.norms.by_indicator]
    sittings = sorted({(i, o.sitting_id) for i, o in rows})
    raters = sorted({o.rater_id for _, o in rows if o.rater_id is not None})
    n_state = STATE * len(students)
    size = n_state + len(sittings) + len(raters)
    prior = np.zeros((size, size))
    for i in range(len(students)):
        prior[i * STATE : (i + 1) * STATE, i * STATE : (i + 1) * STATE] = card.prior_covariance
    for g, (i, sitting) in enumerate(sittings):
        source = next(o.source for j, o in rows if (j, o.sitting_id) == (i, sitting))
        prior[n_state + g, n_state + g] = card.om2[source]
    for r in range(len(raters)):
        prior[n_state + len(sittings) + r, n_state + len(sittings) + r] = card.tau2
    design, y, noise = np.zeros((len(rows), size)), np.zeros(len(rows)), np.zeros(len(rows))
    for n, (i, o) in enumerate(rows):
        indicator, norm = frame.indicators[o.indicator], frame.norms.by_indicator[o.indicator]
        y[n], extra = standardised(o, indicator, norm)
        noise[n] = residual_variance(indicator, norm, card) + extra
        t = 1 - (frame.as_of - o.at) / timedelta(weeks=card.weeks)
        base = i * STATE
        design[n, base + SKILL_AXIS[indicator.skill]] = card.lam[o.source]
        design[n, base + N_SKILLS + SKILL_AXIS[indicator.skill]] = card.lam[o.source] * t
        design[n, base + 2 * N_SKILLS + SOURCE_AXIS[o.source]] = card.gam[o.source]
        design[n, n_state + sittings.index((i, o.sitting_id))] = 1.0
        if o.rater_id is not None:
            design[n, n_state + len(sittings) + raters.index(o.rater_id)] = 1.0
    gain = (
        prior @ design.T @ np.linalg.inv(design @ prior @ design.T + np.diag(noise))
        if rows
        else np.zeros((size, 0))
    )
    mean, covariance = gain @ y, prior - gain @ design @ prior
    cut = [slice(i * STATE, (i + 1) * STATE) for i in range(len(students))]
    return {s: (mean[c], covariance[c, c]) for s, c in zip(students, cut, strict=True)}

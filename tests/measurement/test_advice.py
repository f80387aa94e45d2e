"""The search for what would help is exact: it finds what trying every way with whole matrices finds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from schools_of_arrays import random_observations, random_parameters
from sightline.measurement import kernel
from sightline.measurement.advice import prior_variances
from sightline.measurement.advice_loops import MOST_RATINGS, MOST_SITTINGS, Asked, Rules, search, ways
from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.contributions import level_at
from sightline.measurement.observations import Floats
from sightline.measurement.posterior import Solved, prior_information

SOURCES = 3


def typical(rng: np.random.Generator) -> Floats:
    """Information of one sitting by skill and source; every fifth cannot show the skill."""
    out = np.zeros((N_SKILLS, SOURCES, 4, 4))
    for skill, source in product(range(N_SKILLS), range(SOURCES)):
        if rng.random() > 0.2:
            row = np.zeros(4)
            row[0], row[1 + source] = rng.uniform(0.4, 0.9), rng.uniform(0.1, 0.4)
            out[skill, source] = rng.uniform(0.5, 4.0) * np.outer(row, row)
    return out


def directions(skill: int) -> Floats:
    """The four directions of a further sitting as rows (4 x 17)."""
    out = np.zeros((4, STATE))
    out[0] = level_at(skill).weights
    for source in range(SOURCES):
        out[1 + source, 2 * N_SKILLS + source] = 1.0
    return out


def gains_of(
    i: int, rows: np.ndarray[tuple[int, ...], np.dtype[np.intp]], solved: Solved, designs: Floats
) -> list[Floats]:
    """Information of each of a student's sittings, whole."""
    found, out = solved.information, []
    for g in np.unique(rows[:, 1][rows[:, 0] == i]):
        own = designs[rows[:, 1] == g]
        precision = 1.0 / found.variance[rows[:, 1] == g]
        a = found.sitting_sum[g]
        out.append((own.T * precision) @ own - found.sitting_shrink[g] * np.outer(a, a))
    return out


@pytest.mark.parametrize("seed", range(12))
def test_the_least_that_helps_is_what_whole_matrices_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parameters = random_parameters(rng)
    observations = random_observations(rng, parameters, students=4, most_sittings=4, most_items=3)
    solved = kernel.solve(observations, parameters)
    skill, source = parameters.skill[observations.indicator], parameters.source[observations.indicator]
    designs = np.zeros((len(skill), STATE))
    row = np.arange(len(skill))
    lam = parameters.lam[observations.indicator]
    designs[row, skill], designs[row, N_SKILLS + skill] = lam, lam * observations.time
    designs[row, 2 * N_SKILLS + source] = parameters.gam[observations.indicator]
    rules = Rules(
        typical=typical(rng),
        variance=prior_variances(parameters),
        needed=(float(rng.uniform(0.4, 0.8)), 0.95, 3.0, 0.4),
        alone=rng.integers(0, 2, SOURCES),
    )
    which = np.array(list(product(range(4), range(N_SKILLS))))
    seen = np.zeros((len(which), SOURCES), dtype=np.intp)
    sittings = np.zeros(len(which), dtype=np.intp)
    for u, (i, k) in enumerate(which):
        own = (observations.student == i) & (skill == k)
        seen[u, source[own]] = 1
        sittings[u] = len(np.unique(observations.sitting[own]))
    tried, kinds = ways()
    least = np.full((len(which), 4), -1, dtype=np.intp)
    known = kernel.known_of(observations, parameters, solved)
    asked = Asked(which, sittings, seen, tried, kinds)
    search(asked, rules, known, solved.information, solved.covariance_before, solved.severity_gain, least)
    rows = np.stack([observations.student, observations.sitting], axis=1)
    prior = np.asarray(prior_information(parameters))
    for u, (i, k) in enumerate(which):
        gains = gains_of(i, rows, solved, designs)

        def enough(extra: dict[int, int], u: int = u, i: int = i, k: int = k, gains: list[Floats] = gains) -> bool:
            added = [
                directions(k).T @ rules.typical[k, s] @ directions(k) for s, n in extra.items() for _ in range(n)
            ]
            every = [*gains, *added]
            before = np.linalg.inv(prior + sum(every, np.zeros((STATE, STATE))))
            raters = [r for r in solved.information.raters[i] if r >= 0]
            borne = solved.information.borne[i, : len(raters)]
            among = solved.severity.covariance[np.ix_(raters, raters)]
            covariance = before + before @ borne.T @ among @ borne @ before
            a = level_at(k).weights
            shares = np.array([covariance @ a @ gain @ covariance @ a for gain in every])
            sources = {s for s in range(SOURCES) if seen[u, s] or extra.get(s)}
            return bool(
                sittings[u] + len(added) >= rules.needed[2]
                and (len(sources) > 1 or rules.alone[min(sources)])
                and 0.95 * (1 - a @ covariance @ a / rules.variance[k]) >= rules.needed[0]
                and shares.max() <= rules.needed[3] * shares.sum()
            )

        found = [tried[way].tolist() if way >= 0 else None for way in least[u]]
        every = [alone(enough, k, s, rules) for s in range(SOURCES)]
        assert found[:SOURCES] == every
        assert found[SOURCES] == (None if any(every) else mixed(enough, k, rules))


def possible(k: int, s: int, rules: Rules) -> bool:
    return bool(rules.typical[k, s, 0, 0] > 0)


def alone(enough: object, k: int, s: int, rules: Rules) -> list[int] | None:
    most = MOST_RATINGS if s == SOURCES - 1 else MOST_SITTINGS
    if not possible(k, s, rules):
        return None
    ns = range(1, most + 1)
    return next(([n if s == j else 0 for j in range(SOURCES)] for n in ns if enough({s: n})), None)  # type: ignore[operator]


def mixed(enough: object, k: int, rules: Rules) -> list[int] | None:
    for second, most in ((2, MOST_RATINGS), (1, MOST_SITTINGS // 2)):
        for n, first in product(range(1, MOST_SITTINGS + 1), (0, 1)):
            if first == second or not possible(k, first, rules) or not possible(k, second, rules):
                continue
            for m in range(1, most + 1):
                if enough({first: n, second: m}):  # type: ignore[operator]
                    return [{first: n, second: m}.get(s, 0) for s in range(SOURCES)]
    return None

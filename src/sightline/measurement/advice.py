"""How much evidence every student has of every skill, and the least that would be enough, by compiled loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sightline.domain.indicators import Indicator
from sightline.domain.skills import SKILLS, SOURCES
from sightline.measurement.advice_loops import MIXED, Asked, Rules, search, ways
from sightline.measurement.card import N_SKILLS, N_SOURCES, Card
from sightline.measurement.contributions import LEVELS_NOW
from sightline.measurement.item_loops import precision_shares
from sightline.measurement.kernel import known_of
from sightline.measurement.norms import Norms
from sightline.measurement.observations import Floats, Observations, Parameters
from sightline.measurement.posterior import Solved
from sightline.measurement.sufficiency import Standing, in_words, typical_sittings

TARGETS: Floats = np.stack([target.weights for target in LEVELS_NOW])
"""The seven levels at the end of the window as rows (7 x 17)."""


def variances(solved: Solved, parameters: Parameters, parameter_error: float) -> Floats:
    """Posterior variance of each student's seven levels (N x 7).

    The parameters' own errors add a share of what the evidence took from the prior's variance.
    """
    known: Floats = np.einsum("ti,nij,tj->nt", TARGETS, solved.covariance, TARGETS, optimize=True)
    added: Floats = parameter_error * (prior_variances(parameters) - known)
    return known + added


def prior_variances(parameters: Parameters) -> Floats:
    """The variance of the seven levels before any evidence (7)."""
    prior: Floats = np.einsum("ti,ij,tj->t", TARGETS, parameters.prior_covariance, TARGETS)
    return prior


def standing(observations: Observations, parameters: Parameters, solved: Solved, card: Card) -> Standing:
    """What sufficiency looks at, for every student and skill."""
    n = observations.n_students
    skill, source = parameters.skill[observations.indicator], parameters.source[observations.indicator]
    shown = np.zeros((observations.n_sittings, N_SKILLS), dtype=np.bool_)
    shown[observations.sitting, skill] = True
    sittings = np.zeros((n, N_SKILLS), dtype=np.intp)
    np.add.at(sittings, solved.information.sitting_student, shown)
    sources = np.zeros((n, N_SKILLS, N_SOURCES), dtype=np.bool_)
    sources[observations.student, skill, source] = True
    shares = np.zeros((observations.n_sittings, N_SKILLS))
    precision_shares(known_of(observations, parameters, solved), solved.information, TARGETS, shares)
    whole, largest = np.zeros((n, N_SKILLS)), np.zeros((n, N_SKILLS))
    np.add.at(whole, solved.information.sitting_student, shares)
    np.maximum.at(largest, solved.information.sitting_student, shares)
    return Standing(
        sittings=sittings,
        sources=sources,
        reliability=1.0 - variances(solved, parameters, card.parameter_error) / prior_variances(parameters),
        dominated=largest > card.maximum_session_share * whole,
    )


def would_help(
    pairs: Sequence[tuple[int, int]],
    found: Standing,
    observations: Observations,
    parameters: Parameters,
    solved: Solved,
    *,
    indicators: Mapping[str, Indicator],
    norms: Norms,
    card: Card,
) -> list[str]:
    """For each student and skill the least that would be enough, in words.

    First play, talk or ratings alone, else with ratings, else play with talk; tried one sitting more at a time, on
    the posterior that it would give.
    """
    if not pairs:
        return []
    typical, possible = typical_sittings(indicators, norms, card)
    rules = Rules(
        typical=typical,
        variance=prior_variances(parameters),
        needed=(
            card.minimum_reliability,
            1.0 - card.parameter_error,
            float(card.minimum_sessions),
            card.maximum_session_share,
        ),
        alone=np.array([source in card.gam_learned for source in SOURCES], dtype=np.intp),
    )
    which = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    at = which[:, 0], which[:, 1]
    tried, kinds = ways()
    asked = Asked(which, found.sittings[at], found.sources[at].astype(np.intp), tried, kinds)
    least = np.full((len(which), MIXED + 1), -1, dtype=np.intp)
    known = known_of(observations, parameters, solved)
    search(asked, rules, known, solved.information, solved.covariance_before, solved.severity_gain, least)
    return [
        in_words([tried[way].tolist() for way in found_ways if way >= 0], possible[SKILLS[skill]])
        for found_ways, skill in zip(least.tolist(), at[1].tolist(), strict=True)
    ]

"""Every number in the worked example of docs/how-a-score-is-made.md is what the code computes."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from builders import START
from dense import brute_force
from sightline.domain.estimates import SCORE_SLOPE, Unscored
from sightline.domain.observables import Measured, Observable
from sightline.domain.skills import Skill
from sightline.features.catalog import INDICATORS
from sightline.measurement import kernel
from sightline.measurement.assess import Frame, assess, target_now
from sightline.measurement.card import read_card
from sightline.measurement.contributions import LEVELS_NOW, borrowed_share
from sightline.measurement.items import items_of
from sightline.measurement.levels import interval_90, level_probabilities
from sightline.measurement.norms import Norm, Norms, transformed
from sightline.measurement.parameters import SKILL_AXIS, parameters_for
from sightline.measurement.posterior import design

PAGE = Path(__file__).parents[2] / "docs" / "how-a-score-is-made.md"
HEADING = "## A worked example"
NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.?\d*|\.\d+)(?!\w)")
NAMED = re.compile(r"`[^`]*`")
"""What is code is a name and no number."""

STUDENT, RATER = UUID(int=1), UUID(int=2)
SESSION, OCCASION = UUID(int=3), UUID(int=4)
RESILIENCE = SKILL_AXIS[Skill.RESILIENCE]
CARD = read_card(files("sightline.params").joinpath("measurement-literature-1.json").read_bytes())
SEEN = (
    ("retry_after_failure", SESSION, 4.0, 4 / 5, 5),
    ("perseveration", SESSION, 4.0, 0.0, 6),
    ("rubric_resilience", OCCASION, 0.0, 3.0, 1),
)
NORMS = Norms(
    version="worked example",
    by_indicator={
        "retry_after_failure": Norm(0.90, 0.40, students=40, observables=90, typical_sampling_variance=0.30),
        "perseveration": Norm(0.60, 0.40, students=40, observables=90, typical_sampling_variance=0.30),
        "rubric_resilience": Norm(2.50, 0.80, students=40, observables=40, typical_sampling_variance=0.0),
    },
)
FRAME = Frame(
    indicators=INDICATORS, norms=NORMS, card=CARD, catalog_version="test", as_of=START, computed_at=START
)


def observables() -> list[Observable]:
    return [
        Observable(
            observable_id=UUID(int=10 + n),
            indicator=name,
            student_id=STUDENT,
            source=INDICATORS[name].source,
            sitting_id=sitting,
            at=START - timedelta(weeks=weeks),
            measured=Measured(value, opportunities, ()),
            rater_id=RATER if sitting == OCCASION else None,
        )
        for n, (name, sitting, weeks, value, opportunities) in enumerate(SEEN)
    ]


@cache
def computed() -> dict[str, list[float]]:
    """Each row of the page's tables by the words in its first cell, in the order of its columns."""
    seen = observables()
    items = items_of({STUDENT: seen}, indicators=INDICATORS, norms=NORMS, as_of=START, weeks=CARD.weeks)
    names = [o.indicator for o in items.observables]
    order = [names.index(name) for name, *_ in SEEN]
    o, parameters = items.observations, parameters_for(CARD, items.indicators, NORMS)
    solved = kernel.solve(o, parameters)
    found = solved.information
    moved = kernel.contributions(o, parameters, solved)
    _, h = design(o, parameters)
    norms = [NORMS.by_indicator[name] for name, *_ in SEEN]
    plain = [transformed(one.measured, INDICATORS[one.indicator].scale) for one in seen]
    of_sittings = list(dict.fromkeys(o.sitting[order].tolist()))
    before, borne = solved.covariance_before[0], found.borne[0, 0]
    a = LEVELS_NOW[RESILIENCE].weights
    mean, variance = float(a @ solved.mean[0]), float(a @ solved.covariance[0] @ a)
    error, prior = float(np.sqrt(variance)), float(a @ parameters.prior_covariance @ a)
    amounts, of_rater = moved.of_items[order, RESILIENCE], float(moved.of_raters[0, 0, RESILIENCE])
    levels = level_probabilities(mean, error, CARD.cuts)
    counts = [(round(value * n), n) if n > 1 else (value,) for _, _, _, value, n in SEEN]
    return {
        "what was seen": [float(number) for pair in counts for number in pair],
        "mean of the norm": [norm.mean for norm in norms],
        "SD of the norm": [norm.spread for norm in norms],
        "students in the norm": [norm.students for norm in norms],
        "typical sampling variance": [norm.typical_sampling_variance for norm in norms],
        "transformed": [value for value, _ in plain],
        "its sampling variance": [variance for _, variance in plain],
        "y": o.y[order].tolist(),
        "sampling variance of y": o.sampling_variance[order].tolist(),
        "s2": parameters.s2[o.indicator[order]].tolist(),
        "whole error variance": found.variance[order].tolist(),
        "t": o.time[order].tolist(),
        "h on level, change, source": h[order].ravel().tolist(),
        "W": found.sitting_precision[of_sittings].tolist(),
        "R": found.sitting_residual[of_sittings].tolist(),
        "v": found.sitting_shrink[of_sittings].tolist(),
        "q": [float(found.rated[0, 0, 0] - borne @ before @ borne)],
        "e": [float(found.rated_residual[0, 0] - borne @ before @ found.eta[0])],
        "V": [float(solved.severity.covariance[0, 0])],
        "rhohat": [float(solved.severity.mean[0])],
        "prior mean": [float(a @ parameters.prior_mean)],
        "first item, direct": [float(amounts[0])],
        "second item, borrowed": [float(amounts[1])],
        "third item, direct": [float(amounts[2])],
        "the rater's severity": [of_rater],
        "posterior mean (the sum)": [mean],
        "borrowed share of the items' movement": [float(borrowed_share(moved, o)[0, RESILIENCE])],
        "prior variance a'Ca": [prior],
        "posterior variance a'Pa": [variance],
        "standard error": [error],
        "reliability": [1.0 - variance / prior],
        "interval that holds nine times in ten": list(interval_90(mean, error)),
        "score on the linear scale": [0.5 + mean * SCORE_SLOPE],
        "P(level), lowest first": [probability for _, probability in levels],
    }


def section() -> str:
    text = PAGE.read_text()
    start = text.index(HEADING)
    return text[start : text.index("\n## ", start + 1)]


def rows() -> dict[str, str]:
    """The section's table rows: the first cell, and the cells after it."""
    cells = [line.strip("|").split("|", 1) for line in section().splitlines() if line.startswith("|")]
    return {first.strip(): rest for first, rest in cells}


@pytest.mark.parametrize("row", computed())
def test_each_number_printed_is_the_one_computed_rounded_to_the_digits_printed(row: str) -> None:
    printed, expected = NUMBER.findall(rows()[row]), computed()[row]
    assert len(printed) == len(expected)
    for text, value in zip(printed, expected, strict=True):
        half_of_the_last_digit = 0.5 * 10.0 ** -len(text.partition(".")[2])
        assert abs(float(text) - value) <= half_of_the_last_digit + 1e-12, (row, value)


def test_the_section_prints_no_number_that_is_not_computed() -> None:
    left = [row + rest for row, rest in rows().items() if row not in computed()]
    prose = [line for line in section().splitlines() if not line.startswith("|")]
    assert [line for line in left + prose if NUMBER.search(NAMED.sub("", line))] == []


def test_the_example_is_what_one_dense_gaussian_says_and_its_sum_is_exact() -> None:
    mean, covariance = brute_force({STUDENT: observables()}, FRAME)[STUDENT]
    a, found = target_now(Skill.RESILIENCE), computed()
    assert a @ mean == pytest.approx(found["posterior mean (the sum)"][0], abs=1e-9)
    assert a @ covariance @ a == pytest.approx(found["posterior variance a'Pa"][0], abs=1e-9)
    parts = (
        "prior mean",
        "first item, direct",
        "second item, borrowed",
        "third item, direct",
        "the rater's severity",
    )
    assert sum(found[part][0] for part in parts) == pytest.approx(a @ mean, abs=1e-9)


def test_the_reasons_why_nobody_would_see_the_estimate_are_those_that_the_page_names() -> None:
    (assessment,) = assess({STUDENT: observables()}, FRAME)
    outcome = assessment.of(Skill.RESILIENCE).outcome
    assert isinstance(outcome, Unscored)
    last = section().rsplit("because of", 1)[1]
    assert re.findall(r"`(\w+)`", last) == [reason.value for reason in outcome.reasons]

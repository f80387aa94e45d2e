"""What a teacher reads: announced only when it was found, always with what could have been seen."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.domain.changes import Finding, TooFew, Verdict
from sightline.domain.estimates import Slope
from sightline.domain.skills import SKILLS, Skill
from sightline.growth.change import change_of
from sightline.growth.findings import verdict_of
from sightline.growth.words import class_words, practice_words, skill_words, student_words

ANNOUNCING = re.compile(r"\bgrew\b|\bgrowth\b|went down|stands out: ")
SPARE = re.compile(r"confiden|signific|p-value|\bq\b|probab", re.IGNORECASE)


def finding(verdict: Verdict, change: float = 0.5, *, counted: int = 25, smallest: float = 0.6) -> Finding:
    return Finding(
        change=change,
        standard_error=0.2,
        p=0.01,
        q=0.02,
        probability_of_rise=0.99,
        smallest_visible=smallest,
        counted=counted,
        verdict=verdict,
    )


def all_words(verdict: Verdict) -> list[str]:
    found = finding(verdict, -0.5 if verdict is Verdict.DECLINE else 0.5)
    return [
        class_words(found, Skill.EMPATHY, students=25, weeks=8),
        student_words(found, SKILLS, weeks=8),
        skill_words(found, Skill.EMPATHY, weeks=8),
    ]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_what_was_found_is_announced_and_the_rest_says_what_could_have_been_seen(verdict: Verdict) -> None:
    for words in all_words(verdict):
        announced = verdict in {Verdict.GROWTH, Verdict.DECLINE}
        assert bool(ANNOUNCING.search(words)) == announced
        assert not SPARE.search(words)
        assert words.endswith(".")
        if not announced:
            assert "could only have shown a change of 0.6 SD or more" in words


def test_every_case_has_words_of_its_own() -> None:
    for level in zip(*(all_words(verdict) for verdict in Verdict), strict=True):
        assert len(set(level)) == len(level)


def test_a_handful_is_not_judged_as_a_class() -> None:
    assert class_words(TooFew(4), Skill.EMPATHY, students=25, weeks=8).startswith("Fewer than 5 students")


def test_the_size_is_a_range_in_the_direction_that_the_verb_says() -> None:
    rose = class_words(finding(Verdict.GROWTH, counted=22), Skill.RESILIENCE, students=25, weeks=6)
    assert rose == (
        "Over 6 weeks this class grew in resilience: by about 0.5 SD (90 % interval 0.2 to 0.8), "
        "22 of 25 students together."
    )
    fell = student_words(finding(Verdict.DECLINE, -0.5), SKILLS[:6], weeks=8)
    assert fell == (
        "Over 8 weeks this student went down over 6 of the seven skills together: "
        "by about 0.5 SD (90 % interval 0.2 to 0.8)."
    )


@given(st.floats(-3, 3), st.floats(0.01, 5), st.booleans())
def test_a_single_skill_alone_is_never_called_growth(mean: float, error: float, prior: bool) -> None:  # noqa: FBT001
    change = change_of(Slope(mean, error), 8, 0.25 if prior else None)
    assert not ANNOUNCING.search(change.words)
    assert "could only have shown" in change.words
    assert ("likely" in change.words) == (max(change.probability_of_rise, 1 - change.probability_of_rise) >= 0.9)


def test_typical_evidence_of_one_student_makes_nothing_likely_when_children_change_as_they_do() -> None:
    for z in np.linspace(-3, 3, 13):
        assert "too little evidence" in change_of(Slope(0.93 * z, 0.93), 8, 0.25).words


def test_tasks_that_did_not_come_back_are_warned_of() -> None:
    warning = practice_words(0.12)
    assert warning is not None
    assert "12 % of the tasks" in warning
    assert "practice" in warning
    assert practice_words(0.30) is None
    assert practice_words(None) is None


@pytest.mark.parametrize(
    ("rise", "smallest", "said"),
    [
        (0.90, 0.5, Verdict.LIKELY_RISE),
        (0.89, 0.5, Verdict.NOTHING_STANDS_OUT),
        (0.10, 0.5, Verdict.LIKELY_FALL),
        (0.5, 1.01, Verdict.TOO_LITTLE_EVIDENCE),
    ],
)
def test_what_is_not_announced_is_likely_or_nothing_or_could_not_be_seen(
    rise: float, smallest: float, said: Verdict
) -> None:
    assert verdict_of(grew=False, declined=False, probability_of_rise=rise, smallest_visible=smallest) is said

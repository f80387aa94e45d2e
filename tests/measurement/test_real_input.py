"""The laws of the sum on real children's play and talk (JUSThink), not only on made-up numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from dense import brute_force
from sightline.demo.justhink_import import read_corpus
from sightline.demo.justhink_reading import frame_of, observables_of
from sightline.domain.estimates import Unscored
from sightline.domain.skills import Source
from sightline.measurement.assess import assess, target_now


def test_on_real_input_prior_and_contributions_equal_the_mean(corpora: Path) -> None:
    found = observables_of(read_corpus(corpora / "justhink"))
    assert len(found) == 40
    frame = frame_of(found)
    truth = brute_force(found, frame)
    moved = 0
    for assessment in assess(found, frame):
        for result in assessment.results:
            mean = target_now(result.skill) @ truth[assessment.student_id][0]
            total = result.prior_mean + sum(c.amount for c in result.contributions)
            assert total == pytest.approx(mean, abs=1e-9)
            moved += len(result.contributions)
            assert isinstance(result.outcome, Unscored), "one sitting a child is never enough"
    assert moved > 1000


def test_the_classifier_keeps_silent_on_childrens_speech(corpora: Path) -> None:
    """Its words are known to less than nine tenths there, and its error rates are not known at all."""
    found = observables_of(read_corpus(corpora / "justhink"))
    talk = {o.indicator for seen in found.values() for o in seen if o.source is Source.TALK}
    assert talk == {"responsivity", "social_impact", "asking", "asking_anothers_view", "turn_balance"}

"""Laws that every catalog row obeys, and cases of single rules that once went wrong."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import a_conversation, a_session
from sightline.domain.indicators import Modality, Scale
from sightline.domain.observables import Absence, Measured
from sightline.domain.records import Session
from sightline.features import play, talk
from sightline.features.catalog import INDICATORS
from sightline.features.extraction import extract_conversation, extract_session
from sightline.features.rows_play import PLAY_RULES
from sightline.features.rows_talk import TALK_RULES
from sightline.features.session_features import session_features
from sightline.ingest.event_types import KNOWN_TYPES
from sightline.ingest.sessions import session_of

DATA = st.fixed_dictionaries(
    {},
    optional={
        "task": st.sampled_from(["a", "b"]),
        "shared": st.booleans(),
        "last_chance": st.booleans(),
        "feedback": st.booleans(),
        "new_approach": st.booleans(),
        "engaged": st.booleans(),
        "takes_perspective": st.booleans(),
        "helps_at_cost": st.booleans(),
        "gave_turn": st.booleans(),
        "what": st.sampled_from(["left", "right"]),
        "outcome": st.sampled_from(["win_win", "compromise", "lost"]),
        "reaction": st.sampled_from(["adapt", "blame"]),
        "least": st.integers(1, 5),
        "used": st.integers(1, 9),
    },
) | st.dictionaries(
    st.sampled_from(["task", "what", "outcome", "reaction", "least", "used", "engaged", "feedback", "shared"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        max_leaves=4,
    )
    | st.just(10**400)
    | st.just(1e-320)
    | st.just(1e308),
    max_size=4,
)
SESSIONS = st.lists(st.tuples(st.sampled_from(sorted(KNOWN_TYPES)), DATA), min_size=1, max_size=40).map(
    lambda steps: a_session(*steps)
)
TURNS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C", "teacher"]),
        st.sampled_from(
            [
                "so we go to bern",
                "why bern ?",
                "okay",
                "what do you think ?",
                "because zurich costs 4",
                "um",
                "...",
                "",
            ]
        ),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(SESSIONS)
def test_every_play_rule_is_bounded_and_counts_whole_chances(session: Session) -> None:
    for rule in PLAY_RULES:
        found = rule.function(session, rule.indicator.minimum)
        if isinstance(found, Absence):
            continue
        assert found.opportunities >= rule.indicator.minimum
        assert found.moments
        if rule.indicator.scale is Scale.PROPORTION:
            assert found.counted is not None
            assert 0 <= found.counted <= found.opportunities
            assert found.value == found.counted / found.opportunities
            assert sum(m.counted for m in found.moments) == found.counted
            assert len(found.moments) == found.opportunities
        if rule.indicator.scale is Scale.SHARE:
            assert 0 < found.value <= 1
        if rule.indicator.scale is Scale.DURATION:
            assert found.value > 0


@settings(max_examples=100, deadline=None)
@given(SESSIONS, st.randoms(use_true_random=False))
def test_play_rules_see_neither_arrival_order_nor_ids(session: Session, order: random.Random) -> None:
    shuffled = list(session.events)
    order.shuffle(shuffled)
    again = session_of(session.session_id, session.student_id, shuffled)
    assert extract_session(again) == extract_session(session)
    renamed = replace(session, events=tuple(replace(e, event_id=uuid4()) for e in session.events))
    for rule in PLAY_RULES:
        one, other = (rule.function(s, rule.indicator.minimum) for s in (session, renamed))
        assert values(one) == values(other)


@settings(max_examples=100, deadline=None)
@given(SESSIONS, st.integers(0, 40))
def test_an_irrelevant_event_changes_no_play_rule(session: Session, place: int) -> None:
    events = list(session.events)
    at = min(place, len(events) - 1)
    noise = replace(events[at], event_id=uuid4(), event_type="dialogue_viewed", data={})
    split = replace(session, events=(*events[:at], noise, *events[at:]))
    for rule in PLAY_RULES:
        one, other = (rule.function(s, rule.indicator.minimum) for s in (session, split))
        assert values(one) == values(other)


def values(found: Measured | Absence) -> object:
    return found if isinstance(found, Absence) else (found.value, found.opportunities, found.counted)


@settings(max_examples=100, deadline=None)
@given(TURNS)
def test_every_talk_rule_is_bounded_and_needs_five_own_turns(turns: list[tuple[str, str]]) -> None:
    conversation, students = a_conversation(*turns)
    for student in students.values():
        own = sum(
            u.student_id == student and talk.WORD.search(u.text) is not None for u in conversation.utterances
        )
        for rule in TALK_RULES:
            found = rule.function(conversation, student, rule.indicator.minimum, Absence.ACTS_OUT_OF_DOMAIN)
            if own < 5:
                assert found is Absence.TOO_FEW_UTTERANCES
            elif isinstance(found, Measured):
                assert 0 <= found.value <= 1
                mine = {u.utterance_id for u in conversation.utterances if u.student_id == student}
                assert {m.record_id for m in found.moments} <= mine


@settings(max_examples=50, deadline=None)
@given(TURNS)
def test_talk_rules_do_not_see_who_a_student_is(turns: list[tuple[str, str]]) -> None:
    conversation, students = a_conversation(*turns)
    other: dict[UUID | None, UUID | None] = {s: uuid4() for s in students.values()}
    renamed = replace(
        conversation,
        utterances=tuple(replace(u, student_id=other.get(u.student_id)) for u in conversation.utterances),
    )
    for student in students.values():
        new = other[student]
        assert new is not None
        one = extract_conversation(conversation, student, Absence.ACTS_OUT_OF_DOMAIN)
        two = extract_conversation(renamed, new, Absence.ACTS_OUT_OF_DOMAIN)
        assert [values(o.measured) for o in one.observables] == [values(o.measured) for o in two.observables]


def test_the_catalog_is_whole() -> None:
    assert len(PLAY_RULES) >= 8
    assert len(TALK_RULES) >= 5
    assert len(INDICATORS) == len(PLAY_RULES) + len(TALK_RULES) + 7
    for indicator in INDICATORS.values():
        assert indicator.modality in set(Modality)
        assert indicator.direction in {-1, 1}
        assert indicator.rationale.endswith(".")
        assert indicator.reference
        assert indicator.next_step


def counted(session: Session, name: str) -> tuple[int | None, int] | Absence:
    rule = next(r for r in PLAY_RULES if r.indicator.name == name)
    found = rule.function(session, rule.indicator.minimum)
    return found if isinstance(found, Absence) else (found.counted, found.opportunities)


F: tuple[str, dict[str, Any]] = ("failure", {"task": "a"})
R: tuple[str, dict[str, Any]] = ("retry", {"task": "a"})
CASES: list[tuple[str, str, list[tuple[str, dict[str, Any]]], object]] = [
    (
        "no failure is no opportunity",
        "retry_after_failure",
        [("task_complete", {"task": "a"})],
        Absence.NO_OPPORTUNITY,
    ),
    ("a failure that ends the session is not retried", "retry_after_failure", [F, R, F], (1, 2)),
    ("a retry of another task is none", "retry_after_failure", [F, ("retry", {"task": "b"})], (0, 1)),
    (
        "a last chance gave none",
        "retry_after_failure",
        [("failure", {"last_chance": True})],
        Absence.NO_OPPORTUNITY,
    ),
    ("a team's failure is nobody's own", "bounce_back", [("failure", {"shared": True})], Absence.NO_OPPORTUNITY),
    ("solving later bounces back", "bounce_back", [F, R, ("task_complete", {"task": "a"})], (1, 1)),
    (
        "a switch after the next attempt is none",
        "strategy_change_after_failure",
        [F, R, ("strategy_switched", {})],
        (0, 1),
    ),
    ("a switch before it is one", "strategy_change_after_failure", [F, ("strategy_switched", {}), R], (1, 1)),
    ("nobody retried", "strategy_change_after_failure", [F], Absence.NO_OPPORTUNITY),
    ("the game is silent", "strategy_change_after_failure", [F, R], Absence.NOT_STATED_BY_GAME),
    ("the same again", "perseveration", [("mistake", {"what": "x"}), ("mistake", {"what": "x"})], (1, 1)),
    (
        "another state is not the same",
        "perseveration",
        [("mistake", {"what": "x", "state": 1}), ("mistake", {"what": "x", "state": 2})],
        (0, 1),
    ),
    ("a task counts once", "tasks_completed", [("task_start", {"task": "a"})] * 3, (0, 1)),
    (
        "completing twice is not 2.0",
        "tasks_completed",
        [("task_start", {"task": "a"}), ("task_complete", {"task": "a"}), ("task_complete", {"task": "a"})],
        (1, 1),
    ),
    (
        "feedback on another task does not count",
        "feedback_use",
        [("failure", {"task": "a", "feedback": True}), ("feedback_viewed", {"task": "b"})],
        (0, 1),
    ),
    ("left alone", "distraction_resisted", [("distraction", {"engaged": False})], (1, 1)),
]


@pytest.mark.parametrize(("name", "steps", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_single_cases(name: str, steps: list[tuple[str, dict[str, Any]]], expected: object) -> None:
    assert counted(a_session(*steps), name) == expected


PAIRS = [
    (talk.is_question, "what is the next one", "that is what the next one costs"),
    (talk.is_question, "do you see it", "i do see it"),
    (talk.is_question, "so where do we go", "so there we go"),
    (talk.asks_anothers_view, "do you think this is good ?", "i think this is good"),
    (talk.asks_anothers_view, "what would you do with the beams?", "what did you do with the beams?"),
    (talk.asks_anothers_view, "can you see it ?", "you can see it"),
    (talk.asks_anothers_view, "how about you?", "how about the bridge?"),
    (talk.asks_anothers_view, "don't you agree?", "i don't agree"),
]


@pytest.mark.parametrize(("rule", "yes", "no"), PAIRS, ids=[p[1] for p in PAIRS])
def test_minimal_pairs_of_talk(rule: Any, yes: str, no: str) -> None:
    assert rule(yes)
    assert not rule(no)


@pytest.mark.parametrize("text", ["i never give up", "sorry", "we all feel great", "you are so kind"])
def test_nice_words_are_no_evidence(text: str) -> None:
    """Keywords count for nothing: no rule reads a fine word as a skill."""
    conversation, students = a_conversation(*[("A", text), ("B", "okay")] * 6)
    found = extract_conversation(conversation, students["A"], Absence.ACTS_OUT_OF_DOMAIN)
    acts = {o.indicator: o.measured.counted for o in found.observables if o.indicator.startswith("asking")}
    assert acts == {"asking": 0, "asking_anothers_view": 0}


def test_a_word_that_everybody_always_says_takes_nothing_up() -> None:
    conversation, students = a_conversation(
        *[turn for i in range(8) for turn in (("A", f"mount bern{i}"), ("B", f"mount davos{i}"))]
    )
    found = talk.responsivity(conversation, students["B"], 5, Absence.ACTS_OUT_OF_DOMAIN)
    assert isinstance(found, Measured)
    assert found.counted == 0, "mount is the setting; another place than the other's is no uptake"


def test_ninety_minutes_sent_as_one_batch_keep_their_length() -> None:
    steps: list[tuple[str, dict[str, Any]]] = [("choice_made", {})] * 541
    session = a_session(*steps, seconds=10)
    focus = next(f for f in session_features(session, extract_session(session)) if f.name == "focus_duration")
    assert focus.value == timedelta(minutes=90).total_seconds()


def test_more_of_the_act_never_lowers_the_value() -> None:
    """Adding a retry after an unretried failure raises the share; the catalog then gives it its direction."""
    before = play.retry_after_failure(a_session(F, R, F), 1)
    after = play.retry_after_failure(a_session(F, R, F, R), 1)
    assert isinstance(before, Measured)
    assert isinstance(after, Measured)
    assert after.value > before.value
    assert INDICATORS["retry_after_failure"].direction == 1

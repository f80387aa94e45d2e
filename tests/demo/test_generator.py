"""The simulated school: reproducible, plausible, fit for the real rules, its signal real but modest."""

from __future__ import annotations

import csv
import io
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from importlib.resources import files
from itertools import pairwise
from typing import cast
from uuid import UUID, uuid5

import numpy as np
import pytest
import webvtt

from sightline.demo.generator import NEWCOMERS_A_SCHOOL, simulate
from sightline.demo.school import SimulatedRating, SimulatedSchool, SimulatedSession, SimulatedTalk
from sightline.demo.talk_phrases import ACTS, BARE, PHRASES
from sightline.domain.acts import ActReadings
from sightline.domain.estimates import Assessment, Estimate
from sightline.domain.observables import Observable
from sightline.domain.records import Conversation, Event, Rating, Session, Utterance
from sightline.domain.skills import SKILLS, Skill, Source
from sightline.errors import BadInput
from sightline.features.catalog import CATALOG_VERSION, INDICATORS
from sightline.features.extraction import extract_conversation, extract_ratings, extract_session
from sightline.features.talk import asks_anothers_view, is_question
from sightline.measurement.assess import Frame, assess
from sightline.measurement.card import read_card
from sightline.measurement.norms import norms_of, transformed

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=timezone(timedelta(hours=1)))
WINDOW = timedelta(weeks=8)
ACT_NAMES = sorted(frozenset[str]().union(*ACTS.values()))

Observed = Mapping[UUID, list[Observable]]


def session_of(sent: SimulatedSession) -> Session:
    def event_of(payload: Mapping[str, object]) -> Event:
        at = datetime.fromisoformat(str(payload["timestamp"]))
        return Event(
            event_id=UUID(str(payload["event_id"])),
            student_id=UUID(sent.student_id),
            session_id=UUID(sent.session_id),
            event_type=str(payload["event_type"]),
            stated_at=at,
            occurred_at=at,
            data=cast("dict[str, object]", payload["data"]),
            mission_id=str(payload["mission_id"]),
            sequence=cast("int", payload["sequence"]),
        )

    return Session(
        session_id=UUID(sent.session_id),
        student_id=UUID(sent.student_id),
        events=tuple(event_of(payload) for payload in sent.events),
    )


def conversation_of(talk: SimulatedTalk) -> Conversation:
    """From what is sent, not from its truth: content, recorded_at and speakers."""
    transcript = UUID(talk.transcript_id)
    start = datetime.fromisoformat(talk.recorded_at)
    return Conversation(
        transcript_id=transcript,
        utterances=tuple(
            Utterance(
                utterance_id=uuid5(transcript, str(position)),
                position=position,
                speaker=speaker,
                student_id=None if (student := talk.speakers[speaker]) is None else UUID(student),
                starts_at=start + timedelta(seconds=starts),
                ends_at=start + timedelta(seconds=ends),
                text=text,
            )
            for position, (starts, ends, speaker, text) in enumerate(rows_of(talk))
        ),
    )


def rows_of(talk: SimulatedTalk) -> Iterator[tuple[float, float, str, str]]:
    if talk.format == "webvtt":
        for cue in webvtt.from_string(talk.content).captions:
            yield seconds(cue.start), seconds(cue.end), str(cue.voice), cue.text
        return
    for row in csv.DictReader(io.StringIO(talk.content)):
        yield float(row["start"]), float(row["end"]), row["speaker"], row["text"]


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.split(":")
    return round(int(hours) * 3600 + int(minutes) * 60 + float(rest), 3)


def true_acts(talk: SimulatedTalk, said: Conversation) -> ActReadings:
    """What a classifier without errors would read."""
    return ActReadings(
        card_version="truth",
        probabilities={
            u.utterance_id: {act: float(act in turn.acts) for act in ACT_NAMES}
            for u, turn in zip(said.utterances, talk.turns, strict=True)
        },
        thresholds=dict.fromkeys(ACT_NAMES, 0.5),
        discrimination=dict.fromkeys(ACT_NAMES, 1.0),
    )


def rating_of(sent: SimulatedRating) -> Rating:
    student = UUID(sent.student_id)
    return Rating(
        rating_id=uuid5(student, f"{sent.skill}/{sent.occasion}"),
        rater_id=uuid5(UUID(int=0), str(sent.rater)),
        student_id=student,
        skill=Skill(sent.skill),
        level=sent.level,
        occasion=date.fromisoformat(sent.occasion),
        rated_at=datetime.fromisoformat(sent.rated_at),
    )


def observables_of(school: SimulatedSchool) -> Observed:
    seen: dict[UUID, list[Observable]] = {UUID(s.student_id): [] for s in school.students}
    for session in school.sessions:
        seen[UUID(session.student_id)] += extract_session(session_of(session)).observables
    for talk in school.talks:
        said = conversation_of(talk)
        acts = true_acts(talk, said)
        for student in said.students:
            seen[student] += extract_conversation(said, student, acts).observables
    occasions: dict[tuple[UUID, date], list[Rating]] = defaultdict(list)
    for rating in map(rating_of, school.ratings):
        occasions[rating.student_id, rating.occasion].append(rating)
    for (student, day), ratings in occasions.items():
        seen[student] += extract_ratings(uuid5(student, day.isoformat()), ratings).observables
    return seen


def assessed(observed: Observed) -> tuple[Assessment, ...]:
    frame = Frame(
        indicators=INDICATORS,
        norms=norms_of((o for seen in observed.values() for o in seen), INDICATORS),
        card=read_card(files("sightline.params").joinpath("measurement-literature-1.json").read_bytes()),
        catalog_version=CATALOG_VERSION,
        as_of=NOW,
        computed_at=NOW,
    )
    return assess(observed, frame)


@pytest.fixture(scope="module")
def school() -> SimulatedSchool:
    return simulate(1, NOW)


@pytest.fixture(scope="module")
def observed(school: SimulatedSchool) -> Observed:
    return observables_of(school)


def test_same_seed_and_time_give_the_same_school(school: SimulatedSchool) -> None:
    assert simulate(1, NOW) == school


def test_another_time_keeps_the_people_and_changes_everything_that_happens(school: SimulatedSchool) -> None:
    later = simulate(1, NOW + timedelta(minutes=1))
    assert later.students == school.students
    assert not {s.session_id for s in later.sessions} & {s.session_id for s in school.sessions}
    assert not {t.transcript_id for t in later.talks} & {t.transcript_id for t in school.talks}
    assert not {event_id(e) for e in events_of(later)} & {event_id(e) for e in events_of(school)}


def test_another_seed_gives_other_people(school: SimulatedSchool) -> None:
    other = simulate(2, NOW)
    assert not {s.student_id for s in other.students} & {s.student_id for s in school.students}


def test_the_default_school_takes_less_than_three_seconds() -> None:
    begun = time.process_time()
    simulate(3, NOW)
    assert time.process_time() - begun < 3.0


def events_of(school: SimulatedSchool) -> Iterator[dict[str, object]]:
    return (event for session in school.sessions for event in session.events)


def event_id(event: Mapping[str, object]) -> UUID:
    return UUID(str(event["event_id"]))


def test_two_classes_of_twenty_five_with_distinct_made_up_people(school: SimulatedSchool) -> None:
    assert Counter(s.class_index for s in school.students) == {0: 25, 1: 25}
    assert len({s.student_id for s in school.students}) == len({s.display_name for s in school.students}) == 50
    assert all(re.fullmatch(r"\w+ [A-Z]\.", s.display_name) for s in school.students)
    assert len(simulate(1, NOW, classes=4, class_size=60, weeks=2).students) == 240
    assert "simulated" in school.name


def test_play_is_about_one_sitting_a_week_and_newcomers_have_almost_none(school: SimulatedSchool) -> None:
    sittings = Counter(s.student_id for s in school.sessions)
    assert 0.9 < len(school.sessions) / 50 / 8 < 1.4
    newcomers = [s.student_id for s in school.students if s.attendance == "newcomer"]
    assert len(newcomers) == NEWCOMERS_A_SCHOOL
    assert max(sittings[student] for student in newcomers) <= 3
    seldom = [sittings[s.student_id] for s in school.students if s.attendance == "seldom"]
    regular = [sittings[s.student_id] for s in school.students if s.attendance == "regular"]
    assert np.mean(seldom) < 0.75 * np.mean(regular)


def test_events_increase_in_time_with_their_sequence_inside_the_window(school: SimulatedSchool) -> None:
    for session in school.sessions:
        times = [datetime.fromisoformat(str(e["timestamp"])) for e in session.events]
        assert all(t.utcoffset() is not None and NOW - WINDOW < t < NOW for t in times)
        assert all(a < b for a, b in pairwise(times))
        assert [e["sequence"] for e in session.events] == list(range(1, len(times) + 1))
        assert 20 <= len(times) <= 45
        assert timedelta(minutes=5) <= times[-1] - times[0] <= timedelta(minutes=20)
        assert times[0].weekday() < 5
    ids = [event_id(e) for e in events_of(school)]
    assert len(ids) == len(set(ids))


def keys_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from keys_in(inner)


def test_events_carry_no_personal_data_and_keep_to_the_wire(school: SimulatedSchool) -> None:
    for event in events_of(school):
        assert not [k for k in keys_in(event) if re.search("name|mail|phone|address|birth", k)]
        assert re.fullmatch(r"[a-z0-9_]{1,100}", str(event["event_type"]))


def test_talks_happen_in_half_of_the_weeks_in_groups_of_five(school: SimulatedSchool) -> None:
    days = {(t.class_index, datetime.fromisoformat(t.recorded_at).date()) for t in school.talks}
    assert Counter(class_index for class_index, _ in days) == {0: 4, 1: 4}
    assert {t.format for t in school.talks} == {"webvtt", "csv"}
    sizes = Counter(len(t.speakers) - 1 for t in school.talks)
    assert set(sizes) <= {4, 5}
    assert sizes[5] > sizes[4]
    class_of = {s.student_id: s.class_index for s in school.students}
    for talk in school.talks:
        assert 35 <= len(talk.turns) <= 60
        assert all(s is None or class_of[s] == talk.class_index for s in talk.speakers.values())
        assert NOW - WINDOW < datetime.fromisoformat(talk.recorded_at) < NOW


def test_what_is_sent_reads_back_as_what_was_said(school: SimulatedSchool) -> None:
    for talk in school.talks:
        assert list(rows_of(talk)) == [(u.starts, u.ends, u.speaker, u.text) for u in talk.turns]


def test_talk_is_varied(school: SimulatedSchool) -> None:
    phrases = [p for group in (PHRASES, BARE) for kind in group.values() for p in kind]
    assert len(set(phrases)) == len(phrases) > 150
    texts = [u.text for t in school.talks for u in t.turns if u.student_id is not None]
    assert len(set(texts)) > len(texts) / 2


@pytest.mark.parametrize("kind", sorted(PHRASES))
def test_a_phrase_asks_when_its_kind_asks(kind: str) -> None:
    for phrase in (*PHRASES[kind], *BARE.get(kind, ())):
        text = phrase.format(
            part="beams", other="ropes", flaw="thin", fix="fold", trouble="it bends", goal="hold", n=3
        )
        assert is_question(text) == ("?" in text)
        assert asks_anothers_view(text) == (kind == "view")
        assert kind not in ("ask", "view") or is_question(text)


def test_every_student_is_rated_three_times_with_some_cells_not_seen(school: SimulatedSchool) -> None:
    assert len(school.ratings) == 50 * 7 * 3
    settled = {s.student_id for s in school.students if s.attendance != "newcomer"}
    levels = [r.level for r in school.ratings if r.student_id in settled]
    assert 0.05 < levels.count(None) / len(levels) < 0.12
    assert {1, 2, 3, 4} <= set(levels)
    assert len({r.occasion for r in school.ratings}) == 3
    assert all(NOW - WINDOW < datetime.fromisoformat(r.rated_at) < NOW for r in school.ratings)


def test_the_severe_teacher_rates_equal_students_lower(school: SimulatedSchool) -> None:
    truth = {s.student_id: s.truth for s in school.students}
    rated = [r for r in school.ratings if r.level is not None]
    level = np.array([r.level for r in rated], dtype=float)
    skill = np.array([truth[r.student_id].level(Skill(r.skill), 0.5) for r in rated])
    rater = np.array([float(r.rater) for r in rated])
    columns = np.column_stack([np.ones(len(rated)), skill, rater])
    effects, *_ = np.linalg.lstsq(columns, level, rcond=None)
    assert school.teachers[0].severity > school.teachers[1].severity
    assert effects[1] > 0.3
    assert effects[2] > 0.3


def test_every_indicator_is_observed_for_nearly_all_students(observed: Observed) -> None:
    students = {
        name: sum(any(o.indicator == name for o in seen) for seen in observed.values()) for name in INDICATORS
    }
    assert min(students.values()) >= 40, students


def test_some_sessions_give_no_opportunity(school: SimulatedSchool) -> None:
    absent = {a.indicator for s in school.sessions for a in extract_session(session_of(s)).absences}
    assert absent == {i.name for i in INDICATORS.values() if i.source is Source.GAME}


def test_indicators_follow_the_true_skills_but_only_modestly(school: SimulatedSchool, observed: Observed) -> None:
    truth = {UUID(s.student_id): s.truth for s in school.students}
    correlations: list[float] = []
    for indicator in INDICATORS.values():
        pairs = []
        for student, seen in observed.items():
            values = [transformed(o.measured, indicator.scale)[0] for o in seen if o.indicator == indicator.name]
            if values:
                level = truth[student].level(indicator.skill, 0.5)
                pairs.append((indicator.direction * float(np.mean(values)), level))
        correlations.append(float(np.corrcoef(np.array(pairs).T)[0, 1]))
    assert sum(r > 0 for r in correlations) >= len(correlations) - 2
    assert 0.2 < np.mean(correlations) < 0.9


def test_most_are_scored_newcomers_are_not_and_intervals_hold_the_truth(
    school: SimulatedSchool, observed: Observed
) -> None:
    students = {UUID(s.student_id): s for s in school.students}
    scored: list[tuple[float, float, bool]] = []
    for assessment in assessed(observed):
        student = students[assessment.student_id]
        for skill in SKILLS:
            outcome = assessment.of(skill).outcome
            if isinstance(outcome, Estimate):
                assert student.attendance != "newcomer"
                low, high = outcome.interval_90
                true = student.truth.level(skill, 1.0)
                scored.append((outcome.mean, true, low <= true <= high))
    assert 0.80 < len(scored) / (50 * 7) < 1.0
    mean, true, held = np.array(scored).T
    assert 0.6 < np.corrcoef(mean, true)[0, 1] < 0.95
    assert 0.80 < np.mean(held) < 0.97


@pytest.mark.parametrize("days", range(7))
def test_any_day_of_the_week_gives_four_weeks_of_talk_and_three_occasions(days: int) -> None:
    now = NOW + timedelta(days=days, hours=days)
    small = simulate(5, now, classes=1, class_size=6)
    assert len({datetime.fromisoformat(t.recorded_at).date() for t in small.talks}) == 4
    assert len({r.occasion for r in small.ratings}) == 3
    assert all(now - WINDOW < datetime.fromisoformat(str(e["timestamp"])) < now for e in events_of(small))


@pytest.mark.parametrize(
    ("seed", "now", "class_size"),
    [(1, datetime(2026, 11, 22, 10, 0), 25), (-1, NOW, 25), (1, NOW, 2)],  # noqa: DTZ001 -- a naive time is the point
)
def test_numbers_that_make_no_school_are_refused(seed: int, now: datetime, class_size: int) -> None:
    with pytest.raises(BadInput):
        simulate(seed, now, class_size=class_size)

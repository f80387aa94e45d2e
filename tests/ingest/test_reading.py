"""Parsers: whatever comes, they return records, rejects or one clear error; and what is good is kept whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import START, wire_batch, wire_event
from sightline.domain.records import Event
from sightline.errors import BadInput, TooLarge
from sightline.features.extraction import extract_session
from sightline.ingest.events import Reject, Taken, judge_one, read_batch, read_event
from sightline.ingest.justhink import CHILDREN, play_of, read_log
from sightline.ingest.personal import is_personal
from sightline.ingest.ratings import read_ratings
from sightline.ingest.sessions import session_of
from sightline.ingest.splitting import split_batch
from sightline.ingest.times import clock_of, microseconds, moment
from sightline.ingest.transcripts import Turn, read_transcript
from sightline.store.event_rows import owner_of, pack, request_part

NOW = datetime(2026, 3, 9, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(JSON, max_size=6))
def test_any_events_are_judged_one_by_one(events: list[Any]) -> None:
    good = wire_event(uuid4(), uuid4())
    body = json.dumps(wire_batch([good, *events, good])).encode()
    batch = read_batch(body)
    judged = [judge_one(event, clock_of(NOW, None)) for event in batch.events]
    assert len(judged) == len(events) + 2
    assert isinstance(judged[0], Taken)
    assert isinstance(judged[-1], Taken)
    for one in judged[1:-1]:
        assert isinstance(one, Reject)
        assert one.code
        assert one.detail


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_batch_or_bad_input(body: bytes) -> None:
    with pytest.raises(BadInput):
        read_batch(body)
    assert isinstance(read_event(body, received_at=NOW, sent_at=None), Reject)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3), max_size=8))
def test_splitting_finds_the_events_that_parsing_finds(events: list[dict[str, str]]) -> None:
    body = json.dumps({"batch_id": "[{", "note": '"events": [1]', "events": events, "after": [1, {"events": [2]}]})
    envelope, pieces = split_batch(body.encode())
    assert [json.loads(piece) for piece in pieces] == events
    assert json.loads(envelope)["after"] == [1, {"events": [2]}]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("body", [b'{"x":' + b'"a\\' * 300_000, b'{"events":[' + b'"' * 300_001, b"[" * 300_000])
def test_a_body_made_to_take_long_does_not(body: bytes) -> None:
    with pytest.raises(BadInput):
        read_batch(body)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("cue", ["<v " * 100_000, "<a" * 150_000, "</" * 150_000, ":" * 300_000])
def test_a_transcript_made_to_take_long_does_not(cue: str) -> None:
    turns = read_transcript(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{cue}", "webvtt")
    assert len(turns) == 1


def test_too_many_events_are_named() -> None:
    with pytest.raises(TooLarge, match="1000 is the most"):
        read_batch(json.dumps(wire_batch([{}] * 1001)).encode())


@settings(max_examples=100)
@given(st.timedeltas(timedelta(days=-30), timedelta(days=30)), st.timedeltas(timedelta(0), timedelta(hours=72)))
def test_a_wrong_clock_keeps_every_distance(skew: timedelta, age: timedelta) -> None:
    stated, sent_at = NOW + skew - age, NOW + skew
    found = moment(microseconds(stated) + clock_of(NOW, sent_at).shift_us)
    assert abs(found - (NOW - age)) <= timedelta(seconds=2)


@pytest.mark.parametrize(
    "key", ["name", "email", "playerName", "first_name", "phone-number", "birthDate", "homeAddress"]
)
def test_personal_keys_are_known_in_any_spelling(key: str) -> None:
    assert is_personal(key)


@pytest.mark.parametrize(
    "key", ["mission_name", "level", "addressed", "namespace", "item", "rebirths", "microphone"]
)
def test_innocent_keys_are_left_alone(key: str) -> None:
    assert not is_personal(key)


def test_a_resend_has_the_same_content_hash_whatever_the_key_order_and_zone() -> None:
    student, session = uuid4(), uuid4()
    event = wire_event(student, session, data={"a": 1, "b": 2}, timestamp="2026-03-02T10:00:00+01:00")
    other = event | {"data": {"b": 2, "a": 1}, "timestamp": "2026-03-02T09:00:00Z"}
    one, two, third = (hashed(e) for e in (event, other, event | {"data": {"a": 1, "b": 3}}))
    assert one == two
    assert one != third


def hashed(event: dict[str, Any]) -> bytes:
    taken = judge_one(msgspec.json.encode(event), clock_of(NOW, None))
    assert isinstance(taken, Taken)
    return pack(taken, owner_of(taken.wire), request_part(uuid4(), 0, uuid4())).content_hash


VTT = """WEBVTT

NOTE made by hand

1
00:00:01.000 --> 00:00:02.500
<v Ann>Do you <i>see</i> it?</v>

00:03.000 --> 00:04.000
<v.loud Bob>Yes
<v Ann>Good

00:05.000 --> 00:06.000
Carl: what now?

00:07.000 --> 00:08.000
nobody says who
"""


def test_webvtt_voices_names_and_unknown_speakers() -> None:
    assert read_transcript("\ufeff" + VTT, "webvtt") == [
        Turn("Ann", 1.0, 2.5, "Do you see it?"),
        Turn("Bob", 3.0, 4.0, "Yes"),
        Turn("Ann", 3.0, 4.0, "Good"),
        Turn("Carl", 5.0, 6.0, "what now?"),
        Turn("", 7.0, 8.0, "nobody says who"),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_with_any_usual_separator_and_order(separator: str) -> None:
    lines = [
        ["Speaker", "Start", "End", "Text", "more"],
        ["B", "00:00:05", "6.5", "second", "x"],
        ["A", "1", "2", "first", ""],
    ]
    content = "\r\n".join(separator.join(line) for line in lines)
    assert read_transcript(content, "csv") == [Turn("A", 1.0, 2.0, "first"), Turn("B", 5.0, 6.5, "second")]


@pytest.mark.parametrize(
    ("content", "form", "code"),
    [
        ("WEBVTT\n\n00:01.000 --> later\nx", "webvtt", "malformed_webvtt"),
        (VTT + "\n00:09.000 --> nonsense\nlost?\n", "webvtt", "malformed_webvtt"),
        ("no header", "webvtt", "malformed_webvtt"),
        ("WEBVTT\n", "webvtt", "empty_transcript"),
        ("start,end,text\n1,2,x", "csv", "missing_column"),
        ("start,end,speaker,text\n1,2,A", "csv", "malformed_csv"),
        ("start,end,speaker,text\n1,-2,A,x", "csv", "malformed_csv"),
        ("start,end,speaker,text\nnan,2,A,x", "csv", "malformed_csv"),
        ("start,end,speaker,text\n1,2,A,a\x00b", "csv", "nul_character"),
        ("anything", "mp3", "unknown_format"),
    ],
)
def test_what_cannot_be_read_says_so_and_loses_nothing_silently(content: str, form: str, code: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_transcript(content, form)
    assert refused.value.code == code


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300), st.sampled_from(["webvtt", "csv"]))
def test_any_text_is_turns_or_bad_input(content: str, form: str) -> None:
    header = {"webvtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n", "csv": "start,end,speaker,text\n"}[form]
    for whole in (content, header + content):
        try:
            turns = read_transcript(whole, form)
        except BadInput as refused:
            assert refused.detail  # noqa: PT017 - either outcome is right, and a crash is neither
        else:
            assert all(turn.text and 0 <= turn.starts <= turn.ends for turn in turns)


@pytest.mark.parametrize("level", [0, 5, 2.5, "2", "absent", None])
def test_a_level_is_one_to_four_or_not_seen(level: object) -> None:
    cell = {"student_id": str(uuid4()), "skill": "empathy", "level": level, "occasion": "2026-03-02"}
    with pytest.raises(BadInput) as refused:
        read_ratings(msgspec.json.encode({"ratings": [cell]}), now=NOW)
    assert refused.value.pointer == "/ratings/0/level"


def test_not_seen_is_no_level_and_future_ratings_are_refused() -> None:
    cell = {"student_id": str(uuid4()), "skill": "empathy", "level": "not seen", "occasion": "2026-03-02"}
    (rating,) = read_ratings(msgspec.json.encode({"ratings": [cell]}), now=NOW)
    assert rating.level_seen is None
    early = {"rated_at": "2026-02-20T09:00:00Z"}
    for change in ({"occasion": "2026-03-11"}, {"occasion": "2014-03-10"}, early):
        with pytest.raises(BadInput):
            read_ratings(msgspec.json.encode({"ratings": [cell | change]}), now=NOW)
    with pytest.raises(BadInput, match="twice"):
        read_ratings(msgspec.json.encode({"ratings": [cell, cell]}), now=NOW)


def test_the_whole_real_corpus_maps_and_every_row_is_accounted_for(corpora: Path) -> None:
    logs = sorted((corpora / "justhink" / "logs").glob("*.csv"))
    assert len(logs) == 20
    for log in logs:
        play = play_of(read_log(log.read_text()))
        lines = {e["data"]["line"] for events in play.events.values() for e in events}  # type: ignore[index]
        assert len(lines) + sum(play.left_out.values()) == play.rows
        assert not any(reason.startswith("no row for") for reason in play.left_out)
        for child in CHILDREN:
            events = [
                read_event(msgspec.json.encode(e), received_at=NOW, sent_at=None) for e in play.events[child]
            ]
            assert all(isinstance(e, Event) for e in events)
            session = session_of(uuid4(), uuid4(), [e for e in events if isinstance(e, Event)])
            assert extract_session(session).observables


def test_a_log_that_is_none_says_which_line() -> None:
    with pytest.raises(BadInput, match="columns"):
        read_log("a\tb\n")
    header = "team_no\tattempt_no\tturn_no\tevent_no\ttime\tsubject\tverb\tobject\n"
    with pytest.raises(BadInput, match="line 2"):
        read_log(header + "7\tx\t1\t1\t0.1\tA\tadds\tB\n")
    assert START.tzinfo is UTC

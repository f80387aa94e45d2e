"""OpenGameData logs: what the real loggers post becomes events, the same ones however often it is sent."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opengamedata_senders import (
    NOW,
    QUERY,
    STUDENT,
    browser_body,
    browser_entry,
    browser_session,
    events_of,
    ogd,
    one,
    raws,
    read,
    stamp,
    unity_body,
    unity_entry,
    unity_session,
)
from sightline.domain.records import Event
from sightline.errors import BadInput, TooLarge
from sightline.ingest.events import MAX_EVENTS, read_event
from sightline.ingest.opengamedata import read_log
from sightline.ingest.personal import is_personal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
OFFSETS = st.integers(-48, 56).map(lambda quarters: 15 * quarters)


@settings(max_examples=400, deadline=None)
@given(
    st.datetimes(datetime(2016, 1, 1), datetime(2026, 3, 1)),  # noqa: DTZ001 - made aware below
    OFFSETS,
    st.integers(0, 5 * 24 * 3600),
    st.sampled_from([-60, 0, 60]),
)
def test_an_event_at_any_moment_logged_at_any_offset_comes_out_at_that_moment(
    naive: datetime, minutes: int, played: int, clock_change: int
) -> None:
    at = naive.replace(microsecond=naive.microsecond // 1000 * 1000, tzinfo=UTC)
    start = at + timedelta(minutes=minutes + clock_change, seconds=-played)
    from_browser = one(browser_entry("a", 0, at, minutes), session_id=browser_session(start))
    from_unity = one(unity_entry("a", 0, at, minutes), session_id=unity_session(start))
    assert from_browser.occurred_at == from_unity.occurred_at == at


def test_the_hour_in_which_clocks_change_keeps_its_length() -> None:
    before, after = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, 1, tzinfo=UTC)
    log = read(browser_body([browser_entry("a", 0, before, 60), browser_entry("a", 1, after, 120)]))
    assert [e.occurred_at for e in events_of(log)] == [before, after]


@pytest.mark.parametrize(
    ("fields", "clock"),
    [
        ({"client_time": "2026-03-01 09:30:00Z", "client_offset": None}, "utc_without_offset"),
        ({"client_time": "2026-03-01 09:30:00.000Z", "client_offset": "soon"}, "utc_as_offset_is_unreadable"),
        ({"client_time": "2026-03-01 09:30:00.000Z", "client_offset": "99:00:00"}, "utc_as_offset_is_unreadable"),
        ({"client_time": "2026-03-01 09:30:00", "client_offset": 0}, "utc"),
        ({"client_time": "2026-03-01 04:30:00.000Z", "client_offset": "-5:00"}, "local"),
        ({"client_time": "2026-03-01 06:00:00.000Z", "client_offset": "-3:30:00"}, "local"),
        ({"client_time": None, "timestamp": "2026-03-01 03:30:00.000-06:00"}, "stated"),
        ({"client_time": 1772357400.0, "client_offset": 18000000}, "epoch"),
        ({"client_time": 1772357400000, "client_offset": 18000000}, "epoch"),
    ],
)
def test_odd_offsets_and_other_loggers_times_are_read_and_say_how(fields: dict[str, object], clock: str) -> None:
    event = one(browser_entry("a", 0, NOW, 0) | fields)
    assert event.occurred_at == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert ogd(event)["clock"] == clock


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=6), JSON, max_size=4), min_size=1, max_size=6))
def test_whatever_a_game_says_of_itself_is_stored_in_its_order(said: list[dict[str, Any]]) -> None:
    entries = [browser_entry("thing", i, NOW, 60, event_data=data, game_state=data) for i, data in enumerate(said)]
    for body in (browser_body(entries), unity_body(entries)):
        log = read(body)
        found = events_of(log)
        assert [e.sequence for e in found] == list(range(len(said)))
        assert not log.rejects
        assert {e.event_type for e in found} == {"ogd_thing"}


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers(0, 9) | st.text("aé→ ?>~+", max_size=9)
    )
)
def test_both_loggers_encodings_carry_the_same_data_whole(said: dict[str, Any]) -> None:
    entries = [browser_entry("thing", 4, NOW, 0, event_data=said)]
    kept = {key: value for key, value in said.items() if not is_personal(key)}
    plain = base64.b64encode(json.dumps(entries).encode())
    bodies = [
        browser_body(entries),
        unity_body(entries),
        b"x=1&data=" + plain,  # plus signs that were not escaped
        b"data=" + plain.replace(b"+", b" ").rstrip(b"="),  # and padding that was lost
        b"data=" + plain + b"===",  # or doubled
        b"data=" + quote(json.dumps(entries)).encode(),  # a logger that is set to send plain JSON
    ]
    for body in bodies:
        (event,) = events_of(read(body))
        assert ogd(event).get("event_data", {}) == kept


def test_the_browsers_one_byte_characters_are_read() -> None:
    text = json.dumps([browser_entry("thing", 0, NOW, 0, event_data={"said": "?"})]).replace("?", "señor ß")
    (event,) = events_of(read(b"data=" + quote(base64.b64encode(text.encode("latin-1"))).encode()))
    assert ogd(event)["event_data"] == {"said": "señor ß"}


def test_a_queue_sent_again_is_known_byte_for_byte_also_when_it_has_grown() -> None:
    entries = [
        browser_entry("complete_job", i, NOW - timedelta(hours=1), -300, event_data={"job_name": "kelp", "n": i})
        for i in range(5)
    ]
    first = read(browser_body(entries[:3]))
    again = read(browser_body(entries[:3]), at=NOW + timedelta(days=2))
    grown = read(browser_body(entries), at=NOW + timedelta(days=3))
    assert raws(first) == raws(again) == raws(grown)[:3]
    assert first.batches[0].envelope.batch_id == again.batches[0].envelope.batch_id
    assert again.batches[0].envelope.batch_id != grown.batches[0].envelope.batch_id
    late = [
        read_event(raw, received_at=NOW + timedelta(days=2), sent_at=NOW + timedelta(days=2))
        for raw in raws(again)
    ]
    assert events_of(first) == late


def test_ids_differ_by_school_game_session_and_index() -> None:
    body = browser_body([browser_entry("a", 0, NOW, 0), browser_entry("a", 1, NOW, 0)])
    logs = [read(body), read(body, QUERY | {"app_id": "WAVES"}), read(body, QUERY | {"session_id": "1"})]
    logs.append(read_log(QUERY, body, student_id=STUDENT, school_id=uuid4(), received_at=NOW))
    found = [event for log in logs for event in events_of(log)]
    assert len({e.event_id for e in found}) == 2 * len(logs)
    assert len({e.session_id for e in found}) == len({log.session_id for log in logs}) == len(logs)
    assert read(body, QUERY | {"app_id": "AQUALAB"}).session_id == logs[0].session_id


def test_names_of_format_1_and_of_the_oldest_logger_are_read() -> None:
    newest = {
        "event_name": "ask_for_help",
        "session_sequence_index": 3,
        "timestamp": stamp(NOW),
        "event_data": "{}",
    }
    query = {"game_id": "AQUALAB", "game_version": "1.2", "log_version": "0", "session_id": "1", "player_id": "x"}
    (event,) = events_of(read(browser_body([newest]), query))
    assert (event.event_type, event.sequence, event.game_version) == ("help_requested", 3, "1.2")
    oldest = {
        "level": 5,
        "event": "CUSTOM",
        "event_custom": 4,
        "session_n": 9,
        "client_time": stamp(NOW),
        "event_data_complex": json.dumps({"event_custom": "RESET_BTN_PRESS"}),
    }
    (event,) = events_of(read(browser_body([oldest]), {"app_id": "WAVES", "session_id": "1"}))
    assert (event.event_type, event.data["task"], event.sequence) == ("restart", "5", 9)


def test_nothing_of_a_person_is_stored() -> None:
    entry = browser_entry(
        "thing",
        0,
        NOW,
        0,
        event_data={"user_name": "Ada", "deep": [{"eMail": "ada@x"}], "tool": "lamp"},
        game_state={"lastName": "Love"},
        user_data={"anything": "secret", "phone": "1"},
    )
    log = read(browser_body([entry]), QUERY | {"user_id": "lt_secret", "user_data": "secret"})
    assert log.personal_dropped == 4
    (event,) = events_of(log)
    assert ogd(event)["event_data"] == {"deep": [{}], "tool": "lamp"}
    assert ogd(event)["personal_dropped"] == 4
    raw = raws(log)[0]
    assert not any(word in raw for word in (b"Ada", b"ada@x", b"Love", b"secret"))
    survey = one(
        browser_entry("survey_submitted", 0, NOW, 0, event_data={"prompt": "How old are you?", "r": "11"})
    )
    assert "event_data" not in ogd(survey)
    shared = one(
        browser_entry("snapshot", 0, NOW, 0, event_data={"group": "Ms Bell", "user": "x"}), app_id="SHADOWSPECT"
    )
    assert "event_data" not in ogd(shared)


def nested(depth: int) -> dict[str, Any]:
    return {"d": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize("ballast", [{"long": "ä" * 9_000}, nested(9), {"many": list(range(4_000))}])
def test_what_is_too_much_is_cut_and_the_mapped_fields_stay(ballast: dict[str, Any]) -> None:
    event = one(browser_entry("complete_job", 0, NOW, 0, event_data={"job_name": "kelp"} | ballast))
    assert event.event_type == "task_complete"
    assert event.data["task"] == "kelp"
    assert ogd(event)["truncated"] is True
    assert "event_data" not in ogd(event)


def test_a_deep_game_state_of_which_nothing_is_kept_cuts_nothing() -> None:
    event = one(browser_entry("thing", 0, NOW, 0, event_data={"tool": "lamp"}, game_state=nested(30)))
    assert ogd(event)["event_data"] == {"tool": "lamp"}


def test_data_that_is_no_json_is_named_and_its_event_is_stored() -> None:
    event = one(browser_entry("ask_for_help", 0, NOW, 0) | {"event_data": "{broken", "game_state": "[" * 9_000})
    assert event.event_type == "help_requested"
    assert ogd(event)["unreadable"] == ["event_data", "game_state"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ('{"event_name": "x", ', "malformed_json"),
        ("[" * 5_000 + "]" * 5_000, "malformed_json"),
        ("7", "invalid_type"),
        (json.dumps(browser_entry("x", -1, NOW, 0)), "missing_field"),
        (json.dumps(browser_entry("", 7, NOW, 0)), "missing_field"),
        (json.dumps(browser_entry("x", 7, NOW, 0) | {"client_time": "9999-99-99"}), "invalid_time"),
        (
            json.dumps(
                browser_entry("x", 7, NOW, 0) | {"client_time": "0001-01-01 00:00:00Z", "client_offset": "9:00:00"}
            ),
            "invalid_time",
        ),
        (json.dumps(browser_entry("x", 7, NOW, 0) | {"client_time": float("inf")}), "invalid_time"),
    ],
)
def test_one_bad_entry_sinks_no_other_and_says_where_it_stood(bad: str, code: str) -> None:
    good = [json.dumps(browser_entry("x", i, NOW, 0)) for i in range(2)]
    closing = "}" if bad.endswith(", ") else ""
    log = read(b"data=" + base64.b64encode(f"[{good[0]},{bad}{closing},{good[1]}]".encode()))
    assert [e.sequence for e in events_of(log)] == [0, 1]
    (reject,) = log.rejects
    assert reject.code == code
    assert reject.pointer.startswith("/data/1")


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=300)
    | st.binary(max_size=300).map(lambda b: b"data=" + base64.b64encode(b))
    | JSON.map(browser_body)
    | st.lists(st.dictionaries(st.sampled_from([*browser_entry("", 0, NOW, 0), "event_data"]), JSON)).map(
        unity_body
    ),
    st.dictionaries(st.sampled_from(["app_id", "session_id", "app_version"]), st.text(max_size=9)),
)
def test_any_bytes_are_a_log_or_bad_input(body: bytes, query: dict[str, str]) -> None:
    for asked in (QUERY, query):
        with suppress(BadInput):
            log = read(body, asked)
            assert all(reject.code and reject.detail for reject in log.rejects)
            for raw in raws(log):
                judged = read_event(raw, received_at=NOW, sent_at=NOW)
                assert isinstance(judged, Event) or judged.code in {"too_old", "future_time"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "missing_field"),
        (b"data=%%%", "malformed_base64"),
        (b"data=" + base64.b64encode(b'[{"event_name": "x"'), "malformed_json"),
        (b"data=" + base64.b64encode(b"12"), "invalid_type"),
        (b"data=" + base64.b64encode(b"\x00\xff NaN"), "malformed_json"),
    ],
)
def test_what_is_no_log_at_all_is_refused_with_a_code(body: bytes, code: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(body)
    assert refused.value.code == code


def test_a_long_queue_is_taken_in_parts_and_an_endless_one_is_refused() -> None:
    entries = [browser_entry("x", i, NOW, 0) for i in range(10_001)]
    log = read(browser_body(entries[:-1]))
    assert [len(batch.events) for batch in log.batches] == [MAX_EVENTS] * 10
    assert len({batch.envelope.batch_id for batch in log.batches}) == 10
    with pytest.raises(TooLarge):
        read(browser_body(entries))
    with pytest.raises(TooLarge):
        read(b"data=" + b"A" * (10 * 1024 * 1024))


def test_the_ids_of_a_log_never_change() -> None:
    school = UUID("00000000-0000-0000-0000-000000000001")
    log = read_log(
        QUERY, browser_body([browser_entry("a", 5, NOW, 0)]), student_id=STUDENT, school_id=school, received_at=NOW
    )
    assert (str(log.session_id), str(events_of(log)[0].event_id)) == (
        "253de344-9b7b-5427-bc23-574c629a53bc",
        "dc66c63b-4609-5680-83e7-d6c8e6e86cf8",
    )

"""The telemetry contract over real HTTP handling and a real database."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select

from builders import Town, bearer, send, wire_batch, wire_event
from sightline.store.database import Store
from sightline.store.schema import events, extractions, observables

pytestmark = pytest.mark.asyncio


async def stored(store: Store, town: Town) -> int:
    async with store.work() as work:
        found = await work.execute(
            select(func.count()).select_from(events).where(events.c.school_id == town.here.school_id)
        )
        return int(found.scalar_one())


async def test_a_batch_is_stored_once_however_often_it_is_sent(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    batch = wire_batch(
        [wire_event(town.here.students[0], session := uuid4()), wire_event(town.here.students[0], session)]
    )
    first, second = await send(client, town.here.key, batch), await send(client, town.here.key, batch)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["counts"] == {"created": 2, "duplicate": 0, "conflict": 0, "rejected": 0}
    assert second.json()["counts"] == {"created": 0, "duplicate": 2, "conflict": 0, "rejected": 0}
    assert second.json()["received_count"] == 2
    assert await stored(store, town) == 2


async def test_the_same_id_with_other_content_is_a_conflict_and_the_first_stays(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    event = wire_event(town.here.students[0], uuid4(), data={"choice": "left"})
    await send(client, town.here.key, wire_batch([event]))
    answer = await send(client, town.here.key, wire_batch([event | {"data": {"choice": "right"}}]))
    assert answer.status_code == 207
    assert answer.json()["results"][0]["code"] == "same_id_other_content"
    async with store.work() as work:
        found = await work.execute(select(events.c.data).where(events.c.school_id == town.here.school_id))
        assert found.scalars().all() == [{"choice": "left"}]


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1)} if depth else {}


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown student", {"student_id": str(uuid4())}, "unknown_student", "/student_id"),
    ("naive time", {"timestamp": "2026-03-02T09:00:00"}, "naive_time", "/timestamp"),
    ("no time at all", {"timestamp": None}, "missing_field", "/timestamp"),
    ("no date", {"timestamp": "yesterday"}, "invalid_time", "/timestamp"),
    ("the year 2099", {"timestamp": "2099-01-01T00:00:00Z"}, "future_time", "/timestamp"),
    ("before 2015", {"timestamp": "2014-12-31T23:59:59Z"}, "too_old", "/timestamp"),
    ("the first hour of the calendar", {"timestamp": "0001-01-01T00:00:00+14:00"}, "too_old", "/timestamp"),
    ("the last hour of the calendar", {"timestamp": "9999-12-31T23:59:59-14:00"}, "future_time", "/timestamp"),
    ("type with a line break", {"event_type": "pause\n"}, "invalid_name", "/event_type"),
    ("id that is no UUID", {"event_id": "17"}, "invalid_uuid", "/event_id"),
    ("11 KB of data", {"data": {"text": "x" * 11_264}}, "data_too_large", "/data"),
    ("9 levels of data", {"data": nested(9)}, "too_deep", "/data/a/a/a/a/a/a/a/a"),
    ("type with capitals", {"event_type": "Quest"}, "invalid_name", "/event_type"),
    ("type of 101 letters", {"event_type": "a" * 101}, "invalid_length", "/event_type"),
    ("data that is a list", {"data": []}, "invalid_type", "/data"),
    ("NUL in text", {"data": {"text": "a\x00b"}}, "nul_character", ""),
    ("NUL in a personal key", {"data": {"\x00email": 1}}, "nul_character", ""),
    ("a name", {"data": {"playerName": "x"}}, "personal_data", "/data/playerName"),
    ("an e-mail", {"data": {"who": {"e_mail": "x"}}}, "personal_data", "/data/who/e_mail"),
    ("negative sequence", {"sequence": -1}, "invalid_type", "/sequence"),
]


@pytest.mark.parametrize(("change", "code", "pointer"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
async def test_a_bad_event_is_answered_with_code_and_pointer_and_sinks_no_other(
    client: httpx.AsyncClient, town: Town, store: Store, change: dict[str, Any], code: str, pointer: str
) -> None:
    session = uuid4()
    good = [wire_event(town.here.students[0], session) for _ in range(3)]
    bad = wire_event(town.here.students[0], uuid4(), **change)
    answer = await send(client, town.here.key, wire_batch([good[0], bad, *good[1:]]))
    assert answer.status_code == 207
    body = answer.json()
    assert body["counts"] == {"created": 3, "duplicate": 0, "conflict": 0, "rejected": 1}
    (result,) = body["results"]
    assert (result["status"], result["code"], result["pointer"]) == ("rejected", code, pointer)
    assert result["detail"]
    assert await stored(store, town) == 3
    kept = await client.get("/api/v1/telemetry/rejects", headers=bearer(town.here.key))
    assert [r["code"] for r in kept.json()["rejects"]] == [code]


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
async def test_nan_in_one_event_leaves_the_others(
    client: httpx.AsyncClient, town: Town, store: Store, token: str
) -> None:
    session = uuid4()
    good = [wire_event(town.here.students[0], session) for _ in range(2)]
    bad = json.dumps(wire_event(town.here.students[0], session, data={"x": "HERE"})).replace('"HERE"', token)
    whole = json.dumps(wire_batch([good[0], "EVENT", good[1]])).replace('"EVENT"', bad).encode()
    answer = await send(client, town.here.key, whole)
    assert answer.status_code == 207
    assert answer.json()["counts"]["created"] == 2
    assert answer.json()["results"][0]["code"] == "not_a_number"
    assert await stored(store, town) == 2


async def test_nesting_a_thousandfold_or_broken_unicode_in_one_event_leaves_the_others(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    session = uuid4()
    deep = json.dumps(wire_event(town.here.students[0], session, data={"x": "HERE"})).replace(
        '"HERE"', "[" * 5000 + "]" * 5000
    )
    torn = json.dumps(wire_event(town.here.students[0], session, data={"x": "HERE"})).replace("HERE", "\\ud800")
    good = wire_event(town.here.students[0], session)
    whole = json.dumps(wire_batch(["DEEP", good, "TORN"])).replace('"DEEP"', deep).replace('"TORN"', torn)
    answer = await send(client, town.here.key, whole.encode())
    assert [r["code"] for r in answer.json()["results"]] == ["too_deep", "malformed_text"]
    assert await stored(store, town) == 1


async def test_nul_in_the_envelope_is_a_clear_problem(client: httpx.AsyncClient, town: Town) -> None:
    batch = wire_batch([wire_event(town.here.students[0], uuid4())], client_version="1\x00")
    answer = await send(client, town.here.key, batch)
    assert (answer.status_code, answer.json()["code"]) == (422, "nul_character")


async def test_a_thousand_and_one_events_are_too_many(client: httpx.AsyncClient, town: Town, store: Store) -> None:
    session = uuid4()
    answer = await send(
        client, town.here.key, wire_batch([wire_event(town.here.students[0], session) for _ in range(1001)])
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "too_many_events"
    assert await stored(store, town) == 0


async def test_a_thousand_events_are_not(client: httpx.AsyncClient, town: Town) -> None:
    session = uuid4()
    answer = await send(
        client, town.here.key, wire_batch([wire_event(town.here.students[0], session) for _ in range(1000)])
    )
    assert answer.json()["counts"]["created"] == 1000


async def test_gzip_is_taken_and_broken_gzip_is_a_clear_problem(client: httpx.AsyncClient, town: Town) -> None:
    body = gzip.compress(json.dumps(wire_batch([wire_event(town.here.students[0], uuid4())])).encode())
    headers = bearer(town.here.key) | {"Content-Encoding": "gzip"}
    whole = await client.post("/api/v1/telemetry/batch", content=body, headers=headers)
    cut = await client.post("/api/v1/telemetry/batch", content=body[:-9], headers=headers)
    noise = await client.post("/api/v1/telemetry/batch", content=b"no gzip at all", headers=headers)
    assert whole.status_code == 201
    assert {(r.status_code, r.json()["code"]) for r in (cut, noise)} == {(400, "malformed_gzip")}
    bomb = gzip.compress(b" " * 11 * 1024 * 1024)
    assert len(bomb) < 20_000
    burst = await client.post("/api/v1/telemetry/batch", content=bomb, headers=headers)
    assert (burst.status_code, burst.json()["code"]) == (413, "inflated_too_large")
    odd = await client.post(
        "/api/v1/telemetry/batch", content=body, headers=bearer(town.here.key) | {"Content-Encoding": "br"}
    )
    assert odd.status_code == 415


async def test_an_event_for_another_students_session_is_rejected(client: httpx.AsyncClient, town: Town) -> None:
    session = uuid4()
    await send(client, town.here.key, wire_batch([wire_event(town.here.students[0], session)]))
    answer = await send(
        client,
        town.here.key,
        wire_batch([wire_event(town.here.students[1], session), wire_event(town.here.students[1], uuid4())]),
    )
    assert answer.json()["counts"]["created"] == 1
    assert answer.json()["results"][0]["code"] == "session_of_another_student"


async def test_racing_posts_of_the_same_event_are_both_answered_and_stored_once(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    event = wire_event(town.here.students[0], uuid4())
    answers = await asyncio.gather(*(send(client, town.here.key, wire_batch([event])) for _ in range(8)))
    assert {a.status_code for a in answers} == {201}
    assert sum(a.json()["counts"]["created"] for a in answers) == 1
    assert sum(a.json()["counts"]["duplicate"] for a in answers) == 7
    assert await stored(store, town) == 1


async def test_a_single_event_is_answered_by_itself(client: httpx.AsyncClient, town: Town) -> None:
    event = wire_event(town.here.students[0], uuid4(), "no_such_type")
    made = await client.post("/api/v1/telemetry/events", json=event, headers=bearer(town.here.key))
    again = await client.post("/api/v1/telemetry/events", json=event, headers=bearer(town.here.key))
    other = await client.post(
        "/api/v1/telemetry/events", json=event | {"event_type": "pause"}, headers=bearer(town.here.key)
    )
    naive = await client.post(
        "/api/v1/telemetry/events",
        json=event | {"timestamp": "2026-03-02T09:00:00"},
        headers=bearer(town.here.key),
    )
    assert made.status_code == again.status_code == 201
    assert made.json()["results"][0]["code"] == "unknown_type"
    assert again.json()["counts"]["duplicate"] == 1
    assert (other.status_code, naive.status_code) == (409, 422)
    assert naive.json()["errors"] == [
        {"pointer": "/timestamp", "code": "naive_time", "detail": naive.json()["detail"]}
    ]


async def test_a_batch_tells_what_became_of_it_and_an_unseen_one_is_not_found(
    client: httpx.AsyncClient, town: Town
) -> None:
    batch = wire_batch([wire_event(town.here.students[0], uuid4()), {"event_id": "x"}])
    sent = await send(client, town.here.key, batch)
    seen = await client.get(f"/api/v1/telemetry/status/{batch['batch_id']}", headers=bearer(town.here.key))
    assert seen.json() == sent.json()
    for key, batch_id in ((town.here.key, uuid4()), (town.there.key, batch["batch_id"])):
        unseen = await client.get(f"/api/v1/telemetry/status/{batch_id}", headers=bearer(key))
        assert (unseen.status_code, unseen.json()["code"]) == (404, "not_found")


FAILED_TWICE = [
    ("task_start", {"task": "t"}),
    ("failure", {"task": "t"}),
    ("retry", {"task": "t"}),
    ("failure", {"task": "t"}),
]


async def test_closing_twice_doubles_nothing_and_late_events_are_recomputed(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    student, session = town.here.students[0], uuid4()
    played = [wire_event(student, session, t, data=d, sequence=i) for i, (t, d) in enumerate(FAILED_TWICE)]
    await send(client, town.here.key, wire_batch(played))
    close = f"/api/v1/telemetry/session/{session}/close"
    first = await client.post(close, headers=bearer(town.here.key))
    second = await client.post(close, headers=bearer(town.here.key))
    assert first.status_code == 200
    assert first.json() == second.json()
    assert await revisions(store, session) == 1
    late = wire_event(student, session, "retry", data={"task": "t"}, sequence=9)
    answer = await send(client, town.here.key, wire_batch([late]))
    assert answer.json()["counts"]["created"] == 1
    third = await client.post(close, headers=bearer(town.here.key))
    retried = [o for o in third.json()["observables"] if o["indicator"] == "retry_after_failure"]
    assert (retried[0]["counted"], retried[0]["opportunities"]) == (2, 2)
    assert third.json()["closed_at"] == first.json()["closed_at"]
    assert await revisions(store, session) == 2


async def revisions(store: Store, session: object) -> int:
    async with store.work() as work:
        found = await work.execute(
            select(func.count()).select_from(extractions).where(extractions.c.sitting_id == session)
        )
        doubled = await work.execute(
            select(func.count())
            .select_from(observables)
            .where(observables.c.sitting_id == session)
            .group_by(observables.c.revision, observables.c.indicator)
            .having(func.count() > 1)
        )
        assert doubled.all() == []
        return int(found.scalar_one())


async def test_sequence_is_trusted_over_clocks(client: httpx.AsyncClient, town: Town) -> None:
    student, session = town.here.students[0], uuid4()
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    backwards = [
        wire_event(student, session, t, data=d, sequence=i, timestamp=(start - timedelta(seconds=i)).isoformat())
        for i, (t, d) in enumerate([*FAILED_TWICE, ("retry", {"task": "t"})])
    ]
    await send(client, town.here.key, wire_batch(list(reversed(backwards))))
    answer = await client.post(f"/api/v1/telemetry/session/{session}/close", headers=bearer(town.here.key))
    retried = [o for o in answer.json()["observables"] if o["indicator"] == "retry_after_failure"]
    assert (retried[0]["counted"], retried[0]["opportunities"]) == (2, 2)


async def test_a_clock_that_is_an_hour_wrong_is_corrected(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    now = datetime.now(UTC)
    wrong = timedelta(hours=1)
    event = wire_event(town.here.students[0], uuid4(), timestamp=(now + wrong - timedelta(seconds=30)).isoformat())
    answer = await send(client, town.here.key, wire_batch([event], sent_at=(now + wrong).isoformat()))
    assert answer.json()["counts"]["created"] == 1
    async with store.work() as work:
        row = (await work.execute(select(events).where(events.c.event_id == event["event_id"]))).one()
    assert abs(row.occurred_at - (now - timedelta(seconds=30))) < timedelta(seconds=2)
    assert row.stated_at == now + wrong - timedelta(seconds=30)


async def test_an_unknown_session_is_not_found(client: httpx.AsyncClient, town: Town) -> None:
    for method, end in (("POST", "close"), ("GET", "features")):
        answer = await client.request(
            method, f"/api/v1/telemetry/session/{uuid4()}/{end}", headers=bearer(town.here.key)
        )
        assert answer.status_code == 404


async def test_the_eight_features_have_a_value_or_a_reason(client: httpx.AsyncClient, town: Town) -> None:
    student, session = town.here.students[0], uuid4()
    await send(client, town.here.key, wire_batch([wire_event(student, session), wire_event(student, session)]))
    answer = await client.get(f"/api/v1/telemetry/session/{session}/features", headers=bearer(town.here.key))
    features = {f["name"]: f for f in answer.json()["features"]}
    assert list(features) == [
        "task_completion_rate",
        "time_efficiency",
        "retry_count",
        "recovery_rate",
        "distraction_resistance",
        "focus_duration",
        "collaboration_indicators",
        "leadership_indicators",
    ]
    for feature in features.values():
        assert (feature["value"] is None) != (feature["reason"] is None)
    assert features["recovery_rate"] == {
        "name": "recovery_rate",
        "value": None,
        "unit": "0 to 1",
        "reason": "no_opportunity",
        "opportunities": None,
    }

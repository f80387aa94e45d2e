"""Published games' own loggers, and beacons: senders that can set no header, over the real routes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
from sqlalchemy import select

from builders import Town, bearer, wire_batch, wire_event
from opengamedata_senders import QUERY, browser_body, browser_entry
from sightline.store.database import Store
from sightline.store.schema import events

LOGGER = "/logger/log.php"


async def launch(client: httpx.AsyncClient, town: Town, student: UUID, game: str = "JOWILDER") -> dict[str, str]:
    wish = {"student_id": str(student), "game": game}
    answer = await client.post("/api/v1/launches", json=wish, headers=bearer(town.here.key))
    made: dict[str, str] = answer.json()
    return made


def queue_of(n: int) -> list[dict[str, Any]]:
    began = datetime.now(UTC) - timedelta(hours=1)
    return [browser_entry("checkpoint", i, began + timedelta(seconds=i), -300) for i in range(n)]


async def kept(store: Store, student: UUID) -> list[Any]:
    async with store.work() as work:
        found = await work.execute(
            select(events).where(events.c.student_id == student).order_by(events.c.sequence)
        )
        return list(found)


async def test_a_logger_with_a_launch_token_as_user_id_is_stored_once_however_often_it_sends(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    student = town.here.students[0]
    token = (await launch(client, town, student))["launch_token"]
    session = {"session_id": "26112209300012345"}
    for sent in (3, 3, 5):  # the queue again, then grown
        answer = await client.post(
            LOGGER, params=QUERY | session | {"user_id": token}, content=browser_body(queue_of(sent))
        )
        assert (answer.status_code, answer.text.split(":")[0]) == (200, "SUCCESS")
    rows = await kept(store, student)
    assert [row.sequence for row in rows] == list(range(5))
    assert len({row.session_id for row in rows}) == 1
    assert all("user_id" not in str(row.data) and token not in str(row.data) for row in rows)


async def test_a_log_that_will_never_be_taken_is_answered_so_that_no_logger_repeats_it(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    made = await launch(client, town, town.here.students[1])
    await client.post(f"/api/v1/launches/{made['launch_id']}/end", headers=bearer(town.here.key))
    ended = await client.post(LOGGER, params=QUERY | {"user_id": "lt_made_up"}, content=browser_body(queue_of(1)))
    nobody = await client.post(LOGGER, params=QUERY, content=browser_body(queue_of(1)))
    no_student = await client.post(
        LOGGER, params=QUERY, content=browser_body(queue_of(1)), headers=bearer(town.here.key)
    )
    for answer in (ended, nobody, no_student):
        assert (answer.status_code, answer.text.split(":")[0]) == (200, "FAIL")
    assert await kept(store, town.here.students[1]) == []


async def test_an_entry_that_cannot_be_read_is_kept_for_its_sender_and_costs_no_other(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    student = town.here.students[2]
    token = (await launch(client, town, student))["launch_token"]
    entries: list[Any] = [*queue_of(2), "no entry at all"]
    answer = await client.post(LOGGER, params=QUERY, content=browser_body(entries), headers=bearer(token))
    assert "2 events stored, 1 refused" in answer.text
    assert len(await kept(store, student)) == 2
    rejects = await client.get("/api/v1/telemetry/rejects", headers=bearer(token))
    assert [r["pointer"][:7] for r in rejects.json()["rejects"]] == ["/data/2"]


async def test_a_beacon_says_in_the_batch_whose_launch_it_is_and_takes_nothing_else(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    student, session = town.here.students[0], uuid4()
    token = (await launch(client, town, student))["launch_token"]
    batch = wire_batch([wire_event(student, session), wire_event(town.here.students[1], uuid4())])

    async def beacon(stated: str) -> httpx.Response:
        body = msgspec.json.encode(batch | {"launch_token": stated})
        return await client.post(
            "/api/v1/telemetry/batch", content=body, headers={"Content-Type": "text/plain;charset=UTF-8"}
        )

    answer = await beacon(token)
    assert answer.status_code == 207
    assert answer.json()["counts"] == {"created": 1, "duplicate": 0, "conflict": 0, "rejected": 1}
    assert answer.json()["results"][0]["code"] == "student_of_another_launch"
    for other in (town.here.key, town.here.teacher_tokens[0], "", "lt_x"):
        assert (await beacon(other)).status_code == 401
    assert len([row for row in await kept(store, student) if row.session_id == session]) == 1


async def test_a_launch_reaches_its_own_student_only(client: httpx.AsyncClient, town: Town) -> None:
    mine, other = town.here.students[0], town.here.students[1]
    session = uuid4()
    others = wire_batch([wire_event(other, session)])
    await client.post("/api/v1/telemetry/batch", json=others, headers=bearer(town.here.key))
    token = bearer((await launch(client, town, mine))["launch_token"])
    close = await client.post(f"/api/v1/telemetry/session/{session}/close", headers=token)
    status = await client.get(f"/api/v1/telemetry/status/{others['batch_id']}", headers=token)
    assert (close.status_code, status.status_code) == (404, 404)
    seen = await client.get("/api/v1/telemetry/recent", headers=token)
    assert all(e["session_id"] != str(session) for e in seen.json()["events"])
    whole = await client.get("/api/v1/telemetry/recent", headers=bearer(town.here.key))
    assert str(session) in [e["session_id"] for e in whole.json()["events"]]

"""One student's game sends with a launch token, until the launch ends, in whichever way it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import delete, select, update

from builders import SECRET, Place, Town, bearer, wire_batch, wire_event
from sightline.errors import NotAllowed, NotSignedIn
from sightline.pipeline.senders import KEPT, SenderCache, launch_sender
from sightline.pipeline.signing_in import issue_for_staff
from sightline.security.identity import CredentialKind, digest_of
from sightline.security.launches import LaunchClaims, sign, verify
from sightline.store.credentials import end_credential
from sightline.store.database import Store
from sightline.store.schema import credentials, enrolments, launches, students

pytestmark = pytest.mark.asyncio

SECOND = timedelta(seconds=1)


async def launch(
    client: httpx.AsyncClient, place: Place, key: str | None = None, **changes: Any
) -> httpx.Response:
    wish = {"student_id": str(place.students[0]), "game": "JUSThink"} | changes
    headers = bearer(place.key) | ({} if key is None else {"Idempotency-Key": key})
    return await client.post("/api/v1/launches", json=wish, headers=headers)


async def launched(client: httpx.AsyncClient, place: Place, **changes: Any) -> dict[str, str]:
    answer = await launch(client, place, **changes)
    assert answer.status_code == 201, answer.text
    found: dict[str, str] = answer.json()
    return found


async def me(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/api/v1/auth/me", headers=bearer(token))


async def key_of(store: Store, place: Place) -> UUID:
    async with store.work() as work:
        found = await work.execute(
            select(credentials.c.credential_id).where(credentials.c.digest == digest_of(place.key, SECRET))
        )
        key_id: UUID = found.scalar_one()
        return key_id


class Clock:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at


async def test_a_server_launches_a_game_for_its_student(client: httpx.AsyncClient, town: Town) -> None:
    before = datetime.now(UTC)
    made = await launched(client, town.here, lifetime_minutes=90)
    assert (made["student_id"], made["game"]) == (str(town.here.students[0]), "JUSThink")
    lasts = datetime.fromisoformat(made["expires_at"]) - before
    assert timedelta(minutes=90) - SECOND < lasts < timedelta(minutes=90) + 10 * SECOND
    claims = verify(made["launch_token"], SECRET, before)
    assert claims.student_id == town.here.students[0]
    assert claims.expires_at == datetime.fromisoformat(made["expires_at"])
    answer = await me(client, made["launch_token"])
    assert answer.json()["role"] == "launch"
    assert "Student" not in answer.text
    assert str(town.here.students[0]) not in answer.text


async def test_nothing_of_a_token_is_stored(client: httpx.AsyncClient, town: Town, store: Store) -> None:
    token = (await launched(client, town.here))["launch_token"]
    async with store.work() as work:
        stored = [str(row) for table in (launches, credentials) for row in await work.execute(select(table))]
    assert stored
    assert not [row for row in stored if token in row or token[76:119] in row]


async def test_the_same_key_gives_the_same_launch_and_another_wish_under_it_is_refused(
    client: httpx.AsyncClient, town: Town
) -> None:
    first, again = await launch(client, town.here, key="lesson-7"), await launch(client, town.here, key="lesson-7")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    for other in (
        {"student_id": str(town.here.students[1])},
        {"game": "another"},
        {"lifetime_minutes": 479},
    ):
        refused = await launch(client, town.here, key="lesson-7", **other)
        assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")
    unkeyed = [(await launched(client, town.here))["launch_id"] for _ in range(2)]
    elsewhere = await launch(client, town.there, key="lesson-7")
    assert elsewhere.status_code == 201
    assert len({first.json()["launch_id"], elsewhere.json()["launch_id"], *unkeyed}) == 4


async def test_a_student_of_another_school_looks_like_one_who_is_not_there(
    client: httpx.AsyncClient, town: Town
) -> None:
    answers = [
        await launch(client, town.here, student_id=str(student)) for student in (town.there.students[0], uuid4())
    ]
    assert [a.status_code for a in answers] == [404, 404]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"game": "x" * 101}, "/game"),
        ({"game": ""}, "/game"),
        ({"game": "a\x00b"}, "/game"),
        ({"lifetime_minutes": 481}, "/lifetime_minutes"),
        ({"lifetime_minutes": 0}, "/lifetime_minutes"),
        ({"student_id": "nobody"}, "/student_id"),
    ],
)
async def test_a_wish_outside_the_contract_is_refused_with_its_pointer(
    client: httpx.AsyncClient, town: Town, wish: dict[str, Any], pointer: str
) -> None:
    answer = await launch(client, town.here, **wish)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_only_a_server_launches_and_looks_at_launches(client: httpx.AsyncClient, town: Town) -> None:
    made = await launched(client, town.here)
    path = f"/api/v1/launches/{made['launch_id']}"
    wish = {"student_id": str(town.here.students[0]), "game": "JUSThink"}
    for token in (*town.here.teacher_tokens, town.here.administrator_token, made["launch_token"]):
        assert (await client.post("/api/v1/launches", json=wish, headers=bearer(token))).status_code == 403
        assert (await client.get(path, headers=bearer(token))).status_code == 403
    assert (await client.post(path + "/end", headers=bearer(town.here.teacher_tokens[0]))).status_code == 403
    for method, address in (("GET", path), ("POST", path + "/end")):
        assert (await client.request(method, address, headers=bearer(town.there.key))).status_code == 404
    assert (await client.get(path, headers=bearer(town.here.key))).json()["state"] == "live"


async def test_a_launch_reads_no_record_and_sends_no_talk(client: httpx.AsyncClient, town: Town) -> None:
    token = (await launched(client, town.here))["launch_token"]
    student = f"/api/v1/students/{town.here.students[0]}"
    for path in (student, student + "/skills", student + "/growth", "/api/v1/students", "/api/v1/ratings"):
        answer = await client.get(path, headers=bearer(token), params={"class_id": str(town.here.classes[0])})
        assert answer.status_code == 403, path
    talk = {"transcript_id": str(uuid4()), "format": "csv", "content": "", "recorded_at": "2026-03-02T09:00:00Z"}
    assert (await client.post("/api/v1/transcripts", json=talk, headers=bearer(token))).status_code == 403


@pytest.mark.parametrize("by", ["server key", "launch token", "logout"])
async def test_an_ended_launch_is_refused_and_may_be_ended_again(
    client: httpx.AsyncClient, town: Town, store: Store, by: str
) -> None:
    made, other = await launched(client, town.here), await launched(client, town.here)
    path = f"/api/v1/launches/{made['launch_id']}"
    token = made["launch_token"]
    if by == "logout":
        answer = await client.post("/api/v1/auth/logout", headers=bearer(token))
    else:
        answer = await client.post(path + "/end", headers=bearer(town.here.key if by == "server key" else token))
    assert answer.status_code == 204
    first = (await client.get(path, headers=bearer(town.here.key))).json()
    assert first["state"] == "ended"
    for credential in (town.here.key, token):
        assert (await client.post(path + "/end", headers=bearer(credential))).status_code == 204
    assert (await client.get(path, headers=bearer(town.here.key))).json() == first
    replayed = await me(client, token)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "launch_ended")
    with pytest.raises(NotSignedIn, match="ended"):
        await SenderCache(store, lambda: SECRET, Clock()).sender(token)
    assert (await me(client, other["launch_token"])).status_code == 200


async def test_a_launch_token_ends_no_other_launch(client: httpx.AsyncClient, town: Town) -> None:
    mine, other = await launched(client, town.here), await launched(client, town.here)
    answer = await client.post(f"/api/v1/launches/{other['launch_id']}/end", headers=bearer(mine["launch_token"]))
    assert answer.status_code == 404
    assert (await me(client, other["launch_token"])).status_code == 200


async def test_a_launch_ends_with_its_server_key(client: httpx.AsyncClient, town: Town) -> None:
    token = (await launched(client, town.here))["launch_token"]
    assert (await client.post("/api/v1/auth/logout", headers=bearer(town.here.key))).status_code == 204
    answer = await me(client, token)
    assert (answer.status_code, answer.json()["code"]) == (401, "launch_ended")


async def test_a_launch_goes_with_its_student(client: httpx.AsyncClient, town: Town, store: Store) -> None:
    token = (await launched(client, town.here))["launch_token"]
    async with store.work() as work:
        for table in (enrolments, students):
            await work.execute(delete(table).where(table.c.student_id == town.here.students[0]))
    assert (await me(client, token)).json()["code"] == "launch_ended"


async def test_a_signed_token_of_a_launch_that_never_was_is_refused(town: Town, store: Store) -> None:
    now = datetime.now(UTC)
    claims = LaunchClaims(town.here.school_id, town.here.students[0], uuid4(), now + SECOND)
    with pytest.raises(NotSignedIn) as refused:
        async with store.work() as work:
            await launch_sender(work, sign(claims, SECRET), secret_key=SECRET, now=now)
    assert refused.value.code == "launch_ended"


async def test_senders_are_who_their_tokens_say(client: httpx.AsyncClient, town: Town, store: Store) -> None:
    cache = SenderCache(store, lambda: SECRET, Clock())
    made = await launched(client, town.here)
    key_id = await key_of(store, town.here)
    for _ in range(2):
        server, game = await cache.sender(town.here.key), await cache.sender(made["launch_token"])
        assert (server.school_id, server.credential_id, server.student_id) == (town.here.school_id, key_id, None)
        assert (game.school_id, game.credential_id) == (town.here.school_id, key_id)
        assert (game.student_id, str(game.launch_id), game.game) == (
            town.here.students[0],
            made["launch_id"],
            "JUSThink",
        )
        assert (server.limit_key, game.limit_key) == (str(key_id), made["launch_id"])


@pytest.mark.parametrize("ended", ["the key", "the launch"])
async def test_what_was_ended_sends_no_more_within_five_seconds(
    client: httpx.AsyncClient, town: Town, store: Store, ended: str
) -> None:
    clock = Clock()
    cache = SenderCache(store, lambda: SECRET, clock)
    made = await launched(client, town.here)
    await cache.sender(made["launch_token"])
    await cache.sender(town.here.key)
    async with store.work() as work:
        if ended == "the key":
            assert await end_credential(work, town.here.school_id, await key_of(store, town.here), clock.at)
        else:
            await work.execute(
                update(launches).where(launches.c.launch_id == UUID(made["launch_id"])).values(ended_at=clock.at)
            )
    clock.at += KEPT - timedelta(milliseconds=1)
    assert (await cache.sender(made["launch_token"])).game == "JUSThink"  # it was asked a moment ago
    clock.at += timedelta(milliseconds=1)
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            await cache.sender(made["launch_token"])
    if ended == "the key":
        with pytest.raises(NotSignedIn):
            await cache.sender(town.here.key)


async def test_no_launch_outlives_its_time_in_the_cache(
    client: httpx.AsyncClient, town: Town, store: Store
) -> None:
    clock = Clock()
    cache = SenderCache(store, lambda: SECRET, clock)
    made = await launched(client, town.here, lifetime_minutes=1)
    clock.at = datetime.fromisoformat(made["expires_at"]) - SECOND
    assert (await cache.sender(made["launch_token"])).game == "JUSThink"
    clock.at += SECOND
    with pytest.raises(NotSignedIn) as refused:
        await cache.sender(made["launch_token"])
    assert refused.value.code == "launch_expired"


async def test_a_clock_set_back_makes_no_old_yes_good_again(town: Town, store: Store) -> None:
    clock = Clock()
    cache = SenderCache(store, lambda: SECRET, clock)
    await cache.sender(town.here.key)
    async with store.work() as work:
        await end_credential(work, town.here.school_id, await key_of(store, town.here), clock.at)
    clock.at -= timedelta(hours=1)
    with pytest.raises(NotSignedIn):
        await cache.sender(town.here.key)


async def test_a_no_is_never_kept_and_staff_send_no_events(town: Town, store: Store) -> None:
    clock = Clock()
    cache = SenderCache(store, lambda: SECRET, clock)
    async with store.work() as work:
        await work.execute(
            update(credentials)
            .where(credentials.c.digest == digest_of(town.here.key, SECRET))
            .values(expires_at=clock.at)
        )
        link = await issue_for_staff(
            work,
            town.here.school_id,
            town.here.teachers[0],
            CredentialKind.SIGN_IN_LINK,
            secret_key=SECRET,
            now=clock.at,
        )
    for token in (town.here.key, link, "", "nonsense", "sk_" + "0" * 64, "lt_é"):
        with pytest.raises(NotSignedIn):
            await cache.sender(token)
    for token in (town.here.teacher_tokens[0], town.here.administrator_token):
        with pytest.raises(NotAllowed) as refused:
            await cache.sender(token)
        assert not isinstance(refused.value, NotSignedIn)
    async with store.work() as work:
        await work.execute(
            update(credentials)
            .where(credentials.c.digest == digest_of(town.here.key, SECRET))
            .values(expires_at=None)
        )
    assert (await cache.sender(town.here.key)).school_id == town.here.school_id


async def test_the_cache_holds_digests_and_no_more_than_its_share(town: Town, store: Store) -> None:
    clock = Clock()
    cache = SenderCache(store, lambda: SECRET, clock, most=1)
    await cache.sender(town.here.key)
    assert list(cache._known) == [digest_of(town.here.key, SECRET)]  # noqa: SLF001 - what is held is the promise
    await cache.sender(town.there.key)
    async with store.work() as work:
        await end_credential(work, town.here.school_id, await key_of(store, town.here), clock.at)
    with pytest.raises(NotSignedIn):
        await cache.sender(town.here.key)


async def test_an_event_of_a_student_who_is_not_the_launchs_is_never_stored(
    client: httpx.AsyncClient, town: Town
) -> None:
    token = (await launched(client, town.here))["launch_token"]
    batch = wire_batch([wire_event(town.here.students[1], uuid4())])
    answer = await client.post("/api/v1/telemetry/batch", json=batch, headers=bearer(token))
    assert answer.status_code in {403, 207}
    assert answer.json().get("received_count", 0) == 0

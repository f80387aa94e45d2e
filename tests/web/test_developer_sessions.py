"""Whoever has a server key opens the page of its arrivals with it, and nothing else anywhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from developers import ORIGIN, a_visitor, page_of, session_of, signed_in
from sqlalchemy import select

from builders import SECRET, Town, bearer
from sightline.api.app import api
from sightline.errors import NotSignedIn
from sightline.pipeline import signing_in
from sightline.security.access import Act, Caller, Role, may
from sightline.security.identity import CredentialKind, digest_of, kind_of, token_of
from sightline.settings import DEFAULT_LIMITS, LimitKind, Settings
from sightline.store.database import Store
from sightline.store.schema import credentials
from sightline.web.app import app as pages

MOST = DEFAULT_LIMITS[LimitKind.SIGN_IN]


@pytest.fixture
async def visitor(store: Store, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with a_visitor(store, settings) as browser:
        yield browser


async def test_a_server_key_opens_the_page_and_is_nowhere_in_it(visitor: httpx.AsyncClient, town: Town) -> None:
    form = await visitor.get("/arriving")
    assert 'type="password"' in form.text
    assert 'method="post" action="/arriving"' in form.text
    answer = await signed_in(visitor, f"  {town.here.key}\n")
    cookie = answer.headers["set-cookie"]
    for part in ("sightline_developer=ds_", "HttpOnly", "Max-Age=28800", "Path=/arriving", "SameSite=strict"):
        assert part in cookie
    assert "Secure" not in cookie
    page = await visitor.get("/arriving")
    assert "test game" in page.text
    assert town.here.key not in page.text + form.text + cookie + answer.text + str(page.url)


async def test_the_cookie_is_secure_where_the_address_is(store: Store, settings: Settings, town: Town) -> None:
    origin = "https://sightline.test"
    secure = replace(settings, public_url=origin)
    transport = httpx.ASGITransport(pages(store, secure, {"paths": {}}))
    async with httpx.AsyncClient(transport=transport, base_url=origin, headers={"Origin": origin}) as browser:
        assert "Secure" in (await signed_in(browser, town.here.key)).headers["set-cookie"]


async def test_only_digests_are_stored_and_the_session_names_its_key(
    visitor: httpx.AsyncClient, town: Town, store: Store
) -> None:
    await signed_in(visitor, town.here.key)
    token = visitor.cookies["sightline_developer"]
    async with store.work() as work:
        found = await work.execute(select(credentials).where(credentials.c.school_id == town.here.school_id))
        rows = {row.kind: row for row in found if row.kind in {"ds", "sk"}}
    assert rows["ds"].digest == digest_of(token, SECRET)
    assert rows["ds"].made_with == rows["sk"].credential_id
    assert rows["ds"].expires_at - rows["ds"].created_at == timedelta(hours=8)
    assert token not in str(rows["ds"])


async def test_no_other_credential_opens_the_page(visitor: httpx.AsyncClient, town: Town, store: Store) -> None:
    here = town.here
    wanted = {"student_id": str(here.students[0]), "game": "bridges"}
    launch = (await visitor.post("/api/v1/launches", json=wanted, headers=bearer(here.key))).json()["launch_token"]
    staff = await session_of(store, here.teachers[0], here)
    ended = token_of(CredentialKind.DEVELOPER_SESSION, bytes(32))
    made_up = token_of(CredentialKind.SERVER_KEY, bytes(32))
    for token in (launch, staff, here.teacher_tokens[0], here.administrator_token, ended, made_up, "", "sk_"):
        answer = await visitor.post("/arriving", data={"key": token})
        assert answer.status_code == 403
        assert "no server key" in answer.text
        assert "set-cookie" not in answer.headers
    for token in (launch, staff, here.teacher_tokens[0], ended, here.key):
        for name in ("sightline_developer", "sightline_session"):
            cookie = {"Cookie": f"{name}={token}"}
            page = await visitor.get("/arriving", headers=cookie)
            assert 'type="password"' in page.text
            assert "test game" not in page.text
            assert (await visitor.get("/arriving/rows", headers=cookie)).status_code == 403
        assert (await visitor.get("/arriving/rows", headers=bearer(token))).status_code == 403


def test_a_developer_reads_the_arrivals_of_one_key_and_may_do_nothing_else() -> None:
    school, key, student = uuid4(), uuid4(), uuid4()
    developer = Caller(Role.DEVELOPER, school, key, "a game")
    allowed = {act for act in Act if may(developer, act, school_id=school)}
    assert allowed == {Act.READ_ARRIVALS}
    assert may(developer, Act.READ_ARRIVALS, school_id=school, sent_by=str(key))
    assert not may(developer, Act.READ_ARRIVALS, school_id=uuid4(), sent_by=str(key))
    assert not may(developer, Act.READ_ARRIVALS, school_id=school, sent_by=str(uuid4()))
    assert not may(developer, Act.READ_ARRIVALS, school_id=school, students=frozenset({student}))
    assert not may(developer, Act.READ_ARRIVALS, school_id=school, class_id=uuid4())
    for role in set(Role) - {Role.DEVELOPER}:
        other = Caller(role, school, key, "somebody", frozenset(), frozenset({student}))
        assert not may(other, Act.READ_ARRIVALS, school_id=school, sent_by=str(key))


async def test_a_developer_session_opens_no_route_of_the_api_and_no_other_page(
    visitor: httpx.AsyncClient, town: Town, store: Store, settings: Settings
) -> None:
    await signed_in(visitor, town.here.key)
    token = visitor.cookies["sightline_developer"]
    assert kind_of(token) is CredentialKind.DEVELOPER_SESSION
    visitor.cookies.clear()
    filled = {"student_id": town.here.students[0], "class_id": town.here.classes[0], "skill": "resilience"}
    ways: list[dict[str, str]] = [bearer(token)]
    ways += [{"Cookie": f"{name}={token}"} for name in ("sightline_session", "sightline_developer")]
    rating = {"student_id": str(town.here.students[0]), "skill": "empathy", "level": 2, "occasion": "2026-03-02"}
    talk = {"transcript_id": str(uuid4()), "format": "csv", "content": "a", "recorded_at": "2026-03-02T09:00:00Z"}
    bodies = {"/ratings": {"ratings": [rating]}, "/transcripts": talk | {"speakers": {}}}
    for path, methods in api(store, settings).openapi()["paths"].items():
        address = "/api/v1" + re.sub(r"{(\w+)}", lambda found: str(filled.get(found[1], uuid4())), path)
        for method in methods:
            if path in {"/health", "/telemetry/event-types"}:
                continue
            for way in ways:
                asked = bodies.get(path, {"speakers": {"A": None}} if "speakers" in path else None)
                answer = await visitor.request(
                    method, address, headers=way, json=asked, params={"class_id": str(town.here.classes[0])}
                )
                assert answer.status_code == 401, (method, path, way)
    for page in ("/", f"/classes/{town.here.classes[0]}", f"/students/{town.here.students[0]}", "/nowhere"):
        for way in ways:
            answer = await visitor.get(page, headers=way)
            assert (answer.status_code, answer.headers["location"]) == (303, "/signin"), page
    assert (await visitor.get("/signin", params={"token": token})).status_code == 403
    assert (await visitor.post("/signin", data={"token": token})).status_code == 403


async def test_the_session_ends_with_its_key_and_at_its_time(
    visitor: httpx.AsyncClient, town: Town, store: Store
) -> None:
    await signed_in(visitor, town.here.key)
    token = visitor.cookies["sightline_developer"]
    now = datetime.now(UTC)
    async with store.work() as work:
        for at, lives in (
            (now + timedelta(hours=7, minutes=59), True),
            (now + timedelta(hours=8, minutes=1), False),
        ):
            try:
                await signing_in.watcher(work, token, secret_key=SECRET, now=at)
            except NotSignedIn:
                assert not lives
            else:
                assert lives
    assert (await visitor.get("/arriving/rows")).status_code == 200
    assert (await visitor.post("/api/v1/auth/logout", headers=bearer(town.here.key))).status_code == 204
    assert (await visitor.get("/arriving/rows")).status_code == 403
    page = await visitor.get("/arriving")
    assert "You were signed out" in page.text
    assert 'sightline_developer=""' in page.headers["set-cookie"]
    assert "Path=/arriving" in page.headers["set-cookie"]


async def test_signing_out_needs_its_own_form_and_leaves_the_key(visitor: httpx.AsyncClient, town: Town) -> None:
    page = await page_of(visitor, town.here)
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
    assert token is not None
    session = {"Cookie": f"sightline_developer={visitor.cookies['sightline_developer']}"}
    assert (await visitor.post("/arriving/signout", data={"form_token": "00"})).status_code == 403
    assert (await visitor.get("/arriving/rows", headers=session)).status_code == 200
    answer = await visitor.post("/arriving/signout", data={"form_token": token[1]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/arriving")
    assert (await visitor.get("/arriving/rows", headers=session)).status_code == 403
    await signed_in(visitor, town.here.key)


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://elsewhere.test"}, {"Origin": "null"}, {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}],
)
async def test_a_form_of_another_site_does_nothing(
    visitor: httpx.AsyncClient, town: Town, headers: dict[str, str]
) -> None:
    answer = await visitor.post("/arriving", data={"key": town.here.key}, headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.text
    assert "set-cookie" not in answer.headers


async def test_who_guesses_keys_is_stopped_and_who_has_one_gets_in_from_the_same_address(
    visitor: httpx.AsyncClient, town: Town
) -> None:
    for number in range(MOST):
        guess = token_of(CredentialKind.SERVER_KEY, number.to_bytes(32, "big"))
        assert (await visitor.post("/arriving", data={"key": guess})).status_code == 403
    refused = await visitor.post("/arriving", data={"key": "sk_nonsense"})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    for _ in range(MOST):
        await signed_in(visitor, town.here.key)
    assert (await visitor.post("/arriving", data={"key": town.here.key})).status_code == 429
    await signed_in(visitor, town.there.key)

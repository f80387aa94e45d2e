"""The page of a server key: whoever has the key sees what arrives with it, and nothing else anywhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from builders import SECRET, Place, Town, bearer, send, wire_batch, wire_event
from sightline.api.app import api
from sightline.api.front import application
from sightline.errors import NotSignedIn
from sightline.pipeline import signing_in
from sightline.pipeline.signing_in import issue_for_staff, use_link
from sightline.security.access import Act, Caller, Role, may
from sightline.security.identity import CredentialKind, digest_of, kind_of, token_of
from sightline.security.page_policy import CLOSED, OWN_SCRIPT
from sightline.settings import DEFAULT_LIMITS, LimitKind, Settings
from sightline.store.database import Store
from sightline.store.schema import credentials
from sightline.web.app import app as pages

ORIGIN = "http://127.0.0.1:8460"
MOST = DEFAULT_LIMITS[LimitKind.SIGN_IN]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def visitor(store: Store, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A browser before the whole application, as it listens; each test has limits of its own."""
    made = application(store, settings, lambda doors, openapi: pages(store, settings, openapi, doors.limiter))
    transport = httpx.ASGITransport(made, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as browser:
        yield browser


async def signed_in(visitor: httpx.AsyncClient, key: str) -> httpx.Response:
    answer = await visitor.post("/arriving", data={"key": key})
    assert (answer.status_code, answer.headers["location"]) == (303, "/arriving")
    return answer


async def page_of(visitor: httpx.AsyncClient, place: Place) -> str:
    await signed_in(visitor, place.key)
    page = await visitor.get("/arriving")
    assert page.status_code == 200
    return page.text


def rows_of(page: str) -> list[str]:
    return re.findall(r'<tr class="(?:stored|refused)".*?</tr>', page, re.DOTALL)


async def session_of(store: Store, staff: UUID, place: Place) -> str:
    now = datetime.now(UTC)
    async with store.work() as work:
        link = await issue_for_staff(
            work, place.school_id, staff, CredentialKind.SIGN_IN_LINK, secret_key=SECRET, now=now
        )
        return await use_link(work, link, secret_key=SECRET, now=now)


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


async def test_what_came_is_shown_with_its_fate_and_its_reason(visitor: httpx.AsyncClient, town: Town) -> None:
    student, session = town.here.students[0], uuid4()
    known = wire_event(student, session, "failure", sequence=17, data={"task": "bridge 3"})
    unknown = wire_event(student, session, "cake_baked", sequence=18)
    stranger = wire_event(uuid4(), session, "retry")
    unreadable = {"event_id": "no uuid", "data": {"secret": "kept nowhere"}}
    await send(visitor, town.here.key, wire_batch([known, unknown, stranger, unreadable]))
    page = await page_of(visitor, town.here)
    assert "2 stored, 2 refused; 1 of the stored has a type that no rule reads." in page
    rows = rows_of(page)
    assert len(rows) == 4
    stored = next(row for row in rows if known["event_id"] in row)
    assert "Stored" in stored
    assert str(session)[:8] in stored
    assert str(session) not in stored
    assert ">17</td>" in stored
    assert "{&#34;task&#34;:&#34;bridge 3&#34;}" in stored
    assert re.search(r"\d\d:\d\d:\d\d\.\d\d\d</time>", stored)
    assert "no rule reads this type" in next(row for row in rows if unknown["event_id"] in row)
    assert sum("no rule reads this type" in row for row in rows) == 1
    refused = next(row for row in rows if stranger["event_id"] in row)
    for said in ("Refused", "unknown_student", "/student_id", "<code>retry</code>"):
        assert said in refused
    assert "kept nowhere" not in page
    assert not any(str(one) in page for one in town.here.students)
    assert "Student 0" not in page


async def test_what_a_student_types_is_text_and_never_part_of_the_page(
    visitor: httpx.AsyncClient, town: Town
) -> None:
    event = wire_event(town.here.students[0], uuid4(), data={"said": HOSTILE, '"><img src=x>': 1})
    fault = {"event_id": HOSTILE, "data": {}}
    await send(visitor, town.here.key, wire_batch([event, fault]))
    await signed_in(visitor, town.here.key)
    for address in ("/arriving", "/arriving/rows"):
        page = (await visitor.get(address)).text
        assert "alert(1)" in page
        assert HOSTILE not in page
        assert "<img src=x" not in page
        assert len(re.findall(r"<script", page)) == (address == "/arriving")


async def test_only_the_newest_hundred_are_shown_and_long_data_is_cut(
    visitor: httpx.AsyncClient, town: Town
) -> None:
    student, session = town.here.students[0], uuid4()
    long = {"said": "x" * 9000}
    events = [wire_event(student, session, sequence=n, data=long) for n in range(120)]
    await send(visitor, town.here.key, wire_batch(events))
    page = await page_of(visitor, town.here)
    assert "100 stored, 0 refused." in page
    assert len(rows_of(page)) == 100
    assert len(page) < 400_000


async def test_before_the_first_event_the_page_says_how_to_send_it(visitor: httpx.AsyncClient, town: Town) -> None:
    page = await page_of(visitor, town.here)
    assert f"curl &#34;{ORIGIN}/api/v1/telemetry/events" in page or f'curl "{ORIGIN}/api/v1/telemetry/' in page
    assert "Nothing has arrived yet." in page
    assert town.here.key not in page
    assert not rows_of(page)


async def test_one_key_sees_its_own_and_its_launches_events_and_no_other_keys(
    visitor: httpx.AsyncClient, town: Town
) -> None:
    wanted = {"student_id": str(town.here.students[1]), "game": "bridges"}
    launch = await visitor.post("/api/v1/launches", json=wanted, headers=bearer(town.here.key))
    mine = wire_event(town.here.students[1], uuid4())
    theirs = wire_event(town.there.students[0], uuid4())
    await send(visitor, launch.json()["launch_token"], wire_batch([mine]))
    await send(visitor, town.there.key, wire_batch([theirs, {"event_id": "no uuid"}]))
    page = await page_of(visitor, town.here)
    assert "1 stored, 0 refused." in page
    await signed_in(visitor, town.there.key)
    assert "1 stored, 1 refused." in (await visitor.get("/arriving")).text


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


async def test_an_unchanged_list_is_not_sent_again_and_news_is(visitor: httpx.AsyncClient, town: Town) -> None:
    page = await page_of(visitor, town.here)
    mark = re.search(r'data-mark="([^"]+)"', page)
    assert mark is not None
    etag = f'"{mark[1]}"'

    async def look() -> httpx.Response:
        return await visitor.get("/arriving/rows", headers={"If-None-Match": etag})

    for _ in range(3):
        same = await look()
        assert (same.status_code, same.content) == (304, b"")
        etag = same.headers["etag"]
    event = wire_event(town.here.students[0], uuid4())
    for sent, shown in ((event, 1), ({"event_id": "no uuid"}, 2), ({"event_id": "no uuid"}, 3)):
        await send(visitor, town.here.key, wire_batch([sent]))
        news = await look()
        assert news.status_code == 200
        assert len(rows_of(news.text)) == shown
        etag = news.headers["etag"]
        assert (await look()).status_code == 304
    await send(visitor, town.there.key, wire_batch([wire_event(town.there.students[0], uuid4())]))
    assert (await look()).status_code == 304
    keys = re.findall(r'data-key="(\w+)"', (await visitor.get("/arriving/rows")).text)
    assert len(set(keys)) == 3
    for nonsense in ("", "x", "1-1", "9" * 100, f"{2**63}-0", "²-0", '"'):
        stated = [(b"If-None-Match", f'"{nonsense}"'.encode())]
        answer = await visitor.get("/arriving/rows", headers=stated)
        assert answer.status_code == 200


async def test_scripts_run_on_this_page_alone_and_only_from_our_own_files(
    visitor: httpx.AsyncClient, town: Town
) -> None:
    assert "script-src" not in CLOSED
    assert OWN_SCRIPT.removeprefix(CLOSED) == "; script-src 'self'; connect-src 'self'"
    closed = ("/arriving", "/signin", "/docs", "/nowhere", "/livez", "/api/v1/health", "/api/v1/auth/me")
    for address in closed:
        assert (await visitor.get(address)).headers["content-security-policy"] == CLOSED
    page = await page_of(visitor, town.here)
    assert (await visitor.get("/arriving")).headers["content-security-policy"] == OWN_SCRIPT
    assert (await visitor.get("/arriving/rows")).headers["content-security-policy"] == CLOSED
    scripts = re.findall(r"<script[^>]*>[^<]*</script>", page)
    assert len(scripts) == 1
    found = re.fullmatch(r'<script src="(/static/arriving\.js\?v=\w+)" defer></script>', scripts[0])
    assert found is not None
    assert not re.search(r"\son\w+=|style=", page)
    script = await visitor.get(found[1])
    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")


async def test_teachers_pages_do_not_lead_here(visitor: httpx.AsyncClient, town: Town, store: Store) -> None:
    session = await session_of(store, town.here.teachers[0], town.here)
    for address in ("/", "/signin", f"/classes/{town.here.classes[0]}", f"/students/{town.here.students[0]}"):
        page = await visitor.get(address, headers={"Cookie": f"sightline_session={session}"})
        assert page.status_code == 200
        assert "/arriving" not in page.text

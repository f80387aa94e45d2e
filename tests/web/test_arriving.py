"""The page of a server key: what came, what became of it and why; news by itself, and no script but ours."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import msgspec
import pytest
from developers import ORIGIN, a_visitor, page_of, session_of, signed_in
from starlette.responses import PlainTextResponse

from builders import SECRET, Town, bearer, send, wire_batch, wire_event
from sightline.api.edge import Edge
from sightline.ingest.events import read_batch
from sightline.pipeline import signing_in, watching
from sightline.pipeline.gathering import Gatherer
from sightline.pipeline.receiving import batch_arrival
from sightline.pipeline.senders import Sender
from sightline.security.page_policy import CLOSED, OWN_SCRIPT
from sightline.settings import Settings
from sightline.store.database import Store

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def visitor(store: Store, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with a_visitor(store, settings) as browser:
        yield browser


def rows_of(page: str) -> list[str]:
    return re.findall(r'<tr class="(?:stored|refused)".*?</tr>', page, re.DOTALL)


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
    assert f'curl "{ORIGIN}/api/v1/telemetry/events"' in page
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


async def test_an_event_committed_after_a_look_that_began_later_is_news_all_the_same(
    store: Store, town: Town
) -> None:
    """Received before the look, in the database after it: a mark of times alone would lose it for ever."""
    now = datetime.now(UTC)
    async with store.work() as work:
        owner = await signing_in.key_owner(work, town.here.key, secret_key=SECRET, now=now)
        token = await signing_in.begin_watching(work, owner, secret_key=SECRET, now=now)
        developer = (await signing_in.watcher(work, token, secret_key=SECRET, now=now)).caller
        mark = watching.read_mark(str(await watching.marked(work, developer, now)), now)
        assert mark is not None
        assert not await watching.anything_new(work, developer, mark)
    sent = read_batch(msgspec.json.encode(wire_batch([wire_event(town.here.students[0], uuid4())])))
    earlier = now - timedelta(seconds=3)
    sender = Sender(town.here.school_id, owner.staff_id)
    await Gatherer(store).submit(batch_arrival(sender, sent, received_at=earlier, verbose=False))
    async with store.work() as work:
        assert await watching.anything_new(work, developer, mark)
        assert not await watching.anything_new(work, developer, await watching.marked(work, developer, now))


async def test_the_edge_keeps_our_one_policy_for_scripts_and_replaces_every_other() -> None:
    for stated, kept in (
        (OWN_SCRIPT, OWN_SCRIPT),
        (CLOSED, CLOSED),
        ("default-src *", CLOSED),
        (f"{OWN_SCRIPT} 'unsafe-inline'", CLOSED),
        (OWN_SCRIPT.replace("default-src 'none'; ", ""), CLOSED),
    ):
        edge = Edge(PlainTextResponse("", headers={"Content-Security-Policy": stated}))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url=ORIGIN) as asking:
            assert (await asking.get("/")).headers.get_list("content-security-policy") == [kept]


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

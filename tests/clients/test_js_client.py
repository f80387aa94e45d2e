"""What the browser client promises a game: stored first, delivered once, and nothing refused in silence."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from browser_game import Arena, an_arena, eventually, kill_pages
from playwright.sync_api import Browser, BrowserContext, Error, Request, Route

BATCH = "**/api/v1/telemetry/batch*"
LONG = {"choice": "the long way round, " * 20}


@pytest.fixture(scope="module")
def arena(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with an_arena(database_url, tmp_path_factory.mktemp("arena")) as made:
        yield made


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    yield made
    made.close()


@pytest.fixture
def student(arena: Arena) -> UUID:
    return arena.school.students[0]


def events_of(request: Request) -> list[dict[str, Any]]:
    body = request.post_data_buffer or b"{}"
    read: list[dict[str, Any]] = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)["events"]
    return read


def crossing(arena: Arena, **headers: str) -> dict[str, str]:
    """Headers with which a server of another origin lets the page read its answer."""
    origin = {"Access-Control-Allow-Origin": arena.page_url.rstrip("/")}
    return origin | {"Access-Control-Expose-Headers": "Retry-After"} | headers


def numbers(arena: Arena, session: str) -> list[int]:
    return [sequence for sequence, _ in arena.stored(session)]


def test_events_and_the_closing_of_a_session_arrive_once_and_in_order(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    page = arena.open(context)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if request.method == "POST" else None)
    session = arena.begin(page, student, batchSize=100)
    page.evaluate("say(250)")
    page.evaluate("""async () => {
        const data = { task: "bridge" };
        const told = session.event("task_start", data, { missionId: "m1", gameVersion: "1.4" });
        data.task = "harbour"; await told; }""")
    page.evaluate("session.close()")
    assert page.evaluate("client.flush()") == 0
    assert page.evaluate("client.durable") is True
    rows = arena.stored(session)
    assert [sequence for sequence, _ in rows] == list(range(251))
    assert [data["n"] for _, data in rows[:250]] == list(range(250)), "sequence is the order of the game"
    assert rows[250][1] == {"task": "bridge"}, "an event says what was so when it was told"
    assert arena.is_closed(session)
    batches = [r for r in asked if "/batch" in r.url]
    assert [len(events_of(r)) for r in batches] == [100, 100, 51]
    assert all(r.headers["content-encoding"] == "gzip" for r in batches)
    assert "/close" in asked[-1].url, "the closing comes after the events"


def test_a_server_key_never_gets_into_a_browser(arena: Arena, context: BrowserContext) -> None:
    page = arena.open(context)
    said = """([url, token]) => {
        try { make({url, token}); return "taken"; } catch (refused) { return refused.message; } }"""
    assert "server key" in page.evaluate(said, [arena.api_url, arena.school.key])
    assert "https://" in page.evaluate(said, ["http://sightline.example", "lt_x"])


def test_what_is_played_offline_arrives_by_itself_when_the_network_is_back(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    page = arena.open(context)
    session = arena.begin(page, student)
    context.set_offline(True)
    stored = page.evaluate("say(30)")
    assert all(one["durable"] for one in stored), "stored on this device while there is no network"
    assert page.evaluate("client.flush()") == 30
    context.set_offline(False)
    eventually(lambda: page.evaluate("client.waiting()"), 0)
    assert numbers(arena, session) == list(range(30))


def test_a_lost_answer_changes_no_event_and_doubles_none(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    page = arena.open(context)
    sent: list[tuple[list[dict[str, Any]], str]] = []

    def lose_the_first(route: Route) -> None:
        body = json.loads(gzip.decompress(route.request.post_data_buffer or b""))
        sent.append((body["events"], body["sent_at"]))
        if len(sent) == 1:
            assert route.fetch().status == 201, "the server has stored it"
            route.abort()
        else:
            route.continue_()

    page.route(BATCH, lose_the_first)
    session = arena.begin(page, student)
    page.evaluate("say(20)")
    assert page.evaluate("client.flush()") == 20
    eventually(lambda: page.evaluate("client.waiting()"), 0)
    again = [event for events, _ in sent[1:] for event in events]
    assert again == sent[0][0], "the very same events again"
    assert sent[1][1] != sent[0][1], "sent_at is stamped at every attempt"
    assert numbers(arena, session) == list(range(20))


@pytest.mark.parametrize("end", ["reloaded", "killed"])
def test_a_page_that_ends_while_it_sends_loses_nothing_and_doubles_nothing(
    arena: Arena, context: BrowserContext, student: UUID, end: str
) -> None:
    page = arena.open(context)
    held: list[Route] = []

    def hold(route: Route) -> None:
        route.fetch()  # stored there; the page never hears of it
        held.append(route)

    page.route(BATCH, hold)
    session = arena.begin(page, student)
    page.evaluate("say(40)")
    page.evaluate("void session.close()")
    eventually(lambda: page.evaluate("client.waiting()"), 41)
    while not held:
        page.wait_for_timeout(20)
    resumed = {"sessionId": session, "sequence": page.evaluate("session.sequence")}
    if end == "killed":
        with page.expect_event("crash"):
            kill_pages()
    else:
        page.reload()
    with suppress(Error):  # the page that asked is gone
        held[0].abort()
    page = arena.open(context)
    settings = {"url": arena.api_url, "token": arena.launch(student)}
    page.evaluate("([o, s, resumed]) => begin(o, s, resumed)", [settings, str(student), resumed])
    page.evaluate("say(5)")
    assert page.evaluate("client.flush()") == 0
    assert numbers(arena, session) == list(range(45))
    assert arena.is_closed(session)


def test_a_page_that_closes_sends_what_waits_and_still_keeps_it(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    staying = arena.open(context)
    page = arena.open(context)
    session = arena.begin(page, student, retryBase=60_000)  # nothing goes by itself meanwhile
    page.evaluate("say(60, data)".replace("data", json.dumps(LONG)))
    assert numbers(arena, session) == []
    page.close()
    eventually(lambda: numbers(arena, session), list(range(60)))
    arena.begin(staying, student, retryBase=60_000)
    assert staying.evaluate("client.waiting()") == 60, "a beacon has no answer, so the queue keeps its events"
    assert staying.evaluate("client.flush()") == 0
    assert numbers(arena, session) == list(range(60)), "and the server knows them already"


def test_beacons_carry_no_more_than_browsers_let_through(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    page = arena.open(context)
    session = arena.begin(page, student, batchSize=1_000)
    page.evaluate("""() => { window.beacons = []; const send = navigator.sendBeacon.bind(navigator);
        navigator.sendBeacon = (url, body) => {
            beacons.push([body.size, body.type]); return send(url, body); }; }""")
    page.evaluate("say(300, data)".replace("data", json.dumps(LONG)))
    page.evaluate("client.end()")
    beacons = page.evaluate("beacons")
    assert 40_000 < sum(size for size, _ in beacons) < 64 * 1024
    assert len(beacons) > 1
    assert {kind for _, kind in beacons} == {"text/plain"}
    eventually(lambda: len(numbers(arena, session)) > 50, wanted=True)


def test_a_refused_event_is_told_and_kept_and_sinks_no_other(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    page = arena.open(context)
    session = arena.begin(page, student)
    page.evaluate("say(2)")
    page.evaluate("session.event('choice_made', {email: 'someone'})")
    page.evaluate("say(2)")
    assert page.evaluate("client.flush()") == 0
    assert numbers(arena, session) == [0, 1, 3, 4]
    told = page.evaluate("rejects")
    assert [(one["status"], one["code"], one["pointer"]) for one in told] == [
        ("rejected", "personal_data", "/data/email")
    ]
    assert told[0]["event"]["sequence"] == 2
    page.reload()
    page.wait_for_function("() => 'begin' in window")
    arena.begin(page, student)
    assert page.evaluate("client.rejected()") == told, "they stay for the developer to read"
    page.evaluate("client.forgetRejected()")
    assert page.evaluate("client.rejected()") == []


def test_a_token_sends_for_its_own_student_only(arena: Arena, context: BrowserContext, student: UUID) -> None:
    page = arena.open(context)
    session = arena.begin(page, arena.school.students[1], token=arena.launch(student))
    page.evaluate("say(1)")
    assert page.evaluate("client.flush()") == 0
    assert len(page.evaluate("rejects")) == 1
    assert arena.stored(session) == []
    with pytest.raises(Error, match="one student"):
        page.evaluate("other => client.session(other)", str(student))


def test_a_student_s_events_wait_for_that_student_s_own_token(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    page = arena.open(context)
    session = arena.begin(page, student)
    context.set_offline(True)
    page.evaluate("say(3)")
    page.evaluate("client.end()")
    context.set_offline(False)
    arena.begin(page, arena.school.students[1])
    page.evaluate("say(1)")
    assert page.evaluate("client.flush()") == 0
    assert arena.stored(session) == []
    arena.begin(page, student)
    assert page.evaluate("client.flush()") == 0
    assert numbers(arena, session) == [0, 1, 2]


def test_two_tabs_send_each_event_once(arena: Arena, context: BrowserContext, student: UUID) -> None:
    sent: list[str] = []

    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if sent:
            route.continue_()
        else:
            held.append(route)
        sent.extend(event["event_id"] for event in events_of(route.request))

    context.route(BATCH, hold_the_first)
    token = arena.launch(student)
    tabs = [arena.open(context), arena.open(context)]
    sessions = [arena.begin(tab, student, token=token, batchSize=120) for tab in tabs]
    tabs[0].wait_for_timeout(100)  # both have looked what an earlier page left
    for tab in tabs:
        tab.evaluate("say(100)")
    for tab in tabs:
        tab.evaluate("void (window.flushed = client.flush())")
    tabs[0].wait_for_timeout(200)  # long enough for the other tab to send the same, if it did
    held[0].continue_()
    assert [tab.evaluate("flushed") for tab in tabs] == [0, 0]
    assert [numbers(arena, session) for session in sessions] == [list(range(100))] * 2
    assert len(sent) == len(set(sent)) == 200, "one tab sends at a time, so nothing even travels twice"


def test_a_server_that_asks_to_wait_is_left_alone_for_as_long(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    page = arena.open(context)
    at: list[float] = []

    def busy_once(route: Route) -> None:
        at.append(time.monotonic())
        if len(at) == 1:
            route.fulfill(status=503, headers=crossing(arena, **{"Retry-After": "1"}), body="")
        else:
            route.continue_()

    page.route(BATCH, busy_once)
    session = arena.begin(page, student)
    page.evaluate("say(3)")
    assert page.evaluate("client.flush()") == 3
    assert page.evaluate("client.flush()") == 3, "not even when the game asks"
    assert len(at) == 1
    eventually(lambda: page.evaluate("client.waiting()"), 0)
    assert at[1] - at[0] >= 1
    assert numbers(arena, session) == [0, 1, 2]


def test_a_game_over_its_limit_hears_so_from_the_server_and_keeps_still(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    page = arena.open(context)
    answers: list[int] = []
    page.on("response", lambda answer: answers.append(answer.status) if "/batch" in answer.url else None)
    session = arena.begin(page, student, batchSize=1, retryMost=1)
    page.evaluate("say(12)")
    assert page.evaluate("client.flush()") == 2
    page.wait_for_timeout(200)
    assert page.evaluate("client.flush()") == 2
    assert answers == [201] * 10 + [429], "Retry-After may be read by a page of another origin, and is kept"
    assert len(numbers(arena, session)) == 10


def test_a_token_that_is_no_longer_taken_stops_until_a_new_one_comes(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    page = arena.open(context)
    session = arena.begin(page, student, token="lt_worn_out")  # noqa: S106 - no token of anybody
    page.evaluate("say(3)")
    assert page.evaluate("client.flush()") == 3
    assert page.evaluate("stops.map(stop => stop.status)") == [401]
    assert page.evaluate("client.stopped.status") == 401
    page.evaluate("token => { client.token = token; }", arena.launch(student))
    eventually(lambda: page.evaluate("client.waiting()"), 0)
    assert page.evaluate("client.stopped") is None
    assert numbers(arena, session) == [0, 1, 2]


def test_a_batch_that_is_too_large_goes_in_parts_and_one_such_event_is_told(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    page = arena.open(context)

    def narrow(route: Route) -> None:
        events = events_of(route.request)
        if len(events) > 10 or any("big" in event["data"] for event in events):
            route.fulfill(status=413, headers=crossing(arena), content_type="text/plain", body="too large")
        else:
            route.continue_()

    page.route(BATCH, narrow)
    session = arena.begin(page, student)
    page.evaluate("say(20)")
    page.evaluate("session.event('choice_made', {big: true})")
    assert page.evaluate("client.flush()") == 0
    assert numbers(arena, session) == list(range(20))
    assert page.evaluate("rejects.map(reject => reject.code)") == ["too_large"]


def test_an_answer_that_is_none_takes_nothing_from_the_queue(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    page = arena.open(context)
    foreign: list[dict[str, Any]] = [
        {"status": 200, "content_type": "text/html", "body": "<h1>Welcome to the school's network</h1>"},
        {"status": 500, "content_type": "text/plain", "body": ""},
        {"status": 404, "content_type": "text/plain", "body": "no such page"},
        {"status": 201, "content_type": "application/json"},
    ]

    def answer(route: Route) -> None:
        if not foreign:
            route.continue_()
            return
        results = [{"event_id": event["event_id"], "status": "created"} for event in events_of(route.request)]
        of_another_batch = {"body": json.dumps({"batch_id": str(uuid4()), "results": results})}
        route.fulfill(headers=crossing(arena), **(of_another_batch | foreign.pop(0)))

    page.route(BATCH, answer)
    session = arena.begin(page, student)
    page.evaluate("say(4)")
    eventually(lambda: page.evaluate("client.flush()"), 0)
    assert foreign == []
    assert numbers(arena, session) == [0, 1, 2, 3]


def test_a_browser_that_refuses_to_store_still_sends_and_says_so(
    arena: Arena, context: BrowserContext, student: UUID
) -> None:
    context.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined });")
    page = arena.open(context)
    warnings: list[str] = []
    page.on("console", lambda said: warnings.append(said.text) if said.type == "warning" else None)
    session = arena.begin(page, student)
    page.evaluate("say(3)")
    page.evaluate("session.event('choice_made', {phone: 'one'})")
    page.evaluate("session.close()")
    assert page.evaluate("client.durable") is False
    assert [("refuses to store" in said) for said in warnings] == [True], "said once"
    assert page.evaluate("client.flush()") == 0
    assert numbers(arena, session) == [0, 1, 2]
    assert arena.is_closed(session)
    assert [one["code"] for one in page.evaluate("client.rejected()")] == ["personal_data"]

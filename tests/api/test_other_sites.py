"""A game in a browser sends from the origins that a school names, and from no other; nothing else is shared."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest

from builders import Town, bearer, wire_batch, wire_event
from sightline.api.edge import SECURITY_HEADERS
from sightline.api.entrance import FOR_GAMES
from sightline.api.front import application
from sightline.settings import Settings
from sightline.store.database import Store

GAME, ELSEWHERE = "https://games.example.org", "https://elsewhere.example.org"
BATCH = "/api/v1/telemetry/batch"
SENT = "authorization,content-type,content-encoding,idempotency-key,x-request-id,traceparent"


@pytest.fixture
async def open_to_game(store: Store, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    named = replace(settings, cors_origins=(GAME, "http://127.0.0.1:8080"))
    app = application(store, named)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sightline.test") as made:
        yield made


async def preflight(
    client: httpx.AsyncClient, path: str = BATCH, *, origin: str = GAME, method: str = "POST", sent: str = SENT
) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": sent}
    return await client.options(path, headers=asked)


def shared(answer: httpx.Response) -> list[str]:
    return sorted(name for name in answer.headers if name.startswith("access-control-"))


async def test_a_named_origin_may_send_and_read_the_limits(open_to_game: httpx.AsyncClient, town: Town) -> None:
    for path in (BATCH, "/api/v1/telemetry", "/logger", "/logger/any"):
        asked = await preflight(open_to_game, path)
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, GAME)
        assert asked.headers["access-control-allow-methods"] == "GET, POST"
        assert "access-control-allow-credentials" not in asked.headers
        assert {name: asked.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    batch = wire_batch([wire_event(town.here.students[0], uuid4())])
    answer = await open_to_game.post(BATCH, json=batch, headers=bearer(town.here.key) | {"Origin": GAME})
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == GAME
    assert "Origin" in answer.headers["vary"]
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed == {"RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"}
    assert "access-control-allow-credentials" not in answer.headers


async def test_problems_can_be_read_by_the_game_that_caused_them(open_to_game: httpx.AsyncClient) -> None:
    answer = await open_to_game.post(BATCH, json={}, headers={"Origin": GAME})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, GAME)


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": ELSEWHERE},
        {"origin": "null"},
        {"origin": GAME + ".evil.example"},
        {"origin": GAME.upper()},
        {"origin": "http://games.example.org"},
        {"method": "DELETE"},
        {"method": "PUT"},
        {"sent": "cookie"},
        {"sent": "authorization,x-other"},
    ],
)
async def test_what_is_not_named_is_refused_by_a_problem(
    open_to_game: httpx.AsyncClient, changes: dict[str, str]
) -> None:
    answer = await preflight(open_to_game, **changes)
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert answer.headers["content-type"] == "application/problem+json"
    if "origin" in changes:
        assert "access-control-allow-origin" not in answer.headers
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


async def test_an_answer_to_another_origin_is_shared_with_nobody(
    open_to_game: httpx.AsyncClient, town: Town
) -> None:
    batch = wire_batch([wire_event(town.here.students[0], uuid4())])
    answer = await open_to_game.post(BATCH, json=batch, headers=bearer(town.here.key) | {"Origin": ELSEWHERE})
    assert "access-control-allow-origin" not in answer.headers


async def test_records_and_launches_are_shared_with_no_other_site(
    open_to_game: httpx.AsyncClient, town: Town
) -> None:
    for path in ("/api/v1/students", "/api/v1/launches", "/api/v1/auth/me", "/livez", "/api/v1/telemetryx", "/"):
        assert not path.startswith(tuple(place + "/" for place in FOR_GAMES))
        asked = await preflight(open_to_game, path)
        assert asked.status_code in {404, 405}
        answer = await open_to_game.get(path, headers=bearer(town.here.teacher_tokens[0]) | {"Origin": GAME})
        assert shared(asked) + shared(answer) == []


async def test_without_named_origins_nothing_is_shared(client: httpx.AsyncClient, town: Town) -> None:
    batch = wire_batch([wire_event(town.here.students[0], uuid4())])
    answer = await client.post(BATCH, json=batch, headers=bearer(town.here.key) | {"Origin": GAME})
    asked = await preflight(client)
    assert (answer.status_code, asked.status_code) == (201, 405)
    assert shared(answer) + shared(asked) == []

"""F21 and F24: a school behind one address shared ten batches a minute, and tests had replaced the limiter.

Here thirty students send over the real routes with the limits that a school gets, and nothing is replaced.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from builders import Town, bearer, send, wire_batch, wire_event
from sightline.api.callers import Doors
from sightline.cli import serving
from sightline.pipeline.limiting import Limiter
from sightline.security.identity import CredentialKind, token_of
from sightline.settings import DEFAULT_LIMITS, LimitKind, Settings
from sightline.store import people
from sightline.store.database import Store
from sightline.store.people import Student

ORIGIN = "http://127.0.0.1:8460"
BATCHES = DEFAULT_LIMITS[LimitKind.LAUNCH_BATCHES]
SIGN_INS = DEFAULT_LIMITS[LimitKind.SIGN_IN]
TESTS = Path(__file__).parents[1]


@pytest.fixture
async def school(store: Store, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Everybody of a school, who have one address, before all that `sightline serve` serves."""
    transport = httpx.ASGITransport(serving.compose(store, settings), client=("192.0.2.7", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as made:
        yield made


async def a_class(store: Store, town: Town, size: int) -> list[UUID]:
    roll = [Student(uuid4(), f"Pupil {n}") for n in range(size)]
    async with store.work() as work:
        await people.add_students(work, town.here.school_id, town.here.classes[0], roll)
    return [student.student_id for student in roll]


async def launched(school: httpx.AsyncClient, town: Town, student: UUID) -> str:
    wish = {"student_id": str(student), "game": "JUSThink"}
    answer = await school.post("/api/v1/launches", json=wish, headers=bearer(town.here.key))
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["launch_token"]
    return token


async def plays(school: httpx.AsyncClient, student: UUID, token: str) -> httpx.Response:
    """One batch of a student's game."""
    return await send(school, token, wire_batch([wire_event(student, uuid4())]))


async def test_f21_a_class_behind_one_address_at_full_pace_is_not_limited_and_one_who_is_faster_is(
    school: httpx.AsyncClient, store: Store, town: Town
) -> None:
    students = await a_class(store, town, 30)
    tokens = [await launched(school, town, student) for student in students]
    playing = list(zip(students, tokens, strict=True))
    for n in range(1, BATCHES + 1):
        answers = await asyncio.gather(
            *(plays(school, *one) for one in playing if n < BATCHES or one != playing[1])
        )
        assert {answer.status_code for answer in answers} == {201}
        stands = re.compile(rf'"default";r={BATCHES - n};t=\d+')
        assert all(stands.fullmatch(answer.headers["RateLimit"]) for answer in answers)
    refused = await plays(school, *playing[0])
    assert refused.status_code == 429
    assert refused.json()["code"] == "too_many_requests"
    assert refused.headers["RateLimit-Policy"] == f'"default";q={BATCHES};w=60'
    assert refused.headers["RateLimit"].startswith('"default";r=0;t=')
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert (await plays(school, *playing[1])).status_code == 201, "another student has one of ten left"


async def test_f21_signing_in_is_limited(school: httpx.AsyncClient) -> None:
    async def guess(number: int) -> int:
        token = token_of(CredentialKind.SIGN_IN_LINK, number.to_bytes(32, "big"))
        return (await school.post("/signin", data={"token": token})).status_code

    assert [await guess(n) for n in range(SIGN_INS + 1)] == [403] * SIGN_INS + [429]


async def test_f24_the_app_of_the_tests_has_its_limits_on(client: httpx.AsyncClient, town: Town) -> None:
    student = town.here.students[2]
    token = await launched(client, town, student)
    statuses = [(await plays(client, student, token)).status_code for _ in range(BATCHES + 1)]
    assert statuses == [201] * BATCHES + [429]


def doors_of(app: Any) -> Doors:
    found: Doors = app.state.doors
    return found


def test_f24_the_app_of_the_tests_is_the_one_that_is_served(
    client: httpx.AsyncClient, store: Store, settings: Settings
) -> None:
    tested: Any = getattr(client._transport, "app")  # noqa: B009, SLF001 - what it wraps is the question
    served: Any = serving.compose(store, settings)
    for app in (tested, served):
        assert type(doors_of(app).limiter) is Limiter
        assert doors_of(app).settings.limits == DEFAULT_LIMITS
    paths = [[route.path for route in app.routes] for app in (tested, served)]
    assert paths[1] == [*paths[0], ""], "with the pages behind, which tests mount for themselves"
    assert [m.cls for m in tested.user_middleware] == [m.cls for m in served.user_middleware]


def test_f24_no_test_puts_anything_in_the_place_of_a_limiter() -> None:
    replaced = re.compile(
        r"\.limiter\s*=[^=]|dependency_overrides|unittest.mock|MagicMock|mocker"
        r"|(patch|setattr)\([^)]*[lL]imit|class \w*Limiter\w*|def admit\b"
    )
    others = [path for path in sorted(TESTS.rglob("*.py")) if path != Path(__file__)]
    assert len(others) > 20
    found = [
        f"{path.name}: {line}"
        for path in others
        for line in path.read_text().splitlines()
        if replaced.search(line)
    ]
    assert found == []

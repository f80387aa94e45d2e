"""Limits are each one's own, exact, and told; Redis may go and come back without a request that fails."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from builders import Town, bearer
from redis_running import RunningRedis, own_redis, shared_redis
from sightline.api.front import application
from sightline.errors import TooMany
from sightline.pipeline.limiting import PATIENCE, PAUSE, Limiter, MemoryCounts, headers, kind_for, sign_in_key
from sightline.pipeline.senders import Sender
from sightline.settings import DEFAULT_LIMITS, LimitKind, Settings
from sightline.store.database import Store

__all__ = ["own_redis", "shared_redis"]  # fixtures that are defined beside this file

EVENTS, BATCHES = LimitKind.LAUNCH_EVENTS, LimitKind.LAUNCH_BATCHES
SOON = 0.05
"""Seconds: much less than waiting for Redis would take."""


class Clock:
    """Seconds that only a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Counting:
    """Makes limiters that count in one way, and closes them."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.made: list[Limiter] = []

    def __call__(self, *, window: int = 60, clock: Clock | None = None, **limits: int) -> Limiter:
        stated = {LimitKind[name.upper()]: number for name, number in limits.items()}
        made = Limiter({**DEFAULT_LIMITS, **stated}, self.url, window=window, clock=clock or time.monotonic)
        self.made.append(made)
        return made

    async def close(self) -> None:
        for limiter in self.made:
            await limiter.close()


@pytest.fixture(params=["memory", "redis"])
async def counting(request: pytest.FixtureRequest) -> AsyncIterator[Counting]:
    url = None if request.param == "memory" else request.getfixturevalue("shared_redis").url
    made = Counting(url)
    yield made
    await made.close()


@pytest.fixture
async def with_redis(own_redis: RunningRedis) -> AsyncIterator[Counting]:
    made = Counting(own_redis.url)
    yield made
    await made.close()


def a_launch() -> Sender:
    return Sender(uuid4(), uuid4(), student_id=uuid4(), launch_id=uuid4(), game="JUSThink")


async def test_a_key_gets_its_number_and_then_is_told_when_to_come_again(counting: Counting) -> None:
    limiter, key = counting(launch_events=3), str(uuid4())
    standings = [await limiter.hit(EVENTS, key) for _ in range(4)]
    assert [(s.allowed, s.remaining) for s in standings] == [(True, 2), (True, 1), (True, 0), (False, 0)]
    assert all(59 < s.reset_seconds <= 60 for s in standings)
    assert headers(standings[0]) == {"RateLimit-Policy": '"default";q=3;w=60', "RateLimit": '"default";r=2;t=60'}
    assert headers(standings[3]) == {
        "RateLimit-Policy": '"default";q=3;w=60',
        "RateLimit": '"default";r=0;t=60',
        "Retry-After": "60",
    }
    with pytest.raises(TooMany) as refused:
        await limiter.admit(EVENTS, key)
    assert refused.value.headers["Retry-After"] == "60"


async def test_kinds_and_keys_are_counted_apart(counting: Counting) -> None:
    limiter, key = counting(launch_events=1, launch_batches=1), str(uuid4())
    assert (await limiter.hit(EVENTS, key)).allowed
    assert not (await limiter.hit(EVENTS, key)).allowed
    assert (await limiter.hit(BATCHES, key)).allowed
    assert (await limiter.hit(EVENTS, str(uuid4()))).allowed


async def test_a_class_of_thirty_at_full_pace_limits_nobody_and_one_who_is_faster_only_that_one(
    counting: Counting,
) -> None:
    limiter, students = counting(), [a_launch() for _ in range(30)]

    async def batch(student: Sender) -> bool:
        return (await limiter.hit(kind_for(student, batch=True), student.limit_key)).allowed

    for _ in range(9):
        assert all(await asyncio.gather(*map(batch, students)))
    fast, *others = students
    assert await batch(fast)
    assert not await batch(fast)
    assert all(await asyncio.gather(*map(batch, others)))
    for student in students:
        events = [await limiter.hit(kind_for(student, batch=False), student.limit_key) for _ in range(10)]
        assert all(e.allowed for e in events)


async def test_requests_at_the_same_time_share_the_number_exactly(counting: Counting) -> None:
    limiter, key = counting(launch_events=10), str(uuid4())
    standings = await asyncio.gather(*(limiter.hit(EVENTS, key) for _ in range(50)))
    assert sum(s.allowed for s in standings) == 10


async def test_after_the_time_that_was_told_the_next_request_is_taken(counting: Counting) -> None:
    limiter, key = counting(window=1, launch_events=2), str(uuid4())
    first = [await limiter.hit(EVENTS, key) for _ in range(2)]
    refused = await limiter.hit(EVENTS, key)
    assert [*(s.allowed for s in first), refused.allowed] == [True, True, False]
    await asyncio.sleep(refused.reset_seconds + 0.05)
    assert (await limiter.hit(EVENTS, key)).allowed


@given(
    limit=st.integers(min_value=1, max_value=6),
    pauses=st.lists(st.integers(min_value=0, max_value=40), max_size=60),
)
def test_in_any_window_a_key_gets_exactly_its_number(limit: int, pauses: list[int]) -> None:
    clock = Clock()
    counts = MemoryCounts(60, clock)
    taken: list[float] = []
    for pause in pauses:
        clock.at += pause
        standing = counts.hit("one", limit)
        counts.hit(f"other {pause}", 1)  # others come and go without being felt
        within = [at for at in taken if at > clock.at - 60]
        assert standing.allowed == (len(within) < limit)
        if standing.allowed:
            taken.append(clock.at)
            within.append(clock.at)
        assert standing.remaining == limit - len(within)
        assert standing.reset_seconds == within[0] + 60 - clock.at


async def test_counting_in_memory_costs_little_and_forgets_who_is_gone() -> None:
    clock = Clock()
    limiter = Limiter(DEFAULT_LIMITS, clock=clock)
    for key in range(10_000):
        await limiter.hit(EVENTS, str(key))
    began = time.perf_counter()
    for key in range(10_000):
        await limiter.hit(EVENTS, str(key))
    assert (time.perf_counter() - began) / 10_000 < 50e-6
    clock.at += 61
    for _ in range(10_001):
        await limiter.hit(LimitKind.SERVER_EVENTS, "one")
    assert len(limiter._memory._taken) == 1  # noqa: SLF001 - that memory ends is the promise


async def test_processes_share_what_redis_counts_and_nothing_stays_there(
    with_redis: Counting, own_redis: RunningRedis
) -> None:
    one, other, key = with_redis(server_events=4), with_redis(server_events=4), str(uuid4())
    allowed = [(await limiter.hit(LimitKind.SERVER_EVENTS, key)).allowed for limiter in (one, other) * 3]
    assert allowed == [True, True, True, True, False, False]
    async with Redis.from_url(own_redis.url) as redis:
        kept = [await redis.ttl(name) for name in await redis.keys("*")]
    assert len(kept) == 1
    assert 0 < kept[0] <= 60


async def test_redis_may_die_and_come_back_and_no_request_fails_or_waits(
    with_redis: Counting, own_redis: RunningRedis, caplog: pytest.LogCaptureFixture
) -> None:
    clock, key = Clock(), str(uuid4())
    limiter, witness = with_redis(clock=clock, server_events=100), with_redis(server_events=100)
    assert (await limiter.hit(LimitKind.SERVER_EVENTS, key)).remaining == 99
    own_redis.kill()
    with caplog.at_level(logging.WARNING):
        for n in range(20):
            began = time.perf_counter()
            assert (await limiter.hit(LimitKind.SERVER_EVENTS, key)).remaining == 99 - n
            assert time.perf_counter() - began < (PATIENCE + SOON if n == 0 else SOON)
        clock.at += PAUSE
        assert (await limiter.hit(LimitKind.SERVER_EVENTS, key)).allowed  # asked, and still away
        own_redis.start()
        assert (await limiter.hit(LimitKind.SERVER_EVENTS, key)).remaining == 78  # not asked again so soon
        clock.at += PAUSE
        assert (await limiter.hit(LimitKind.SERVER_EVENTS, key)).remaining == 99
    assert (await witness.hit(LimitKind.SERVER_EVENTS, key)).remaining == 98
    assert len(caplog.messages) == 2
    assert "memory" in caplog.messages[0]
    assert own_redis.password not in caplog.text


async def test_a_redis_that_hangs_is_waited_for_once_and_answers_nobody_elses_question_after(
    with_redis: Counting, own_redis: RunningRedis
) -> None:
    clock, key = Clock(), str(uuid4())
    limiter = with_redis(clock=clock, server_events=100)
    await limiter.hit(LimitKind.SERVER_EVENTS, key)
    own_redis.signal(signal.SIGSTOP)
    began = time.perf_counter()
    standings = await asyncio.gather(*(limiter.hit(LimitKind.SERVER_EVENTS, key) for _ in range(20)))
    assert all(s.allowed for s in standings)
    assert time.perf_counter() - began < 2 * PATIENCE
    began = time.perf_counter()
    for _ in range(20):
        assert (await limiter.hit(LimitKind.SERVER_EVENTS, key)).allowed
    assert time.perf_counter() - began < SOON
    own_redis.signal(signal.SIGCONT)
    clock.at += PAUSE
    others = [str(uuid4()) for _ in range(10)]
    fresh = await asyncio.gather(*(limiter.hit(LimitKind.SERVER_EVENTS, other) for other in others))
    assert {s.remaining for s in fresh} == {99}
    assert {(await limiter.hit(LimitKind.SERVER_EVENTS, other)).limit for other in others} == {100}


async def test_a_redis_that_does_not_know_us_stops_nothing(shared_redis: RunningRedis) -> None:
    limiter = Limiter(DEFAULT_LIMITS, shared_redis.url.replace(shared_redis.password, "not-the-password"))
    assert (await limiter.hit(EVENTS, "a")).remaining == 99
    assert (await limiter.hit(EVENTS, "a")).remaining == 98
    await limiter.close()


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "a@192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "a@2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "a@2001:db8:1:2::/64"),
        ("", "a@"),
        ("testclient", "a@testclient"),
    ],
)
def test_sign_ins_are_counted_by_account_and_network(address: str, key: str) -> None:
    assert sign_in_key("a", address) == key


async def test_over_its_limit_a_server_key_is_answered_429_and_another_school_goes_on(
    store: Store, settings: Settings, town: Town
) -> None:
    few = replace(settings, limits={**DEFAULT_LIMITS, LimitKind.SERVER_EVENTS: 2})
    transport = httpx.ASGITransport(application(store, few))
    async with httpx.AsyncClient(transport=transport, base_url="http://sightline.test") as client:

        async def launch(place_key: str, student: object) -> httpx.Response:
            wish = {"student_id": str(student), "game": "JUSThink"}
            return await client.post("/api/v1/launches", json=wish, headers=bearer(place_key))

        answers = [await launch(town.here.key, town.here.students[0]) for _ in range(3)]
        other = await launch(town.there.key, town.there.students[0])
    assert [a.status_code for a in (*answers, other)] == [201, 201, 429, 201]
    assert [a.headers["RateLimit"] for a in answers] == [f'"default";r={r};t=60' for r in (1, 0, 0)]
    assert answers[2].json()["code"] == "too_many_requests"
    assert answers[2].headers["content-type"] == "application/problem+json"
    assert answers[2].headers["Retry-After"] == "60"
    assert {a.headers["RateLimit-Policy"] for a in answers} == {'"default";q=2;w=60'}

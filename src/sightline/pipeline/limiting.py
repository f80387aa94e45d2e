"""Limits of requests in time: for each launch, each server key, each who signs in; never for an address alone.

Of the ways to count, this is the moving window: in any 60 seconds a key gets its number of requests, exactly. A
counter of two fixed windows needs less memory and guesses: a game that sends ten times a minute, as it may, is
refused by it now and then, because the guess comes out at its limit; and it cannot say when the next request will
be taken. The price is one number for each request of the last minute: 32 bytes, so 200 KB for a server key at its
limit, and 3 KB for a launch.

In Redis, the window is that of the `limits` library. In memory it is ours: the library's own tidies all keys up
behind every request, through a thread for each, which costs milliseconds with a school's worth of keys.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from sightline.errors import TooMany
from sightline.pipeline.senders import Sender
from sightline.settings import LimitKind, Settings

logger = logging.getLogger("sightline.limits")

WINDOW = 60
"""Seconds: the limits are said a minute."""

PATIENCE = 0.2
"""Seconds in which Redis must have counted; a request waits no longer for its permission."""

AT_ONCE = 8
"""Questions to Redis from each process: to open a connection takes longer than to wait for one."""

PAUSE = 5.0
"""Seconds without Redis after it did not answer; then one request asks again, and the others wait for nothing."""

MOST_KEYS = 100_000
"""Keys counted at once in memory; of more, those forget that were quiet for longest."""

IPV6_NETWORK = 64
"""Bits that one customer's addresses have in common (RFC 6177): one address of them is no one by itself."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key stands after a request.

    limit: requests a window; remaining: how many more now; reset_seconds: until the oldest counted request leaves
    the window and one more is taken; window: seconds.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: float
    window: int = WINDOW


def headers(standing: Standing) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers-10 writes it; with Retry-After (RFC 9110) when refused."""
    reset = max(ceil(standing.reset_seconds), 0)
    said = {
        "RateLimit-Policy": f'"default";q={standing.limit};w={standing.window}',
        "RateLimit": f'"default";r={standing.remaining};t={reset}',
    }
    return said if standing.allowed else said | {"Retry-After": str(max(reset, 1))}


def kind_for(sender: Sender, *, batch: bool) -> LimitKind:
    """Which limit a request of this sender counts against."""
    if sender.launch_id is not None:
        return LimitKind.LAUNCH_BATCHES if batch else LimitKind.LAUNCH_EVENTS
    return LimitKind.SERVER_BATCHES if batch else LimitKind.SERVER_EVENTS


def sign_in_key(account: str, address: str) -> str:
    """What sign-ins are counted by: account and address together.

    By the account alone, anybody could lock its owner out; by the address alone, one pupil the whole school, which
    has one address. Of IPv6 the network counts.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return f"{account}@{address}"
    if ip.version == 4:  # noqa: PLR2004 - the number is its name
        return f"{account}@{ip}"
    return f"{account}@{ipaddress.ip_network((ip, IPV6_NETWORK), strict=False)}"


class MemoryCounts:
    """Moving windows in the memory of this process. `clock` gives seconds that only grow."""

    def __init__(self, window: int = WINDOW, clock: Callable[[], float] = time.monotonic) -> None:
        self._window, self._clock = window, clock
        self._taken: OrderedDict[str, deque[float]] = OrderedDict()  # in the order of their last request

    def hit(self, key: str, limit: int) -> Standing:
        """Count a request if it is within the limit; one that is refused is not counted."""
        now = self._clock()
        gone = now - self._window
        taken = self._taken.pop(key, None) or deque[float]()
        while taken and taken[0] <= gone:
            taken.popleft()
        allowed = len(taken) < limit
        if allowed:
            taken.append(now)
        self._tidy(gone)
        self._taken[key] = taken
        return Standing(allowed, limit, limit - len(taken), taken[0] - gone, self._window)

    def _tidy(self, gone: float) -> None:
        """Drop two quiet keys at most: each request adds one, so that they end, at a cost that stays the same."""
        for _ in range(2):
            quietest = next(iter(self._taken), None)
            if quietest is None or (self._taken[quietest][-1] > gone and len(self._taken) < MOST_KEYS):
                return
            del self._taken[quietest]


class RedisCounts:
    """Moving windows in a Redis that several processes share; times are those of the processes."""

    def __init__(self, url: str, window: int = WINDOW) -> None:
        self._window = window
        self._client = Redis.from_url(
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 1),  # once more at once: a restarted Redis has closed its connections
        )
        pool: Any = self._client.connection_pool  # the library takes it and does not say so in its types
        storage = RedisStorage(
            f"async+{url}", implementation="redispy", key_prefix="sightline", connection_pool=pool
        )
        self._windows = MovingWindowRateLimiter(storage)

    async def hit(self, key: str, limit: int) -> Standing:
        """Count a request if it is within the limit. Raises what redis-py and sockets raise."""
        item = RateLimitItemPerSecond(limit, self._window, namespace="limit")
        allowed = await self._windows.hit(item, key)
        stats = await self._windows.get_window_stats(item, key)
        return Standing(allowed, limit, stats.remaining, stats.reset_time - time.time(), self._window)

    async def close(self) -> None:
        await self._client.aclose()


class Limiter:
    """Counts requests: in Redis when there is one, and in memory while it does not answer.

    While Redis is away each process counts for itself, from nothing: limits are then looser, and nobody is refused
    who would not have been.
    """

    def __init__(
        self,
        limits: Mapping[LimitKind, int],
        redis_url: str | None = None,
        *,
        window: int = WINDOW,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits, self._clock = limits, clock
        self._memory = MemoryCounts(window, clock)
        self._redis = None if redis_url is None else RedisCounts(redis_url, window)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._ask_again: float | None = None

    async def hit(self, kind: LimitKind, key: str) -> Standing:
        """Count a request of this kind by this key, if it is within the limit."""
        name, limit = f"{kind.value}/{key}", self._limits[kind]
        standing = None if self._redis is None else await self._asked(self._redis, name, limit)
        return self._memory.hit(name, limit) if standing is None else standing

    async def admit(self, kind: LimitKind, key: str) -> Standing:
        """Count a request. Raises TooMany, with the headers to answer, over the limit."""
        standing = await self.hit(kind, key)
        if not standing.allowed:
            raise TooMany(
                f"more than {standing.limit} requests in {standing.window} seconds; "
                f"try again in {max(ceil(standing.reset_seconds), 1)} seconds",
                headers(standing),
            )
        return standing

    async def close(self) -> None:
        """Let the connections to Redis go."""
        if self._redis is not None:
            await self._redis.close()

    async def _asked(self, redis: RedisCounts, name: str, limit: int) -> Standing | None:
        """What Redis says, or None while it is away: who waits for a turn then goes on at once."""
        if self._paused():
            return None
        async with self._turns:
            if self._paused():
                return None
            again = self._ask_again is not None
            if again:
                self._ask_again = self._clock() + PAUSE  # the others go on in memory meanwhile
            try:
                async with asyncio.timeout(PATIENCE):
                    standing = await redis.hit(name, limit)
            except (RedisError, OSError) as problem:
                if self._ask_again is None:
                    # the kind of error only: its text may hold the address
                    logger.warning(
                        "Redis does not answer (%s): limits are counted in memory", type(problem).__name__
                    )
                self._ask_again = self._clock() + PAUSE
                return None
            if again:
                self._ask_again = None
                logger.warning("Redis answers again: limits are counted there")
            return standing

    def _paused(self) -> bool:
        return self._ask_again is not None and self._clock() < self._ask_again


def limiter_of(settings: Settings) -> Limiter:
    return Limiter(settings.limits, settings.redis_url)

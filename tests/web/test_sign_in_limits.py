"""Signing in is limited for each account at each address, so that nobody can lock anybody else out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest

from builders import SECRET, Place, Town
from sightline.pipeline.signing_in import issue_for_staff
from sightline.security.identity import CredentialKind, token_of
from sightline.settings import DEFAULT_LIMITS, LimitKind, Settings
from sightline.store.database import Store
from sightline.web.app import app

ORIGIN = "http://127.0.0.1:8460"
MOST = DEFAULT_LIMITS[LimitKind.SIGN_IN]


@pytest.fixture
async def visitor(store: Store, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app(store, settings, {"paths": {}}))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as made:
        yield made


async def sign_in(visitor: httpx.AsyncClient, token: str) -> int:
    answer = await visitor.post("/signin", data={"token": token})
    visitor.cookies.clear()
    return answer.status_code


async def link(store: Store, place: Place, staff: UUID) -> str:
    async with store.work() as work:
        return await issue_for_staff(
            work,
            place.school_id,
            staff,
            CredentialKind.SIGN_IN_LINK,
            secret_key=SECRET,
            now=datetime.now(UTC),
        )


def made_up(number: int) -> str:
    return token_of(CredentialKind.SIGN_IN_LINK, number.to_bytes(32, "big"))


async def test_one_account_signs_in_ten_times_a_minute_and_its_colleague_is_not_held_up(
    visitor: httpx.AsyncClient, store: Store, town: Town
) -> None:
    one, other = town.here.teachers
    statuses = [await sign_in(visitor, await link(store, town.here, one)) for _ in range(MOST)]
    assert statuses == [303] * MOST
    last = await link(store, town.here, one)
    refused = await visitor.post("/signin", data={"token": last})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert "Wait" in refused.text
    assert await sign_in(visitor, await link(store, town.here, other)) == 303
    looked = await visitor.get("/signin", params={"token": last})
    assert looked.status_code == 200  # the link was not used up by the refusal


async def test_who_guesses_is_stopped_and_who_has_a_link_gets_in_from_the_same_address(
    visitor: httpx.AsyncClient, store: Store, town: Town
) -> None:
    guesses = [await sign_in(visitor, made_up(n)) for n in range(MOST - 1)]
    guesses.append((await visitor.get("/signin", params={"token": made_up(99)})).status_code)
    assert guesses == [403] * MOST
    assert await sign_in(visitor, made_up(100)) == 429
    assert (await visitor.get("/signin", params={"token": made_up(101)})).status_code == 429
    assert await sign_in(visitor, await link(store, town.here, town.here.teachers[0])) == 303

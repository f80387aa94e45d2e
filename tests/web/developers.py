"""Developers in a browser: who visits, how they sign in with a server key, and what they then see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import httpx

from builders import SECRET, Place
from sightline.api.front import application
from sightline.pipeline.signing_in import issue_for_staff, use_link
from sightline.security.identity import CredentialKind
from sightline.settings import Settings
from sightline.store.database import Store
from sightline.web.app import app as pages

ORIGIN = "http://127.0.0.1:8460"


@asynccontextmanager
async def a_visitor(store: Store, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A browser before the whole application, as it listens, with limits that nobody has used yet."""
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


async def session_of(store: Store, staff: UUID, place: Place) -> str:
    now = datetime.now(UTC)
    async with store.work() as work:
        link = await issue_for_staff(
            work, place.school_id, staff, CredentialKind.SIGN_IN_LINK, secret_key=SECRET, now=now
        )
        return await use_link(work, link, secret_key=SECRET, now=now)

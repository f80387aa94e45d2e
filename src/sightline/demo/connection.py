"""Which system the sandbox commands work on, and what they do there besides sending: people and credentials."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sightline.pipeline.signing_in import NewCredential, issue, issue_for_staff
from sightline.security.identity import CredentialKind
from sightline.store.database import Store
from sightline.store.jobs import waiting_jobs

SCORED_PATIENCE = 120.0
"""Seconds to wait for the worker."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A running system: its address for HTTP, its database and its secret for people and credentials."""

    url: str
    database_url: str
    secret_key: str

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        store = Store(self.database_url)
        try:
            yield store
        finally:
            await store.close()


def now() -> datetime:
    return datetime.now(UTC)


async def server_key(store: Store, connection: Connection, school_id: UUID, label: str) -> str:
    """A fresh server key for one import."""
    wanted = NewCredential(kind=CredentialKind.SERVER_KEY, school_id=school_id, staff_id=None, label=label)
    async with store.work() as work:
        return await issue(work, wanted, secret_key=connection.secret_key, now=now())


async def staff_token(
    store: Store, connection: Connection, school_id: UUID, staff_id: UUID, kind: CredentialKind
) -> str:
    async with store.work() as work:
        return await issue_for_staff(work, school_id, staff_id, kind, secret_key=connection.secret_key, now=now())


async def sign_in_link(store: Store, connection: Connection, school_id: UUID, staff_id: UUID) -> str:
    """An address that signs one member of staff in, once, within 15 minutes."""
    token = await staff_token(store, connection, school_id, staff_id, CredentialKind.SIGN_IN_LINK)
    return f"{connection.url}/signin?token={token}"


async def wait_until_scored(store: Store) -> bool:
    """Wait until the worker has nothing left to do; False when it takes too long.

    Asking for the work is part of the transactions that were answered, so nothing can be missed.
    """
    deadline = asyncio.get_running_loop().time() + SCORED_PATIENCE
    while asyncio.get_running_loop().time() < deadline:
        async with store.work() as work:
            if await waiting_jobs(work) == 0:
                return True
        await asyncio.sleep(0.2)
    return False

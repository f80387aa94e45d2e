"""The schools of a campaign, made the way an administrator makes them, under ids that every run shares."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from campaigns.plays import (
    CLIENTS,
    class_id,
    school_id,
    school_of_client,
    schools,
    students_of_school,
    teacher_id,
)
from sightline.pipeline.signing_in import NewCredential, issue, issue_for_staff
from sightline.security.access import Role
from sightline.security.identity import CredentialKind
from sightline.store import people
from sightline.store.database import Store, Work, migrate
from sightline.store.people import School, Student

T = TypeVar("T")

LONGEST_CAMPAIGN = timedelta(hours=2)


def made(url: str, secret: str, seed: int) -> list[str]:
    """Migrate the database and make the schools; the server key of each client."""
    migrate(url)

    async def making(work: Work) -> list[str]:
        for school in schools():
            await _school(work, seed, school)
        now = datetime.now(UTC)
        keys = []
        for client in range(CLIENTS):
            wanted = NewCredential(
                kind=CredentialKind.SERVER_KEY,
                school_id=school_id(seed, school_of_client(client)),
                staff_id=None,
                label=f"client {client}",
            )
            keys.append(await issue(work, wanted, secret_key=secret, now=now))
        return keys

    return _in_one_transaction(url, making)


def teacher_tokens(url: str, secret: str, seed: int) -> list[str]:
    """An access token of the teacher of each client's school.

    Such a token lasts a quarter of an hour; these are made `LONGEST_CAMPAIGN` ahead, so that they last for all of it.
    """

    async def making(work: Work) -> list[str]:
        return [
            await issue_for_staff(
                work,
                school_id(seed, school_of_client(client)),
                teacher_id(seed, school_of_client(client)),
                CredentialKind.ACCESS_TOKEN,
                secret_key=secret,
                now=datetime.now(UTC) + LONGEST_CAMPAIGN,
            )
            for client in range(CLIENTS)
        ]

    return _in_one_transaction(url, making)


async def _school(work: Work, seed: int, school: int) -> None:
    own, its_class = school_id(seed, school), class_id(seed, school)
    await people.add_school(
        work, School(own, f"Campaign school {school}", simulated=True, created_at=datetime.now(UTC))
    )
    await people.add_class(work, own, its_class, "Class")
    roll = [Student(s, f"Student {i}") for i, s in enumerate(students_of_school(seed, school))]
    await people.add_students(work, own, its_class, roll)
    await people.add_staff(work, own, teacher_id(seed, school), "Teacher", Role.TEACHER, [its_class])


def _in_one_transaction(url: str, making: Callable[[Work], Awaitable[T]]) -> T:
    async def run() -> T:
        store = Store(url)
        try:
            async with store.work() as work:
                return await making(work)
        finally:
            await store.close()

    return asyncio.run(run())

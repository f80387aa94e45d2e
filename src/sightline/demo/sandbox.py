"""`sightline demo`: a school of simulated students, sent through the real HTTP API, and a link to look at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from sightline.demo.connection import (
    Connection,
    server_key,
    sign_in_link,
    staff_token,
    wait_until_scored,
)
from sightline.demo.generator import simulate
from sightline.demo.school import SimulatedSchool
from sightline.demo.sending import Sending, Sent, Sitting
from sightline.errors import BadInput
from sightline.security.access import Role
from sightline.security.identity import CredentialKind
from sightline.store import people
from sightline.store.database import Store
from sightline.store.people import School, Student

NAMESPACE = UUID("5b6a7d1e-2f7b-5a7c-9b1e-6f0c1d2e3f40")
SEED = 7
"""Seed of the simulated school; `--seed` changes it."""

Progress = Callable[[str, int], Callable[[], None]]
"""Told what begins and how many steps it has; returns what to call after each step."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the command prints: whether it was there already, what was sent, how to sign in."""

    made: bool
    sent: Sent | None
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Roster:
    school_id: UUID
    teachers: tuple[UUID, ...]


async def show_demo(connection: Connection, seed: int, progress: Progress) -> Shown:
    """Make the school unless it is there whole, and make fresh sign-in links.

    A run that was broken off is taken up again: the same seed and the school's own time of making give the same
    records, and what was sent already is not stored twice. The administrator comes last: the mark of the whole.
    """
    school_id = _school_id(seed)
    async with connection.store() as store:
        async with store.work() as work:
            school = await people.school_of(work, school_id)
            whole = any(role is Role.ADMINISTRATOR for _, _, role in await people.staff_of(work, school_id))
        sent = None
        if not whole:
            began = datetime.now(UTC) if school is None else school.created_at
            sent = await _make(connection, store, simulate(seed, began), seed, began, progress)
        links = []
        async with store.work() as work:
            staff = await people.staff_of(work, school_id)
        for staff_id, name, role in staff:
            link = await sign_in_link(store, connection, school_id, staff_id)
            links.append((f"{name} ({role.value})", link))
    return Shown(not whole, sent, tuple(links))


def _school_id(seed: int) -> UUID:
    return uuid5(NAMESPACE, f"school/{seed}")


async def _make(
    connection: Connection,
    store: Store,
    simulated: SimulatedSchool,
    seed: int,
    began: datetime,
    progress: Progress,
) -> Sent:
    roster = await _people(store, simulated, seed, began)
    key = await server_key(store, connection, roster.school_id, "sandbox game")
    step = progress("game sessions", len(simulated.sessions))
    async with Sending(connection.url, key, step) as sending:
        await sending.sessions(Sitting(s.session_id, s.events) for s in simulated.sessions)
        sending.step = progress("group talks", len(simulated.talks))
        await sending.transcripts(
            {
                "transcript_id": t.transcript_id,
                "format": t.format,
                "content": t.content,
                "recorded_at": t.recorded_at,
                "speakers": dict(t.speakers),
            }
            for t in simulated.talks
        )
        sent = sending.sent
    step = progress("teacher ratings", len(roster.teachers))
    for index, teacher in enumerate(roster.teachers):
        token = await staff_token(store, connection, roster.school_id, teacher, CredentialKind.ACCESS_TOKEN)
        async with Sending(connection.url, token, step) as rating:
            await rating.ratings(
                [
                    {
                        "student_id": r.student_id,
                        "skill": r.skill,
                        "level": "not seen" if r.level is None else r.level,
                        "occasion": r.occasion,
                        "rated_at": r.rated_at,
                    }
                    for r in simulated.ratings
                    if r.rater == index
                ]
            )
            sent.counts += rating.sent.counts
    step = progress("estimates", 1)
    if not await wait_until_scored(store):
        raise BadInput("the worker does not finish; look at sandbox.log in the data folder, then run this again")
    step()
    async with store.work() as work:
        administrator = uuid5(roster.school_id, "administrator")
        await people.add_staff(work, roster.school_id, administrator, "Sandbox administrator", Role.ADMINISTRATOR)
    return sent


async def _people(store: Store, simulated: SimulatedSchool, seed: int, began: datetime) -> _Roster:
    school_id = _school_id(seed)
    classes = [uuid5(school_id, f"class/{i}") for i in range(len(simulated.classes))]
    teachers = tuple(uuid5(school_id, f"teacher/{i}") for i in range(len(simulated.teachers)))
    roster = _Roster(school_id, teachers)
    async with store.work() as work:
        if await people.school_of(work, school_id) is not None:
            return roster
        await people.add_school(work, School(school_id, simulated.name, simulated=True, created_at=began))
        for i, one in enumerate(simulated.classes):
            await people.add_class(work, school_id, classes[i], one.display_name)
            roll = [Student(UUID(s.student_id), s.display_name) for s in simulated.students if s.class_index == i]
            await people.add_students(work, school_id, classes[i], roll)
        for i, teacher in enumerate(simulated.teachers):
            await people.add_staff(
                work,
                school_id,
                teachers[i],
                teacher.display_name,
                Role.TEACHER,
                [classes[teacher.class_index]],
            )
    return roster

"""Builders of records, people and requests for tests."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec

from sightline.domain.records import Conversation, Event, Session, Utterance
from sightline.pipeline.signing_in import NewCredential, issue, issue_for_staff
from sightline.security.access import Role
from sightline.security.identity import CredentialKind
from sightline.store import people
from sightline.store.database import Store
from sightline.store.people import School, Student

SECRET = secrets.token_hex(32)
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """A school of a town: two classes of three students, a teacher each, a counsellor, a key."""

    school_id: UUID
    classes: tuple[UUID, UUID]
    students: tuple[UUID, ...]
    teachers: tuple[UUID, UUID]
    teacher_tokens: tuple[str, str]
    counsellor_token: str
    administrator_token: str
    key: str

    def class_of(self, index: int) -> tuple[UUID, ...]:
        return self.students[3 * index : 3 * index + 3]


@dataclass(frozen=True)
class Town:
    """Two schools that must never see one another."""

    here: Place
    there: Place


async def a_town(store: Store) -> Town:
    return Town(await _a_place(store), await _a_place(store))


async def _a_place(store: Store) -> Place:
    now = datetime.now(UTC)
    school_id, classes, teachers = uuid4(), (uuid4(), uuid4()), (uuid4(), uuid4())
    counsellor, administrator = uuid4(), uuid4()
    students = tuple(uuid4() for _ in range(6))
    async with store.work() as work:
        await people.add_school(work, School(school_id, "Test school", simulated=True, created_at=now))
        for i, class_id in enumerate(classes):
            await people.add_class(work, school_id, class_id, f"Class {i + 1}")
            roll = [Student(s, f"Student {n}") for n, s in enumerate(students[3 * i : 3 * i + 3])]
            await people.add_students(work, school_id, class_id, roll)
            await people.add_staff(work, school_id, teachers[i], f"Teacher {i}", Role.TEACHER, [class_id])
        await people.add_staff(work, school_id, counsellor, "Counsellor", Role.COUNSELLOR)
        await people.add_staff(work, school_id, administrator, "Administrator", Role.ADMINISTRATOR)

        async def token(staff_id: UUID) -> str:
            return await issue_for_staff(
                work, school_id, staff_id, CredentialKind.ACCESS_TOKEN, secret_key=SECRET, now=now
            )

        key = NewCredential(kind=CredentialKind.SERVER_KEY, school_id=school_id, staff_id=None, label="test game")
        return Place(
            school_id=school_id,
            classes=classes,
            students=students,
            teachers=teachers,
            teacher_tokens=(await token(teachers[0]), await token(teachers[1])),
            counsellor_token=await token(counsellor),
            administrator_token=await token(administrator),
            key=await issue(work, key, secret_key=SECRET, now=now),
        )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def wire_event(student: UUID, session: UUID, event_type: str = "choice_made", **changes: Any) -> dict[str, Any]:
    """An event as a game sends it; `changes` replace fields, None removes one."""
    event: dict[str, Any] = {
        "event_id": str(uuid4()),
        "student_id": str(student),
        "session_id": str(session),
        "event_type": event_type,
        "timestamp": START.isoformat(),
        "data": {},
    }
    event |= changes
    return {key: value for key, value in event.items() if value is not None}


def wire_batch(events: Sequence[Any], **changes: Any) -> dict[str, Any]:
    batch = {
        "batch_id": str(uuid4()),
        "client_version": "test-1",
        "sent_at": datetime.now(UTC).isoformat(),
        "events": list(events),
    }
    return batch | changes


async def send(client: httpx.AsyncClient, key: str, batch: dict[str, Any] | bytes) -> httpx.Response:
    content = batch if isinstance(batch, bytes) else msgspec.json.encode(batch)
    return await client.post("/api/v1/telemetry/batch", content=content, headers=bearer(key))


def a_session(*steps: tuple[str, dict[str, Any]], seconds: float = 10.0) -> Session:
    """A session of (event type, data) steps, `seconds` apart."""
    student, session = uuid4(), uuid4()
    return Session(
        session_id=session,
        student_id=student,
        events=tuple(
            Event(
                event_id=uuid4(),
                student_id=student,
                session_id=session,
                event_type=event_type,
                stated_at=START + timedelta(seconds=i * seconds),
                occurred_at=START + timedelta(seconds=i * seconds),
                data=data,
                sequence=i,
            )
            for i, (event_type, data) in enumerate(steps)
        ),
    )


def a_conversation(*turns: tuple[str, str]) -> tuple[Conversation, dict[str, UUID]]:
    """A conversation of (speaker, text) turns; speakers in capitals are students."""
    students = {speaker: uuid4() for speaker, _ in turns if speaker.isupper()}
    talk = Conversation(
        transcript_id=uuid4(),
        utterances=tuple(
            Utterance(
                utterance_id=uuid4(),
                position=i,
                speaker=speaker,
                student_id=students.get(speaker),
                starts_at=START + timedelta(seconds=3 * i),
                ends_at=START + timedelta(seconds=3 * i + 2),
                text=text,
            )
            for i, (speaker, text) in enumerate(turns)
        ),
    )
    return talk, students

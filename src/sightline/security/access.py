"""One pure decision: may this caller do this act on this thing. Not yours and not there look the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID


class Role(StrEnum):
    """Who somebody is in a school.

    A server is a game or an integration with a server key; a launch is one student's game, with a launch token; a
    developer is a person who showed a server key to see what arrives with it.
    """

    TEACHER = "teacher"
    COUNSELLOR = "counsellor"
    ADMINISTRATOR = "administrator"
    SERVER = "server"
    LAUNCH = "launch"
    DEVELOPER = "developer"


class Act(StrEnum):
    """What can be done."""

    SEND_EVENTS = "send events"
    LAUNCH = "launch games"
    SEND_TRANSCRIPTS = "send transcripts"
    READ_TRANSCRIPT = "read transcript"
    RATE = "rate"
    READ_STUDENT = "read student"
    READ_CLASS = "read class"
    LIST_STUDENTS = "list students"
    READ_QUALITY = "read quality"
    READ_ARRIVALS = "read arrivals"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `classes` and `students` are a teacher's own; a launch has one student; others reach by role.

    `staff_id` names who asks: of a server its key, of a launch itself, of a developer the key that was shown.
    """

    role: Role
    school_id: UUID
    staff_id: UUID
    display_name: str
    classes: frozenset[UUID] = field(default_factory=frozenset)
    students: frozenset[UUID] = field(default_factory=frozenset)


_BY_ROLE: dict[Role, frozenset[Act]] = {
    Role.SERVER: frozenset({Act.SEND_EVENTS, Act.SEND_TRANSCRIPTS, Act.LAUNCH}),
    Role.LAUNCH: frozenset({Act.SEND_EVENTS}),
    Role.DEVELOPER: frozenset({Act.READ_ARRIVALS}),
    Role.TEACHER: frozenset(
        {Act.SEND_TRANSCRIPTS, Act.READ_TRANSCRIPT, Act.RATE, Act.READ_STUDENT, Act.READ_CLASS, Act.LIST_STUDENTS}
    ),
    Role.COUNSELLOR: frozenset({Act.READ_STUDENT, Act.READ_CLASS, Act.LIST_STUDENTS, Act.READ_TRANSCRIPT}),
    Role.ADMINISTRATOR: frozenset(
        {
            Act.SEND_TRANSCRIPTS,
            Act.READ_STUDENT,
            Act.READ_CLASS,
            Act.LIST_STUDENTS,
            Act.READ_TRANSCRIPT,
            Act.READ_QUALITY,
        }
    ),
}


OF_FEW = frozenset({Role.TEACHER, Role.LAUNCH, Role.DEVELOPER})
"""Roles whose reach is not the school: their own classes and students only, of which a developer has none."""


def may(
    caller: Caller,
    act: Act,
    *,
    school_id: UUID,
    students: frozenset[UUID] = frozenset(),
    class_id: UUID | None = None,
    sent_by: str | None = None,
) -> bool:
    """Whether the caller may do the act on these students or this class of that school.

    Nobody reaches into another school. A launch reaches its one student and no class, a developer none of either.
    A teacher reaches the own classes and the students in them, and for a group of students all of them must be
    own. `sent_by` names who sent a transcript: one in which no student is known yet belongs to its sender, and to
    those whose reach is the school. Of arrivals it names the server key that they came with, and a developer
    reaches those of one key.
    """
    if caller.school_id != school_id or act not in _BY_ROLE[caller.role]:
        return False
    if caller.role in {Role.LAUNCH, Role.DEVELOPER}:
        return class_id is None and students <= caller.students and sent_by in {None, str(caller.staff_id)}
    if caller.role is Role.TEACHER:
        if class_id is not None and class_id not in caller.classes:
            return False
        if sent_by is not None and not students:
            return sent_by == str(caller.staff_id)
        return students <= caller.students
    return True


def visible_classes(caller: Caller) -> frozenset[UUID] | None:
    """The classes a caller's lists may show; None means all of the school."""
    return caller.classes if caller.role in OF_FEW else None


def from_our_pages(headers: Mapping[str, str], public_url: str) -> bool:
    """Whether a request that a browser sent with its cookie came from our own pages.

    `Origin` (a browser sends "null" from pages that send no referrer) and `Sec-Fetch-Site` (older browsers do not
    send it) say so: one of the two must speak for us, and neither against. Header names in lower case.
    """
    origin, site = headers.get("origin", "null"), headers.get("sec-fetch-site")
    if origin == "null":
        return site == "same-origin"
    hosts = {headers.get("host"), urlsplit(public_url).netloc}
    return urlsplit(origin).netloc in hosts and site in {None, "same-origin"}


def visible_students(caller: Caller) -> frozenset[UUID] | None:
    """The students a caller's lists may show; None means all of the school."""
    return caller.students if caller.role in OF_FEW else None

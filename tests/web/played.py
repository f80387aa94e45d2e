"""A school with evidence behind its pages: simulated play and ratings, sent and scored as real ones are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec

from sightline.demo.generator import simulate
from sightline.ingest.events import read_batch
from sightline.ingest.ratings import read_ratings
from sightline.pipeline.closing import close_session
from sightline.pipeline.gathering import Gatherer
from sightline.pipeline.receiving import batch_arrival
from sightline.pipeline.scoring import rescore_school
from sightline.pipeline.senders import Sender
from sightline.pipeline.talk_and_ratings import receive_ratings
from sightline.security.access import Role
from sightline.store import people
from sightline.store.database import Store
from sightline.store.people import School, Student

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HOSTILE = "<script>alert('1')</script> & \"Zoe\""


@dataclass(frozen=True)
class Played:
    """A school whose one class has played and was rated; `newcomer` has nothing, with a hostile name."""

    school_id: UUID
    class_id: UUID
    teacher: UUID
    other_teacher: UUID
    administrator: UUID
    students: tuple[UUID, ...]
    newcomer: UUID


async def a_played_school(store: Store) -> Played:
    """One class of twelve with two months behind it, another without students, and their staff."""
    simulated = simulate(5, NOW, classes=1, class_size=12)
    place = Played(
        school_id=uuid4(),
        class_id=uuid4(),
        teacher=uuid4(),
        other_teacher=uuid4(),
        administrator=uuid4(),
        students=tuple(UUID(s.student_id) for s in simulated.students),
        newcomer=uuid4(),
    )
    other_class = uuid4()
    async with store.work() as work:
        await people.add_school(work, School(place.school_id, "Page school", simulated=True, created_at=NOW))
        await people.add_class(work, place.school_id, place.class_id, "Class 7")
        await people.add_class(work, place.school_id, other_class, "Class 8")
        roll = [Student(UUID(s.student_id), s.display_name) for s in simulated.students]
        await people.add_students(work, place.school_id, place.class_id, [*roll, Student(place.newcomer, HOSTILE)])
        for staff, role, teaches in (
            (place.teacher, Role.TEACHER, [place.class_id]),
            (place.other_teacher, Role.TEACHER, [other_class]),
            (place.administrator, Role.ADMINISTRATOR, []),
        ):
            await people.add_staff(work, place.school_id, staff, f"The {role.value}", role, teaches)
    sender, gatherer = Sender(place.school_id, uuid4()), Gatherer(store)
    for session in simulated.sessions:
        batch = {
            "batch_id": str(uuid4()),
            "client_version": "test",
            "sent_at": NOW.isoformat(),
            "events": session.events,
        }
        sent = read_batch(msgspec.json.encode(batch))
        await gatherer.submit(batch_arrival(sender, sent, received_at=NOW, verbose=False))
        async with store.work() as work:
            await close_session(work, place.school_id, UUID(session.session_id), now=NOW, reason="test")
    cells = [
        {
            "student_id": r.student_id,
            "skill": r.skill,
            "level": r.level or "not seen",
            "occasion": r.occasion,
            "rated_at": r.rated_at,
        }
        for r in simulated.ratings
    ]
    async with store.work() as work:
        ratings = read_ratings(msgspec.json.encode({"ratings": cells}), now=NOW)
        await receive_ratings(work, place.school_id, place.teacher, ratings, now=NOW)
        await rescore_school(work, place.school_id, now=NOW)
    return place

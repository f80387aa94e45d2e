"""Transcripts and ratings in: stored, turned into observables in the same transaction, scored by a job."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from sightline.domain.records import Rating
from sightline.errors import NOTHING_HERE, BadInput, Conflict, NotFound
from sightline.ingest.ratings import WireRating
from sightline.ingest.times import EARLIEST, in_utc
from sightline.ingest.transcripts import UNKNOWN, read_transcript, utterances_of
from sightline.pipeline import jobs
from sightline.pipeline.scoring import extract_occasion, extract_transcript, occasion_id
from sightline.store import evidence, people, talks, telemetry
from sightline.store.database import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingTranscript:
    """A transcript as it was sent; `speakers` maps labels to students, None for somebody who is no student."""

    transcript_id: UUID
    form: str
    content: str
    recorded_at: datetime
    speakers: Mapping[str, UUID | None]
    sent_by: str


@dataclass(frozen=True, slots=True)
class TranscriptState:
    """A stored transcript: its speakers' labels with their turns, and who they are."""

    transcript_id: UUID
    status: str
    recorded_at: datetime
    sent_by: str
    turns: int
    speakers: Mapping[str, UUID | None]
    unresolved: tuple[str, ...]


async def receive_transcript(
    work: Work, school_id: UUID, sent: IncomingTranscript, *, now: datetime
) -> TranscriptState:
    """Store a transcript once. Sent again with the same content it is a duplicate, with other content a Conflict.

    Speakers without a mapping stay unresolved and are credited to nobody.
    """
    if not EARLIEST <= in_utc(sent.recorded_at) <= now:
        raise BadInput(
            "the talk was recorded before 2015 or in the future; check recorded_at",
            code="future_time" if in_utc(sent.recorded_at) > now else "too_old",
            pointer="/recorded_at",
        )
    turns = utterances_of(
        read_transcript(sent.content, sent.form),
        transcript_id=sent.transcript_id,
        recorded_at=sent.recorded_at,
        speakers={},
    )
    if turns[-1].ends_at > now:
        raise BadInput(
            "the talk ends in the future; check recorded_at", code="future_time", pointer="/recorded_at"
        )
    await _known_speakers(work, school_id, sent.speakers, {turn.speaker for turn in turns})
    content_hash = hashlib.sha256(f"{sent.form}\n{sent.recorded_at.isoformat()}\n{sent.content}".encode()).digest()
    head = talks.TranscriptHead(sent.transcript_id, sent.recorded_at, sent.form, sent.sent_by, content_hash)
    await telemetry.hold_sittings(work, school_id, [sent.transcript_id], alone=True)
    if not await talks.add_transcript(work, school_id, head, turns, now):
        stored = await talks.transcript_head(work, school_id, sent.transcript_id)
        if stored is None or stored.content_hash != content_hash:
            raise Conflict(
                "a transcript of this id with other content is stored and stays; send this one under a new id",
                pointer="/transcript_id",
            )
        return await transcript_state(work, school_id, sent.transcript_id, status="duplicate")
    if sent.speakers:
        await talks.map_speakers(
            work, school_id, sent.transcript_id, sent.speakers, mapped_by=sent.sent_by, mapped_at=now
        )
    await _extract(work, school_id, sent.transcript_id, frozenset(), now)
    return await transcript_state(work, school_id, sent.transcript_id, status="created")


async def map_speakers(
    work: Work,
    school_id: UUID,
    transcript_id: UUID,
    mapping: Mapping[str, UUID | None],
    *,
    mapped_by: str,
    now: datetime,
) -> TranscriptState:
    """Say who the speakers are; students who lose their turns by it lose their observables too."""
    await telemetry.hold_sittings(work, school_id, [transcript_id], alone=True)
    before = await transcript_state(work, school_id, transcript_id, status="stored")
    await _known_speakers(work, school_id, mapping, set(before.speakers))
    merged = dict(before.speakers) | dict(mapping)
    for label in before.unresolved:
        if label not in mapping:
            del merged[label]
    await talks.map_speakers(work, school_id, transcript_id, merged, mapped_by=mapped_by, mapped_at=now)
    former = frozenset(s for s in before.speakers.values() if s is not None)
    await _extract(work, school_id, transcript_id, former, now)
    return await transcript_state(work, school_id, transcript_id, status="stored")


async def _extract(
    work: Work, school_id: UUID, transcript_id: UUID, former: frozenset[UUID], now: datetime
) -> None:
    await extract_transcript(work, school_id, transcript_id, former=former, now=now)
    await jobs.ask_rescore(work, school_id, now)


async def transcript_state(work: Work, school_id: UUID, transcript_id: UUID, *, status: str) -> TranscriptState:
    """Raises NotFound when the school has no such transcript."""
    head = await talks.transcript_head(work, school_id, transcript_id)
    if head is None:
        raise NotFound(NOTHING_HERE)
    mapped = await talks.speaker_map(work, school_id, transcript_id)
    talk = await talks.conversation(work, school_id, transcript_id)
    labels = sorted({u.speaker for u in talk.utterances})
    return TranscriptState(
        transcript_id=transcript_id,
        status=status,
        recorded_at=head.recorded_at,
        sent_by=head.sent_by,
        turns=len(talk.utterances),
        speakers={label: mapped.get(label) for label in labels},
        unresolved=tuple(label for label in labels if label not in mapped),
    )


async def _known_speakers(
    work: Work, school_id: UUID, speakers: Mapping[str, UUID | None], labels: set[str]
) -> None:
    for label in speakers:
        if label not in labels or label == UNKNOWN:
            raise BadInput(
                f"nobody in the transcript is labelled {label!r}; its labels are: {', '.join(sorted(labels))}",
                code="unknown_speaker",
                pointer=f"/speakers/{label}",
            )
    wanted = {student for student in speakers.values() if student is not None}
    known = await people.known_students(work, school_id, wanted)
    for label, student in speakers.items():
        if student is not None and student not in known:
            raise BadInput(
                "no student of this school has this id; add the student to the roster, then send again",
                code="unknown_student",
                pointer=f"/speakers/{label}",
            )


async def receive_ratings(
    work: Work, school_id: UUID, rater_id: UUID, sent: Sequence[WireRating], *, now: datetime
) -> Mapping[str, int]:
    """Store the ratings that differ from the rater's newest ones; return counts of created and unchanged.

    The caller has made sure that the rater may rate these students.
    """
    occasions: dict[tuple[UUID, date], list[WireRating]] = {}
    for rating in sent:
        occasions.setdefault((rating.student_id, rating.occasion), []).append(rating)
    created = 0
    for (student, occasion), wired in sorted(occasions.items(), key=lambda pair: pair[0]):
        sitting = occasion_id(rater_id, student, occasion)
        await telemetry.hold_sittings(work, school_id, [sitting], alone=True)
        newest = {
            r.skill: r
            for r in await evidence.latest_ratings(
                work, school_id, [student], rater_id=rater_id, occasion=occasion
            )
        }
        new = [
            Rating(
                rating_id=uuid4(),
                rater_id=rater_id,
                student_id=student,
                skill=w.skill,
                level=w.level_seen,
                occasion=occasion,
                rated_at=w.rated_at or now,
            )
            for w in wired
            if w.skill not in newest or newest[w.skill].level != w.level_seen
        ]
        created += len(new)
        if new:
            await evidence.add_ratings(work, school_id, new)
            await extract_occasion(work, school_id, sitting, student, rater_id, occasion, now=now)
    if created:
        await jobs.ask_rescore(work, school_id, now)
    return {"created": created, "unchanged": len(sent) - created}

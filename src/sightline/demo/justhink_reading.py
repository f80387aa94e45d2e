"""The corpus read without a server or a database: what the rules find, for scripts and tests that look closely."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from sightline.demo.justhink_import import Corpus
from sightline.domain.observables import Observable
from sightline.domain.records import Conversation, Event
from sightline.features.catalog import CATALOG_VERSION, INDICATORS
from sightline.features.extraction import extract_conversation, extract_session
from sightline.ingest.events import read_event
from sightline.ingest.justhink import CHILDREN, EPOCH, Play, session_id, student_id, transcript_id
from sightline.ingest.sessions import session_of
from sightline.ingest.transcripts import read_transcript, utterances_of
from sightline.measurement.assess import Frame
from sightline.measurement.norms import norms_of
from sightline.pipeline.cards import measurement_card
from sightline.pipeline.scoring import act_readings, end_of_day

READ_AT = datetime(2026, 1, 1, tzinfo=UTC)
"""Any time after the corpus was recorded; the events' own times do not depend on it."""


def events_of(play: Play, child: str) -> list[Event]:
    """One child's events as the API would store them."""
    read = [read_event(msgspec.json.encode(e), received_at=READ_AT, sent_at=None) for e in play.events[child]]
    return [event for event in read if isinstance(event, Event)]


def conversation_of(team: int, content: str) -> Conversation:
    """A pair's transcript as the API would store it."""
    speakers: dict[str, UUID | None] = {child: student_id(team, child) for child in CHILDREN}
    turns = utterances_of(
        read_transcript(content, "csv"),
        transcript_id=transcript_id(team),
        recorded_at=EPOCH,
        speakers=speakers,
    )
    return Conversation(transcript_id=transcript_id(team), utterances=turns)


def observables_of(corpus: Corpus) -> dict[UUID, list[Observable]]:
    """All observables of the corpus by child, as the pipeline would store them."""
    found: dict[UUID, list[Observable]] = {}
    for play in corpus.plays:
        talk = None
        if play.team in corpus.transcripts:
            talk = conversation_of(play.team, corpus.transcripts[play.team])
        for child in CHILDREN:
            student = student_id(play.team, child)
            session = session_of(session_id(play.team, child), student, events_of(play, child))
            found[student] = list(extract_session(session).observables)
            if talk is not None:
                found[student] += extract_conversation(talk, student, act_readings(talk)).observables
    return found


def frame_of(found: dict[UUID, list[Observable]]) -> Frame:
    """The frame in which the pipeline would assess these students."""
    everything = [o for observables in found.values() for o in observables]
    as_of = end_of_day(max(o.at for o in everything))
    return Frame(
        indicators=INDICATORS,
        norms=norms_of(everything, INDICATORS),
        card=measurement_card(),
        catalog_version=CATALOG_VERSION,
        as_of=as_of,
        computed_at=as_of,
    )

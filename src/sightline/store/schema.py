"""The tables. Every primary key begins with the school, so that rows can later be distributed by it.

Records (events, utterances, ratings) and results (extractions, assessments) are appended, never changed; which
one counts is the newest. Rows never leave this package.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

MOMENT = DateTime(timezone=True)


def _key(name: str) -> Column[object]:
    return Column(name, Uuid, primary_key=True)


def _in_school(name: str, *items: SchemaItem) -> Table:
    """A table whose rows belong to one school."""
    return Table(
        name,
        metadata,
        _key("school_id"),
        *items,
        ForeignKeyConstraint(["school_id"], ["schools.school_id"]),
    )


def _of_student() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["school_id", "student_id"], ["students.school_id", "students.student_id"])


schools = Table(
    "schools",
    metadata,
    _key("school_id"),
    Column("title", Text, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("created_at", MOMENT, nullable=False),
)

classes = _in_school("classes", _key("class_id"), Column("title", Text, nullable=False))

students = _in_school("students", _key("student_id"), Column("display_name", Text, nullable=False))

enrolments = _in_school(
    "enrolments",
    _key("class_id"),
    _key("student_id"),
    ForeignKeyConstraint(["school_id", "class_id"], ["classes.school_id", "classes.class_id"]),
    _of_student(),
    Index(None, "school_id", "student_id"),
)

staff = _in_school(
    "staff",
    _key("staff_id"),
    Column("display_name", Text, nullable=False),
    Column(
        "role",
        Text,
        CheckConstraint("role in ('teacher', 'counsellor', 'administrator')", name="role"),
        nullable=False,
    ),
)

teaching = _in_school(
    "teaching",
    _key("class_id"),
    _key("staff_id"),
    ForeignKeyConstraint(["school_id", "class_id"], ["classes.school_id", "classes.class_id"]),
    ForeignKeyConstraint(["school_id", "staff_id"], ["staff.school_id", "staff.staff_id"]),
)

credentials = _in_school(
    "credentials",
    _key("credential_id"),
    Column("kind", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("staff_id", Uuid),
    Column("label", Text, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("expires_at", MOMENT),
    Column("ended_at", MOMENT),
    Column("made_with", Uuid),
)

launches = _in_school(
    "launches",
    _key("launch_id"),
    Column("credential_id", Uuid, nullable=False),
    Column("student_id", Uuid, nullable=False),
    Column("game", Text, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("expires_at", MOMENT, nullable=False),
    Column("ended_at", MOMENT),
    # a launch is a permission and no record: it goes with its student
    ForeignKeyConstraint(
        ["school_id", "student_id"], ["students.school_id", "students.student_id"], ondelete="CASCADE"
    ),
    Index(None, "school_id", "student_id"),
)

sessions = _in_school(
    "sessions",
    _key("session_id"),
    Column("student_id", Uuid, nullable=False),
    Column("first_seen_at", MOMENT, nullable=False),
    _of_student(),
)

closures = _in_school(
    "closures",
    _key("session_id"),
    Column("closed_at", MOMENT, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(["school_id", "session_id"], ["sessions.school_id", "sessions.session_id"]),
)

events = _in_school(
    "events",
    _key("event_id"),
    Column("student_id", Uuid, nullable=False),
    Column("session_id", Uuid, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("stated_at", MOMENT, nullable=False),
    Column("occurred_at", MOMENT, nullable=False),
    Column("received_at", MOMENT, nullable=False),
    Column("sequence", BigInteger),
    Column("mission_id", Text),
    Column("game_version", Text),
    Column("data", JSONB, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("sent_by", Uuid),
    Index(None, "school_id", "session_id"),
    Index(None, "received_at", postgresql_using="brin"),
)

batches = _in_school(
    "batches",
    _key("batch_id"),
    Column("attempt", BigInteger, Identity(always=True), primary_key=True),
    Column("credential_id", Uuid, nullable=False),
    Column("received_at", MOMENT, nullable=False),
    Column("client_version", Text),
    Column("answer", JSONB, nullable=False),
    Column("launch_id", Uuid),
    Index(None, "received_at"),
)

rejects = _in_school(
    "rejects",
    Column("reject_id", BigInteger, Identity(always=True), primary_key=True),
    Column("credential_id", Uuid, nullable=False),
    Column("batch_id", Uuid),
    Column("received_at", MOMENT, nullable=False),
    Column("event_id", Text),
    Column("code", Text, nullable=False),
    Column("pointer", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("launch_id", Uuid),
    Column("event_type", Text),
    Index(None, "school_id", "credential_id", "reject_id"),
    Index(None, "received_at"),
)

transcripts = _in_school(
    "transcripts",
    _key("transcript_id"),
    Column("recorded_at", MOMENT, nullable=False),
    Column("received_at", MOMENT, nullable=False),
    Column("format", Text, nullable=False),
    Column("sent_by", Text, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
)

utterances = _in_school(
    "utterances",
    _key("transcript_id"),
    Column("position", Integer, primary_key=True),
    Column("utterance_id", Uuid, nullable=False),
    Column("speaker", Text, nullable=False),
    Column("starts_at", MOMENT, nullable=False),
    Column("ends_at", MOMENT, nullable=False),
    Column("text", Text, nullable=False),
    ForeignKeyConstraint(["school_id", "transcript_id"], ["transcripts.school_id", "transcripts.transcript_id"]),
    Index(None, "school_id", "utterance_id", unique=True),
)

speakers = _in_school(
    "speakers",
    _key("transcript_id"),
    Column("mapping", BigInteger, primary_key=True),
    Column("speaker", Text, primary_key=True),
    Column("student_id", Uuid),
    Column("mapped_by", Text, nullable=False),
    Column("mapped_at", MOMENT, nullable=False),
    _of_student(),
    Index(None, "school_id", "student_id"),
)

ratings = _in_school(
    "ratings",
    _key("rating_id"),
    Column("entry", BigInteger, Identity(always=True), nullable=False),
    Column("rater_id", Uuid, nullable=False),
    Column("student_id", Uuid, nullable=False),
    Column("skill", Text, nullable=False),
    Column("level", SmallInteger, CheckConstraint("level between 1 and 4", name="level")),
    Column("occasion", Date, nullable=False),
    Column("rated_at", MOMENT, nullable=False),
    _of_student(),
    Index(None, "school_id", "student_id", "rater_id", "occasion"),
)

extractions = _in_school(
    "extractions",
    _key("sitting_id"),
    _key("student_id"),
    Column("catalog_version", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("extracted_at", MOMENT, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("absences", JSONB, nullable=False),
    _of_student(),
    Index(None, "school_id", "student_id"),
)

observables = _in_school(
    "observables",
    _key("sitting_id"),
    _key("student_id"),
    Column("catalog_version", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("indicator", Text, primary_key=True),
    Column("observable_id", Uuid, nullable=False),
    Column("source", Text, nullable=False),
    Column("at", MOMENT, nullable=False),
    Column("value", Double, nullable=False),
    Column("opportunities", Integer, nullable=False),
    Column("counted", Integer),
    Column("exposure", Double),
    Column("rater_id", Uuid),
    Column("moments", JSONB, nullable=False),
    ForeignKeyConstraint(
        ["school_id", "sitting_id", "student_id", "catalog_version", "revision"],
        [
            "extractions.school_id",
            "extractions.sitting_id",
            "extractions.student_id",
            "extractions.catalog_version",
            "extractions.revision",
        ],
    ),
    Index(None, "school_id", "student_id"),
)

norms = _in_school(
    "norms",
    Column("entry", BigInteger, Identity(always=True), primary_key=True),
    Column("version", Text, nullable=False),
    Column("catalog_version", Text, nullable=False),
    Column("computed_at", MOMENT, nullable=False),
    Column("body", JSONB, nullable=False),
)

assessments = _in_school(
    "assessments",
    _key("student_id"),
    Column("entry", BigInteger, Identity(always=True), primary_key=True),
    Column("as_of", MOMENT, nullable=False),
    Column("computed_at", MOMENT, nullable=False),
    Column("card_version", Text, nullable=False),
    Column("catalog_version", Text, nullable=False),
    Column("norms_version", Text, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("summary", JSONB, nullable=False),
    Column("body", JSONB, nullable=False),
    _of_student(),
)

cards = _in_school(
    "cards",
    Column("entry", BigInteger, Identity(always=True), primary_key=True),
    Column("version", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("used_from", MOMENT, nullable=False),
)

quarantines = _in_school(
    "quarantines",
    _key("class_id"),
    Column("source", Text, primary_key=True),
    Column("entry", BigInteger, Identity(always=True), primary_key=True),
    Column("at", MOMENT, nullable=False),
    Column("set_aside", Boolean, nullable=False),
    Column("shift", Double),
    Column("standard_error", Double),
    Column("students", Integer, nullable=False),
    ForeignKeyConstraint(["school_id", "class_id"], ["classes.school_id", "classes.class_id"]),
)

# a list of work and no record: what is done is ticked off
rescores = _in_school(
    "rescores",
    _key("run_id"),
    Column("asked_at", MOMENT, nullable=False),
    Column("catalog_version", Text, nullable=False),
    Column("done_at", MOMENT),
    Column("students", Integer),
    Column("changed", Integer),
)

class_growth = _in_school(
    "class_growth",
    _key("class_id"),
    Column("entry", BigInteger, Identity(always=True), primary_key=True),
    Column("as_of", MOMENT, nullable=False),
    Column("computed_at", MOMENT, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("body", JSONB, nullable=False),
    ForeignKeyConstraint(["school_id", "class_id"], ["classes.school_id", "classes.class_id"]),
)

disclosures = _in_school(
    "disclosures",
    Column("entry", BigInteger, Identity(always=True), primary_key=True),
    Column("at", MOMENT, nullable=False),
    Column("staff_id", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("student_ids", ARRAY(Uuid), nullable=False),
)

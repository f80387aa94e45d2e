"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schools",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("school_id", name=op.f("schools_pkey")),
    )
    op.create_table(
        "batches",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("credential_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client_version", sa.Text(), nullable=True),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("batches_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "batch_id", "attempt", name=op.f("batches_pkey")),
    )
    op.create_table(
        "classes",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("class_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("classes_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "class_id", name=op.f("classes_pkey")),
    )
    op.create_table(
        "credentials",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("credentials_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "credential_id", name=op.f("credentials_pkey")),
        sa.UniqueConstraint("digest", name=op.f("credentials_digest_key")),
    )
    op.create_table(
        "disclosures",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("entry", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("student_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("disclosures_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "entry", name=op.f("disclosures_pkey")),
    )
    op.create_table(
        "events",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("mission_id", sa.Text(), nullable=True),
        sa.Column("game_version", sa.Text(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("events_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "event_id", name=op.f("events_pkey")),
    )
    op.create_index(op.f("events_school_id_session_id_idx"), "events", ["school_id", "session_id"], unique=False)
    op.create_table(
        "norms",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("entry", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("catalog_version", sa.Text(), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("norms_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "entry", name=op.f("norms_pkey")),
    )
    op.create_table(
        "rejects",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("reject_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("credential_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("rejects_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "reject_id", name=op.f("rejects_pkey")),
    )
    op.create_index(
        op.f("rejects_school_id_credential_id_reject_id_idx"),
        "rejects",
        ["school_id", "credential_id", "reject_id"],
        unique=False,
    )
    op.create_table(
        "staff",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("staff_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "staff_id", name=op.f("staff_pkey")),
    )
    op.create_table(
        "students",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("students_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "student_id", name=op.f("students_pkey")),
    )
    op.create_table(
        "transcripts",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("transcript_id", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("sent_by", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("transcripts_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "transcript_id", name=op.f("transcripts_pkey")),
    )
    op.create_table(
        "assessments",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("entry", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("card_version", sa.Text(), nullable=False),
        sa.Column("catalog_version", sa.Text(), nullable=False),
        sa.Column("norms_version", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("summary", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.student_id"],
            name=op.f("assessments_school_id_student_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("assessments_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "student_id", "entry", name=op.f("assessments_pkey")),
    )
    op.create_table(
        "enrolments",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("class_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "class_id"],
            ["classes.school_id", "classes.class_id"],
            name=op.f("enrolments_school_id_class_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.student_id"],
            name=op.f("enrolments_school_id_student_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("enrolments_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "class_id", "student_id", name=op.f("enrolments_pkey")),
    )
    op.create_index(
        op.f("enrolments_school_id_student_id_idx"), "enrolments", ["school_id", "student_id"], unique=False
    )
    op.create_table(
        "extractions",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("sitting_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("catalog_version", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("extracted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("absences", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.student_id"],
            name=op.f("extractions_school_id_student_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("extractions_school_id_fkey")),
        sa.PrimaryKeyConstraint(
            "school_id", "sitting_id", "student_id", "catalog_version", "revision", name=op.f("extractions_pkey")
        ),
    )
    op.create_table(
        "ratings",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("rating_id", sa.Uuid(), nullable=False),
        sa.Column("entry", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("rater_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=True),
        sa.Column("occasion", sa.Date(), nullable=False),
        sa.Column("rated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.student_id"],
            name=op.f("ratings_school_id_student_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("ratings_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "rating_id", name=op.f("ratings_pkey")),
    )
    op.create_index(
        op.f("ratings_school_id_student_id_rater_id_occasion_idx"),
        "ratings",
        ["school_id", "student_id", "rater_id", "occasion"],
        unique=False,
    )
    op.create_table(
        "sessions",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.student_id"],
            name=op.f("sessions_school_id_student_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("sessions_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "session_id", name=op.f("sessions_pkey")),
    )
    op.create_table(
        "speakers",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("transcript_id", sa.Uuid(), nullable=False),
        sa.Column("mapping", sa.BigInteger(), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=True),
        sa.Column("mapped_by", sa.Text(), nullable=False),
        sa.Column("mapped_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.student_id"],
            name=op.f("speakers_school_id_student_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("speakers_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "transcript_id", "mapping", "speaker", name=op.f("speakers_pkey")),
    )
    op.create_index(
        op.f("speakers_school_id_student_id_idx"), "speakers", ["school_id", "student_id"], unique=False
    )
    op.create_table(
        "teaching",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("class_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "class_id"],
            ["classes.school_id", "classes.class_id"],
            name=op.f("teaching_school_id_class_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "staff_id"],
            ["staff.school_id", "staff.staff_id"],
            name=op.f("teaching_school_id_staff_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("teaching_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "class_id", "staff_id", name=op.f("teaching_pkey")),
    )
    op.create_table(
        "utterances",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("transcript_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("utterance_id", sa.Uuid(), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "transcript_id"],
            ["transcripts.school_id", "transcripts.transcript_id"],
            name=op.f("utterances_school_id_transcript_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("utterances_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "transcript_id", "position", name=op.f("utterances_pkey")),
    )
    op.create_index(
        op.f("utterances_school_id_utterance_id_idx"), "utterances", ["school_id", "utterance_id"], unique=True
    )
    op.create_table(
        "closures",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "session_id"],
            ["sessions.school_id", "sessions.session_id"],
            name=op.f("closures_school_id_session_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("closures_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "session_id", name=op.f("closures_pkey")),
    )
    op.create_table(
        "observables",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("sitting_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("catalog_version", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("indicator", sa.Text(), nullable=False),
        sa.Column("observable_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("opportunities", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=True),
        sa.Column("exposure", sa.Double(), nullable=True),
        sa.Column("rater_id", sa.Uuid(), nullable=True),
        sa.Column("moments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "sitting_id", "student_id", "catalog_version", "revision"],
            [
                "extractions.school_id",
                "extractions.sitting_id",
                "extractions.student_id",
                "extractions.catalog_version",
                "extractions.revision",
            ],
            name=op.f("observables_school_id_sitting_id_student_id_catalog_version_revision_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("observables_school_id_fkey")),
        sa.PrimaryKeyConstraint(
            "school_id",
            "sitting_id",
            "student_id",
            "catalog_version",
            "revision",
            "indicator",
            name=op.f("observables_pkey"),
        ),
    )
    op.create_index(
        op.f("observables_school_id_student_id_idx"), "observables", ["school_id", "student_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("observables_school_id_student_id_idx"), table_name="observables")
    op.drop_table("observables")
    op.drop_table("closures")
    op.drop_index(op.f("utterances_school_id_utterance_id_idx"), table_name="utterances")
    op.drop_table("utterances")
    op.drop_table("teaching")
    op.drop_index(op.f("speakers_school_id_student_id_idx"), table_name="speakers")
    op.drop_table("speakers")
    op.drop_table("sessions")
    op.drop_index(op.f("ratings_school_id_student_id_rater_id_occasion_idx"), table_name="ratings")
    op.drop_table("ratings")
    op.drop_table("extractions")
    op.drop_index(op.f("enrolments_school_id_student_id_idx"), table_name="enrolments")
    op.drop_table("enrolments")
    op.drop_table("assessments")
    op.drop_table("transcripts")
    op.drop_table("students")
    op.drop_table("staff")
    op.drop_index(op.f("rejects_school_id_credential_id_reject_id_idx"), table_name="rejects")
    op.drop_table("rejects")
    op.drop_table("norms")
    op.drop_index(op.f("events_school_id_session_id_idx"), table_name="events")
    op.drop_table("events")
    op.drop_table("disclosures")
    op.drop_table("credentials")
    op.drop_table("classes")
    op.drop_table("batches")
    op.drop_table("schools")

"""Cards that schools use, sources set aside in classes, and how far scoring everything again has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cards",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("entry", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("used_from", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("cards_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "entry", name=op.f("cards_pkey")),
    )
    op.create_table(
        "quarantines",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("class_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("entry", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_aside", sa.Boolean(), nullable=False),
        sa.Column("shift", sa.Double(), nullable=True),
        sa.Column("standard_error", sa.Double(), nullable=True),
        sa.Column("students", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "class_id"],
            ["classes.school_id", "classes.class_id"],
            name=op.f("quarantines_school_id_class_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("quarantines_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "class_id", "source", "entry", name=op.f("quarantines_pkey")),
    )
    op.create_table(
        "rescores",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("catalog_version", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("students", sa.Integer(), nullable=True),
        sa.Column("changed", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("rescores_school_id_fkey")),
        sa.PrimaryKeyConstraint("school_id", "run_id", name=op.f("rescores_pkey")),
    )
    # one student's update reads that student's extractions alone
    op.create_index(op.f("extractions_school_id_student_id_idx"), "extractions", ["school_id", "student_id"])


def downgrade() -> None:
    op.drop_index(op.f("extractions_school_id_student_id_idx"), "extractions")
    op.drop_table("rescores")
    op.drop_table("quarantines")
    op.drop_table("cards")

"""Launches: which student's game may send until when. The token is signed and stored nowhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "launches",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("launch_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("game", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["schools.school_id"], name=op.f("launches_school_id_fkey")),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.student_id"],
            name=op.f("launches_school_id_student_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("school_id", "launch_id", name=op.f("launches_pkey")),
    )
    op.create_index(
        op.f("launches_school_id_student_id_idx"), "launches", ["school_id", "student_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("launches_school_id_student_id_idx"), table_name="launches")
    op.drop_table("launches")

"""Who sends events: a server for the students of its school, or one student's game."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Sender:
    """A server key, or a launch that one made.

    credential_id: the server key, for a launch the key that made it; student_id, launch_id and game: of a launch,
    None for a server. A launch sends for its one student only.
    """

    school_id: UUID
    credential_id: UUID
    student_id: UUID | None = None
    launch_id: UUID | None = None
    game: str | None = None

    @property
    def limit_key(self) -> str:
        """What requests are counted by: the launch, so that students share no limit, or else the server key."""
        return str(self.launch_id or self.credential_id)

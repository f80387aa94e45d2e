"""Who sends events, and who sent a moment ago: one look-up spared for each request of a game that sends often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sightline.errors import NotAllowed
from sightline.pipeline.launching import live_launch
from sightline.pipeline.signing_in import who
from sightline.security.access import Role
from sightline.security.identity import CredentialKind, digest_of, kind_of
from sightline.security.launches import verify
from sightline.store.database import Store, Work

KEPT = timedelta(seconds=5)
"""How long a yes is believed: an ended key or launch is refused everywhere within this time (promise S4)."""

MOST = 10_000
"""Senders remembered, about 500 bytes each: several large schools at once."""


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


async def launch_sender(work: Work, token: str, *, secret_key: str, now: datetime) -> Sender:
    """Who sends with this launch token. Raises NotSignedIn as `live_launch` says."""
    launch = await live_launch(work, token, secret_key=secret_key, now=now)
    return Sender(launch.school_id, launch.credential_id, launch.student_id, launch.launch_id, launch.game)


@dataclass(frozen=True, slots=True)
class _Yes:
    """A sender that was good at `since`; asked again from `until` on."""

    sender: Sender
    since: datetime
    until: datetime


class SenderCache:
    """Senders by the digest of their token, never by the token. Only a yes is kept, a no never.

    `secret_key` gives the key of digests and signatures; it is asked for when the first token comes.
    """

    def __init__(
        self,
        store: Store,
        secret_key: Callable[[], str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        most: int = MOST,
    ) -> None:
        self._store, self._secret_key, self._clock, self._most = store, secret_key, clock, most
        self._known: dict[bytes, _Yes] = {}

    async def sender(self, token: str) -> Sender:
        """Who sends with this token.

        Raises NotSignedIn for what is no credential or no longer one, NotAllowed for staff, who send no events.
        """
        secret_key, now = self._secret_key(), self._clock()
        digest = digest_of(token, secret_key)
        yes = self._known.get(digest)
        if yes is not None and yes.since <= now < yes.until:  # a clock set back makes a yes of the future no yes
            return yes.sender
        until = now + KEPT
        if kind_of(token) is CredentialKind.LAUNCH_TOKEN:
            until = min(until, verify(token, secret_key, now).expires_at)
        found = await self._asked(token, secret_key, now)
        self._known.pop(digest, None)
        while len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[digest] = _Yes(found, now, until)
        return found

    async def _asked(self, token: str, secret_key: str, now: datetime) -> Sender:
        async with self._store.work() as work:
            if kind_of(token) is CredentialKind.LAUNCH_TOKEN:
                return await launch_sender(work, token, secret_key=secret_key, now=now)
            found = await who(work, token, secret_key=secret_key, now=now)
        if found.caller.role is not Role.SERVER:
            raise NotAllowed(f"the role {found.caller.role.value!r} may not send events")
        return Sender(found.caller.school_id, found.credential_id)

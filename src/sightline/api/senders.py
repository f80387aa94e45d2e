"""Who sent a moment ago: spares the database one look-up for each request of a game that sends often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sightline.errors import NotAllowed
from sightline.pipeline.launching import launch_sender
from sightline.pipeline.senders import Sender
from sightline.pipeline.signing_in import who
from sightline.security.access import Role
from sightline.security.identity import CredentialKind, digest_of, kind_of
from sightline.security.launches import verify
from sightline.store.database import Store

KEPT = timedelta(seconds=5)
"""How long a yes is believed: an ended key or launch is refused everywhere within this time (promise S4)."""

MOST = 10_000
"""Senders remembered, about 500 bytes each: several large schools at once."""


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
        self, store: Store, secret_key: Callable[[], str], clock: Callable[[], datetime], *, most: int = MOST
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

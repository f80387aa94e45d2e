"""Credentials made, looked up and ended. A token is seen here in the clear once: when it is made."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sightline.errors import NotFound, NotSignedIn
from sightline.pipeline.launching import end_launch, live_launch
from sightline.security.access import Caller, Role
from sightline.security.identity import LIFETIME, TOKEN_BYTES, CredentialKind, digest_of, kind_of, token_of
from sightline.store import people
from sightline.store.credentials import Credential, add_credential, end_credential, live_credential
from sightline.store.database import Work

STAFF_KINDS = frozenset({CredentialKind.STAFF_SESSION, CredentialKind.ACCESS_TOKEN})


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who asks, and with which credential; for a launch the server key that made it, and its id."""

    caller: Caller
    credential_id: UUID
    launch_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """What a new credential is for, and which other one it ends with."""

    kind: CredentialKind
    school_id: UUID
    staff_id: UUID | None
    label: str
    made_with: UUID | None = None


async def issue(work: Work, wanted: NewCredential, *, secret_key: str, now: datetime) -> str:
    """Make a credential and return its token, which is stored nowhere."""
    token = token_of(wanted.kind, secrets.token_bytes(TOKEN_BYTES))
    lifetime = LIFETIME[wanted.kind]
    credential = Credential(
        credential_id=uuid4(),
        school_id=wanted.school_id,
        kind=wanted.kind,
        staff_id=wanted.staff_id,
        label=wanted.label,
        created_at=now,
        expires_at=None if lifetime is None else now + lifetime,
        made_with=wanted.made_with,
    )
    await add_credential(work, credential, digest_of(token, secret_key))
    return token


async def _live(
    work: Work, token: str, kinds: frozenset[CredentialKind], *, secret_key: str, now: datetime
) -> Credential:
    kind = kind_of(token)
    found = None
    if kind in kinds:
        found = await live_credential(work, kind, digest_of(token, secret_key), now)
    if found is None:
        raise NotSignedIn("this credential is not valid here, or no longer; sign in again or use a fresh key")
    return found


async def who(work: Work, token: str, *, secret_key: str, now: datetime) -> SignedIn:
    """The caller behind a bearer token or a session cookie. Raises NotSignedIn; a sign-in link is neither."""
    if kind_of(token) is CredentialKind.LAUNCH_TOKEN:
        launch = await live_launch(work, token, secret_key=secret_key, now=now)
        game = Caller(
            role=Role.LAUNCH,
            school_id=launch.school_id,
            staff_id=launch.launch_id,
            display_name=launch.game,  # never the student's name
            students=frozenset({launch.student_id}),
        )
        return SignedIn(game, launch.credential_id, launch.launch_id)
    credential = await _live(
        work, token, STAFF_KINDS | {CredentialKind.SERVER_KEY}, secret_key=secret_key, now=now
    )
    if credential.kind is CredentialKind.SERVER_KEY:
        server = Caller(
            role=Role.SERVER,
            school_id=credential.school_id,
            staff_id=credential.credential_id,
            display_name=credential.label,
        )
        return SignedIn(server, credential.credential_id)
    if credential.staff_id is None:
        raise NotSignedIn("this credential belongs to nobody")
    caller = await people.staff_caller(work, credential.school_id, credential.staff_id)
    if caller is None:
        raise NotSignedIn("this account is no longer there")
    return SignedIn(caller, credential.credential_id)


async def use_link(work: Work, token: str, *, secret_key: str, now: datetime) -> str:
    """Turn a sign-in link into a staff session, once. Raises NotSignedIn when it was used or is too old."""
    link = await _live(work, token, frozenset({CredentialKind.SIGN_IN_LINK}), secret_key=secret_key, now=now)
    if not await end_credential(work, link.school_id, link.credential_id, now):
        raise NotSignedIn("this sign-in link was used already; ask for a new one")
    session = NewCredential(
        kind=CredentialKind.STAFF_SESSION, school_id=link.school_id, staff_id=link.staff_id, label="browser"
    )
    return await issue(work, session, secret_key=secret_key, now=now)


async def link_owner(work: Work, token: str, *, secret_key: str, now: datetime) -> Caller:
    """Whose sign-in link this is, without using it. Raises NotSignedIn."""
    link = await _live(work, token, frozenset({CredentialKind.SIGN_IN_LINK}), secret_key=secret_key, now=now)
    caller = None if link.staff_id is None else await people.staff_caller(work, link.school_id, link.staff_id)
    if caller is None:
        raise NotSignedIn("this account is no longer there")
    return caller


async def begin_watching(work: Work, key: Caller, *, secret_key: str, now: datetime) -> str:
    """A developer session of the server key that `key_owner` found: it ends with that key, or in 8 hours."""
    session = NewCredential(
        kind=CredentialKind.DEVELOPER_SESSION,
        school_id=key.school_id,
        staff_id=None,
        label=key.display_name,
        made_with=key.staff_id,
    )
    return await issue(work, session, secret_key=secret_key, now=now)


async def key_owner(work: Work, key: str, *, secret_key: str, now: datetime) -> Caller:
    """The server whose key this is. Raises NotSignedIn for every other kind of credential."""
    if kind_of(key) is not CredentialKind.SERVER_KEY:
        raise NotSignedIn("this is no server key")
    return (await who(work, key, secret_key=secret_key, now=now)).caller


async def watcher(work: Work, token: str, *, secret_key: str, now: datetime) -> SignedIn:
    """Whoever watches events arrive with this developer session, which is no credential anywhere else.

    Raises NotSignedIn for every other kind, and when the session or its server key has ended.
    """
    session = await _live(
        work, token, frozenset({CredentialKind.DEVELOPER_SESSION}), secret_key=secret_key, now=now
    )
    if session.made_with is None:
        raise NotSignedIn("this session belongs to no server key")
    developer = Caller(
        role=Role.DEVELOPER,
        school_id=session.school_id,
        staff_id=session.made_with,
        display_name=session.label,
    )
    return SignedIn(developer, session.credential_id)


async def sign_out(work: Work, signed_in: SignedIn, now: datetime) -> None:
    """End the credential; of a launch the launch alone, and never the server key that made it."""
    if signed_in.launch_id is None:
        await end_credential(work, signed_in.caller.school_id, signed_in.credential_id, now)
    else:
        await end_launch(work, signed_in.caller.school_id, signed_in.launch_id, now)


async def issue_for_staff(
    work: Work, school_id: UUID, staff_id: UUID, kind: CredentialKind, *, secret_key: str, now: datetime
) -> str:
    """A sign-in link or access token for a member of staff. Raises NotFound for an unknown one."""
    if await people.staff_caller(work, school_id, staff_id) is None:
        raise NotFound("there is no member of staff with this id")
    wanted = NewCredential(kind=kind, school_id=school_id, staff_id=staff_id, label=kind.name.lower())
    return await issue(work, wanted, secret_key=secret_key, now=now)

"""Tokens: made from the system's randomness, shown once, stored as keyed digests only."""

from __future__ import annotations

import hmac
import zlib
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

COOKIE = "sightline_session"
"""Name of the cookie that holds a staff session."""

DEVELOPER_COOKIE = "sightline_developer"
"""Name of the cookie that holds a developer session; sent to ARRIVING and nowhere else."""

ARRIVING = "/arriving"
"""The page of a developer session, and all that lies below it."""

TOKEN_BYTES = 32
"""256 bits of randomness a token (NIST SP 800-63B asks for 64 at least)."""


class CredentialKind(StrEnum):
    """What a token is for; its prefix says so, and one kind is never taken for another."""

    SERVER_KEY = "sk"
    SIGN_IN_LINK = "sl"
    STAFF_SESSION = "ss"
    ACCESS_TOKEN = "at"  # noqa: S105 - a prefix, not a token
    LAUNCH_TOKEN = "lt"  # noqa: S105 - a prefix, not a token; signed, not stored: see `launches`
    DEVELOPER_SESSION = "ds"


LIFETIME: Mapping[CredentialKind, timedelta | None] = {
    CredentialKind.SERVER_KEY: None,
    CredentialKind.SIGN_IN_LINK: timedelta(minutes=15),
    CredentialKind.STAFF_SESSION: timedelta(hours=8),
    CredentialKind.ACCESS_TOKEN: timedelta(minutes=15),
    CredentialKind.DEVELOPER_SESSION: timedelta(hours=8),
}
"""Of credentials that are stored; a launch token says its own end."""


def token_of(kind: CredentialKind, randomness: bytes) -> str:
    """`sk_<hex>_<checksum>`: prefix and checksum let scanners find a leaked token without trying it."""
    return with_checksum(f"{kind.value}_{randomness.hex()}")


def with_checksum(body: str) -> str:
    """A token's body with the CRC-32 that every token ends with. It keeps nobody out; it spares look-ups."""
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def kind_of(token: str) -> CredentialKind | None:
    """The kind of a well-formed token, else None (no database is asked about anything else)."""
    body, _, _ = token.rpartition("_")
    prefix = body.partition("_")[0]
    if not body.isascii() or with_checksum(body) != token:
        return None
    return CredentialKind(prefix) if prefix in set(CredentialKind) else None


def digest_of(token: str, secret_key: str) -> bytes:
    """What is stored and looked up: HMAC-SHA256, so that a stolen database holds no usable token."""
    return hmac.digest(secret_key.encode(), token.encode(), "sha256")

"""Launch tokens: a student's game may send until a stated time. Signed, so that no token is stored.

`lt_<payload>_<signature>_<checksum>`, of letters, digits, "_" and "-" only, 128 characters: games put it into
addresses and into JSON. The payload holds 54 bytes: school, student and launch of 16 bytes each, expiry in
milliseconds since 1970 in 6 bytes. The signature is HMAC-SHA256 (RFC 2104) over a label and the text before it.
It is compared as text: there is one token for the same claims, and no second spelling of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sightline.errors import NotSignedIn
from sightline.security.identity import CredentialKind, kind_of, with_checksum

LABEL = b"sightline launch token 1\n"
"""What no other digest under the same secret begins with, so that none can stand in for a signature."""

LONGEST = timedelta(hours=8)
"""How long a launch token works at most: a school day."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
EXPIRY_BYTES = 6
"""2^48 milliseconds last until the year 10889."""

SHAPE = re.compile(r"(?P<signed>lt_(?P<payload>[A-Za-z0-9_-]{72}))_(?P<signature>[A-Za-z0-9_-]{43})_[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class LaunchClaims:
    """What a launch token says. `expires_at` has whole milliseconds; at that moment the token is over."""

    school_id: UUID
    student_id: UUID
    launch_id: UUID
    expires_at: datetime


def sign(claims: LaunchClaims, secret_key: str) -> str:
    """The token that says this; the same claims always give the same token."""
    expiry = (claims.expires_at - EPOCH) // MILLISECOND
    payload = b"".join(
        (
            claims.school_id.bytes,
            claims.student_id.bytes,
            claims.launch_id.bytes,
            expiry.to_bytes(EXPIRY_BYTES, "big"),
        )
    )
    signed = f"{CredentialKind.LAUNCH_TOKEN.value}_{_text(payload)}"
    return with_checksum(f"{signed}_{_signature(signed, secret_key)}")


def verify(token: str, secret_key: str, now: datetime) -> LaunchClaims:
    """What the token says. Whether its launch was ended is for the database to say.

    Raises NotSignedIn: `launch_invalid` for what this secret did not sign, `launch_expired` after its time.
    """
    found = SHAPE.fullmatch(token)
    if (
        found is None
        or kind_of(token) is not CredentialKind.LAUNCH_TOKEN
        or not hmac.compare_digest(found["signature"], _signature(found["signed"], secret_key))
    ):
        raise NotSignedIn("this launch token was not made here, or was changed", code="launch_invalid")
    payload = base64.urlsafe_b64decode(found["payload"])
    claims = LaunchClaims(
        school_id=UUID(bytes=payload[:16]),
        student_id=UUID(bytes=payload[16:32]),
        launch_id=UUID(bytes=payload[32:48]),
        expires_at=EPOCH + int.from_bytes(payload[48:], "big") * MILLISECOND,
    )
    if claims.expires_at <= now:
        raise NotSignedIn("this launch is over its time; launch the game again", code="launch_expired")
    return claims


def _signature(signed: str, secret_key: str) -> str:
    return _text(hmac.new(secret_key.encode(), LABEL + signed.encode(), hashlib.sha256).digest())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")

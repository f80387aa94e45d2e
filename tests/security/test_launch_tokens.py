"""A launch token says what it was signed to say, until it is over; anything else is refused."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import NotSignedIn
from sightline.security.access import Act, Caller, Role, may
from sightline.security.identity import CredentialKind, digest_of, kind_of, with_checksum
from sightline.security.launches import MILLISECOND, LaunchClaims, sign, verify

SECRET = secrets.token_hex(32)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LAUNCH = LaunchClaims(uuid4(), uuid4(), uuid4(), NOW + timedelta(hours=8))
TOKEN = sign(LAUNCH, SECRET)

some_claims = st.builds(
    LaunchClaims,
    st.uuids(),
    st.uuids(),
    st.uuids(),
    st.integers(min_value=1, max_value=8 * 3600 * 1000).map(lambda ms: NOW + ms * MILLISECOND),
)


def refusal(token: str, *, secret: str = SECRET, now: datetime = NOW) -> str:
    with pytest.raises(NotSignedIn) as refused:
        verify(token, secret, now)
    return refused.value.code


@given(claims=some_claims)
def test_a_token_says_what_was_signed_in_characters_that_addresses_and_json_take(claims: LaunchClaims) -> None:
    token = sign(claims, SECRET)
    assert verify(token, SECRET, NOW) == claims
    assert sign(claims, SECRET) == token
    assert re.fullmatch(r"[A-Za-z0-9_-]{128}", token)
    assert kind_of(token) is CredentialKind.LAUNCH_TOKEN


@pytest.mark.parametrize("mended", [False, True], ids=["as it is", "with its checksum made right again"])
def test_with_any_bit_flipped_a_token_is_refused(mended: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    body, _, check = TOKEN.rpartition("_")
    for place in range(len(body)):
        for bit in range(8):
            other = body[:place] + chr(ord(body[place]) ^ 1 << bit) + body[place + 1 :]
            assert refusal(with_checksum(other) if mended else f"{other}_{check}") == "launch_invalid"


@given(claims=some_claims, after=st.integers(min_value=0, max_value=10**9))
def test_at_its_end_and_after_a_token_is_refused(claims: LaunchClaims, after: int) -> None:
    token = sign(claims, SECRET)
    assert verify(token, SECRET, claims.expires_at - MILLISECOND) == claims
    assert refusal(token, now=claims.expires_at + after * MILLISECOND) == "launch_expired"
    assert refusal(token, now=claims.expires_at + timedelta(seconds=1)) == "launch_expired"


@given(claims=some_claims)
def test_a_token_of_another_secret_is_refused_even_when_it_is_over(claims: LaunchClaims) -> None:
    token = sign(claims, secrets.token_hex(32))
    assert refusal(token) == "launch_invalid"
    assert refusal(token, now=claims.expires_at) == "launch_invalid"


@given(
    text=st.text(max_size=200) | st.from_regex(r"\Alt_[A-Za-z0-9_-]{72}_[A-Za-z0-9_-]{43}\Z").map(with_checksum)
)
def test_what_was_never_signed_is_refused(text: str) -> None:
    assert refusal(text) == "launch_invalid"


def test_a_digest_that_is_stored_is_no_signature() -> None:
    signed = TOKEN[: 3 + 72]
    assert digest_of(signed, SECRET) != digest_of(TOKEN, SECRET)
    with_digest = sign(LAUNCH, SECRET).replace(TOKEN[76:119], digest_of(signed, SECRET).hex()[:43])
    assert refusal(with_checksum(with_digest.rpartition("_")[0])) == "launch_invalid"


@given(act=st.sampled_from(Act), other=st.uuids(), school=st.uuids())
def test_a_launch_may_send_events_of_its_student_and_nothing_else(act: Act, other: UUID, school: UUID) -> None:
    own = frozenset({LAUNCH.student_id})
    game = Caller(Role.LAUNCH, LAUNCH.school_id, LAUNCH.launch_id, "JUSThink", students=own)
    assert may(game, act, school_id=LAUNCH.school_id, students=own) == (act is Act.SEND_EVENTS)
    assert not may(game, act, school_id=LAUNCH.school_id, students=own | {other})
    assert not may(game, act, school_id=LAUNCH.school_id, students=frozenset({other}))
    assert not may(game, act, school_id=LAUNCH.school_id, students=own, class_id=other)
    assert not may(game, act, school_id=school, students=own)

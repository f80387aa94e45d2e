"""Keys that name a person: events carry none, so they are found in whatever spelling a game uses."""

from __future__ import annotations

import re
from itertools import pairwise

PERSONAL_TOKENS = frozenset(
    re.findall(
        r"\w+",
        """
        email mail phone telephone mobile address birth birthday dob birthdate surname lastname firstname fullname
        username nickname
        """,
    )
)
"""Words that make a key personal wherever they stand in it."""

PERSON_BEFORE_NAME = frozenset(
    re.findall(
        r"\w+",
        """
        first last full user player student child nick display given family middle maiden parent guardian teacher
        real
        """,
    )
)
"""Words that make a following `name` the name of a person."""

_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

KEPT_KEYS = 20_000
"""Most keys that are remembered as harmless; games have some hundreds, an attacker any number."""

harmless: set[str] = set()
"""Keys that were found to name nobody."""


def is_personal(key: str) -> bool:
    """A key named like a name, an e-mail, a phone, an address or a birth date, in any spelling."""
    if key in harmless:
        return False
    tokens = [t.lower() for t in _TOKEN.findall(key)]
    personal = (
        tokens == ["name"]
        or any(token in PERSONAL_TOKENS for token in tokens)
        or any(a in PERSON_BEFORE_NAME and b == "name" for a, b in pairwise(tokens))
    )
    if not personal and len(harmless) < KEPT_KEYS:
        harmless.add(key)
    return personal

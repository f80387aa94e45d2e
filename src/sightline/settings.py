"""The only reader of the environment. Nothing that is secret has a default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import platformdirs

from sightline.errors import SettingsRefused

MINIMUM_SECRET = 32
"""Characters; 64 hex digits are what the message offers, 32 are the least that is taken."""

MINIMUM_DISTINCT = 8
"""Different characters; 32 random hex digits have fewer in less than one of a million cases."""

PUBLISHED = ("changeme", "change-me", "secret", "password", "insecure", "default", "example", "sightline", "your-")
"""Pieces of secrets that stand in tutorials and templates."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the program was told.

    data_dir: where the embedded database and its files live; database_url: a server of one's own, None for the
    embedded one; secret_key: keys the digests of all tokens; public_url: the address people use.
    """

    data_dir: Path
    database_url: str | None
    secret_key: str | None = field(repr=False)
    public_url: str

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https://")

    def checked_secret(self) -> str:
        return check_secret(self.secret_key, "SIGHTLINE_SECRET_KEY")


def check_secret(secret: str | None, setting: str) -> str:
    """The secret itself when it may be used. Raises SettingsRefused that names the setting and what to do."""
    how = f'make one with: python3 -c "import secrets; print(secrets.token_hex(32))" and set {setting}'
    if not secret:
        raise SettingsRefused(f"{setting} is not set and has no default; {how}")
    if len(secret) < MINIMUM_SECRET:
        raise SettingsRefused(f"{setting} is shorter than {MINIMUM_SECRET} characters; {how}")
    if any(piece in secret.lower() for piece in PUBLISHED) or len(set(secret)) < MINIMUM_DISTINCT:
        raise SettingsRefused(f"{setting} is guessable or published; {how}")
    return secret


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from SIGHTLINE_* variables. Raises SettingsRefused for a value that cannot be meant.

    SIGHTLINE_DATA_DIR, SIGHTLINE_DATABASE_URL, SIGHTLINE_SECRET_KEY or SIGHTLINE_SECRET_KEY_FILE,
    SIGHTLINE_PUBLIC_URL.
    """
    data_dir = environment.get("SIGHTLINE_DATA_DIR")
    public_url = environment.get("SIGHTLINE_PUBLIC_URL", "http://127.0.0.1:8460").rstrip("/")
    parts = _parsed(public_url, "SIGHTLINE_PUBLIC_URL")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsRefused(f"SIGHTLINE_PUBLIC_URL is not an http address: {public_url}")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingsRefused(
            "SIGHTLINE_PUBLIC_URL must begin with https:// outside this machine: pupils' records travel over it"
        )
    database_url = environment.get("SIGHTLINE_DATABASE_URL") or None
    if database_url is not None and _parsed(database_url, "SIGHTLINE_DATABASE_URL").scheme.partition("+")[
        0
    ] not in {
        "postgresql",
        "postgres",
    }:
        raise SettingsRefused(
            "SIGHTLINE_DATABASE_URL must begin with postgresql:// (no other database is supported)"
        )
    return Settings(
        data_dir=Path(data_dir).expanduser() if data_dir else platformdirs.user_data_path("sightline"),
        database_url=database_url,
        secret_key=_secret(environment),
        public_url=public_url,
    )


def _parsed(url: str, setting: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as problem:
        raise SettingsRefused(f"{setting} is not an address: {problem}") from problem
    return parts


def _secret(environment: Mapping[str, str]) -> str | None:
    path = environment.get("SIGHTLINE_SECRET_KEY_FILE")
    if not path:
        return environment.get("SIGHTLINE_SECRET_KEY") or None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsRefused(f"SIGHTLINE_SECRET_KEY_FILE cannot be read: {problem}") from problem

"""The only reader of the environment. Nothing that is secret has a default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import platformdirs

from sightline.errors import SettingsRefused

ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:(?P<port>[1-9][0-9]{0,4}))?"
)
"""RFC 6454, section 6.2, as browsers write it; other alphabets in their ASCII form."""

MINIMUM_SECRET = 32
"""Characters; 64 hex digits are what the message offers, 32 are the least that is taken."""

MINIMUM_DISTINCT = 8
"""Different characters; 32 random hex digits have fewer in less than one of a million cases."""

PUBLISHED = ("changeme", "change-me", "secret", "password", "insecure", "default", "example", "sightline", "your-")
"""Pieces of secrets that stand in tutorials and templates."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

MOST_REQUESTS = 1_000_000
"""A minute: above what one process can answer, so a limit over it is a slip of the hand."""


class LimitKind(StrEnum):
    """What is limited, each by itself: requests a minute of one launch, of one server key, of one who signs in."""

    LAUNCH_EVENTS = "launch.events"
    LAUNCH_BATCHES = "launch.batches"
    SERVER_EVENTS = "server.events"
    SERVER_BATCHES = "server.batches"
    SIGN_IN = "signin"


DEFAULT_LIMITS: Mapping[LimitKind, int] = {
    LimitKind.LAUNCH_EVENTS: 100,
    LimitKind.LAUNCH_BATCHES: 10,
    LimitKind.SERVER_EVENTS: 6_000,
    LimitKind.SERVER_BATCHES: 600,
    LimitKind.SIGN_IN: 10,
}
"""Requests a minute, from the HTTP contract: a game that sends every 6 seconds, and 60 of them behind one key."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the program was told.

    data_dir: where the embedded database and its files live; database_url: a server of one's own, None for the
    embedded one; secret_key: keys the digests of all tokens; public_url: the address people use; limits: requests
    a minute; redis_url: where they are counted, None for the memory of each process; cors_origins: pages of other
    sites that may send events; metrics_token: what Prometheus must send, None for this machine only;
    metrics_folder: where several server processes keep their numbers together.
    """

    data_dir: Path
    database_url: str | None
    secret_key: str | None = field(repr=False)
    public_url: str
    limits: Mapping[LimitKind, int] = field(default_factory=lambda: DEFAULT_LIMITS)
    redis_url: str | None = field(default=None, repr=False)
    cors_origins: tuple[str, ...] = ()
    metrics_token: str | None = field(default=None, repr=False)
    metrics_folder: Path | None = None

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https://")

    def checked_secret(self) -> str:
        return check_secret(self.secret_key, "SIGHTLINE_SECRET_KEY")


@lru_cache(maxsize=4)
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
    SIGHTLINE_PUBLIC_URL, SIGHTLINE_LIMITS, SIGHTLINE_REDIS_URL, SIGHTLINE_CORS_ORIGINS,
    SIGHTLINE_METRICS_TOKEN.
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
        limits=_limits(environment.get("SIGHTLINE_LIMITS", "")),
        redis_url=_redis(environment.get("SIGHTLINE_REDIS_URL", "")),
        cors_origins=_origins(environment.get("SIGHTLINE_CORS_ORIGINS", "")),
        metrics_folder=Path(folder) if (folder := environment.get("PROMETHEUS_MULTIPROC_DIR")) else None,
        metrics_token=_metrics_token(environment.get("SIGHTLINE_METRICS_TOKEN", "")),
    )


def _limits(stated: str) -> Mapping[LimitKind, int]:
    """The limits with those replaced that are stated, like `launch.events=100,signin=10`."""
    found: dict[LimitKind, int] = {}
    for item in filter(None, (piece.strip() for piece in stated.split(","))):
        name, _, number = (piece.strip() for piece in item.partition("="))
        if name not in set(LimitKind) or LimitKind(name) in found:
            raise SettingsRefused(f"SIGHTLINE_LIMITS: {item!r} names none of {', '.join(LimitKind)}, or one twice")
        if not re.fullmatch("[0-9]{1,7}", number) or not 1 <= int(number) <= MOST_REQUESTS:
            raise SettingsRefused(f"SIGHTLINE_LIMITS: {item!r} needs a number from 1 to {MOST_REQUESTS}, a minute")
        found[LimitKind(name)] = int(number)
    return {**DEFAULT_LIMITS, **found}


def _metrics_token(stated: str) -> str | None:
    return check_secret(stated, "SIGHTLINE_METRICS_TOKEN") if stated else None


def _redis(url: str) -> str | None:
    """The address of a Redis. What is refused is not repeated: the address may hold a password."""
    if not url:
        return None
    parts = _parsed(url, "SIGHTLINE_REDIS_URL")
    if (
        parts.scheme not in {"redis", "rediss"}
        or not parts.hostname
        or not re.fullmatch("/?[0-9]*", parts.path)
        or parts.query
        or parts.fragment
    ):
        raise SettingsRefused(
            "SIGHTLINE_REDIS_URL must look like redis://:password@host:6379/0, or rediss:// for TLS, and no more"
        )
    return url


def _origins(stated: str) -> tuple[str, ...]:
    """Origins as browsers send them."""
    found = tuple(piece.strip() for piece in stated.split(",") if piece.strip())
    for origin in found:
        shape = ORIGIN.fullmatch(origin)
        default_port = {"https": "443", "http": "80"}
        if shape is None or shape["port"] == default_port[shape["scheme"]]:
            raise SettingsRefused(
                f"SIGHTLINE_CORS_ORIGINS: {origin!r} is no exact origin. Write it as browsers send it, like "
                "https://games.example.org or https://games.example.org:8443: small letters, no path, no *"
            )
        if shape["scheme"] == "http" and shape["host"].strip("[]") not in LOOPBACK:
            raise SettingsRefused(
                f"SIGHTLINE_CORS_ORIGINS: {origin!r} must begin with https:// outside this machine: launch tokens "
                "travel to its pages"
            )
    return found


def _parsed(url: str, setting: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # what Python says of it may repeat a piece of a password, so it goes no further
        raise SettingsRefused(f"{setting} is not an address: look at its host and its port") from None
    return parts


def _secret(environment: Mapping[str, str]) -> str | None:
    path = environment.get("SIGHTLINE_SECRET_KEY_FILE")
    if not path:
        return environment.get("SIGHTLINE_SECRET_KEY") or None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsRefused(f"SIGHTLINE_SECRET_KEY_FILE cannot be read: {problem}") from problem

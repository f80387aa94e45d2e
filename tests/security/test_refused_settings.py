"""What cannot be meant is refused at the start, and says what to write instead without repeating a secret."""

from __future__ import annotations

import pytest

from sightline.errors import SettingsRefused
from sightline.settings import DEFAULT_LIMITS, LimitKind, read_settings


def refusal(**environment: str) -> str:
    with pytest.raises(SettingsRefused) as refused:
        read_settings({f"SIGHTLINE_{name}": value for name, value in environment.items()})
    return refused.value.detail


def test_without_settings_the_limits_are_those_of_the_contract_and_no_other_site_is_let_in() -> None:
    settings = read_settings({})
    assert settings.limits == DEFAULT_LIMITS
    assert (settings.redis_url, settings.cors_origins) == (None, ())
    stated = {kind.value: number for kind, number in DEFAULT_LIMITS.items()}
    assert stated == {
        "launch.events": 100,
        "launch.batches": 10,
        "server.events": 6000,
        "server.batches": 600,
        "signin": 10,
    }


def test_stated_limits_replace_their_own_kind_only() -> None:
    limits = read_settings({"SIGHTLINE_LIMITS": " launch.events = 5 ,signin=1000000,"}).limits
    assert limits == {**DEFAULT_LIMITS, LimitKind.LAUNCH_EVENTS: 5, LimitKind.SIGN_IN: 1_000_000}


@pytest.mark.parametrize(
    "stated",
    [
        "launch.events",
        "launch.events=",
        "launch.events=0",
        "launch.events=-1",
        "launch.events=1.5",
        "launch.events=1000001",
        "launch.events=ten",
        "launch.events=٣",
        "launches=5",
        "signin=1,signin=2",
        "signin=1=2",
        "signin=1;server.events=2",
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(stated: str) -> None:
    assert "SIGHTLINE_LIMITS" in refusal(LIMITS=stated)


@pytest.mark.parametrize(
    "url",
    ["redis://127.0.0.1", "redis://:hush-hush@10.0.0.5:6379/2", "rediss://one:hush-hush@redis.school.example"],
)
def test_a_redis_address_is_taken_and_never_printed(url: str) -> None:
    settings = read_settings({"SIGHTLINE_REDIS_URL": url})
    assert settings.redis_url == url
    assert "redis" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "http://:hush-hush@127.0.0.1",
        "127.0.0.1:6379",
        "redis://",
        "redis://:hush-hush@/0",
        "redis://:hush-hush@127.0.0.1:port",
        "redis://:hush/hush@127.0.0.1",
        "redis://:hush-hush@127.0.0.1/0?ssl_cert_reqs=none",
        "redis://:hush-hush@127.0.0.1/keys",
        "redis://:hush-hush@127.0.0.1/0#hush",
        "unix:///hush.sock",
    ],
)
def test_another_address_is_refused_without_being_repeated(url: str) -> None:
    detail = refusal(REDIS_URL=url)
    assert "SIGHTLINE_REDIS_URL" in detail
    assert "hush" not in detail


def test_the_password_of_a_database_is_not_repeated_either() -> None:
    assert "hush" not in refusal(DATABASE_URL="postgresql://sightline:hush/hush@127.0.0.1/sightline")


def test_origins_are_taken_as_browsers_send_them() -> None:
    stated = "https://games.example.org, http://127.0.0.1:8080,http://[::1]:5173,https://xn--spie-loa.example:8443"
    assert read_settings({"SIGHTLINE_CORS_ORIGINS": stated}).cors_origins == tuple(
        piece.strip() for piece in stated.split(",")
    )


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "https://*",
        "https://*.example.org",
        "null",
        "games.example.org",
        "https://games.example.org/",
        "https://games.example.org/play",
        "https://Games.example.org",
        "https://games.example.org:443",
        "http://localhost:80",
        "https://one@games.example.org",
        "https://spieß.example",
        "http://games.example.org",
        "file://games.example.org",
        "https://games.example.org https://evil.example",
    ],
)
def test_an_origin_that_is_not_exact_or_not_safe_is_refused(origin: str) -> None:
    assert "SIGHTLINE_CORS_ORIGINS" in refusal(CORS_ORIGINS=origin)

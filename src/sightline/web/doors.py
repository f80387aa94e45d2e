"""The session cookies, what a form said, and how it proves that it is our own."""

from __future__ import annotations

from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import Response

from sightline.errors import NotAllowed
from sightline.security.access import from_our_pages
from sightline.security.identity import (
    ARRIVING,
    COOKIE,
    DEVELOPER_COOKIE,
    LIFETIME,
    CredentialKind,
    digest_of,
    kind_of,
)
from sightline.settings import Settings


def session_token(request: Request) -> str | None:
    """The token of the session cookie; other kinds of credentials are not taken from a cookie."""
    token = request.cookies.get(COOKIE, "")
    return token if kind_of(token) is CredentialKind.STAFF_SESSION else None


def set_session(response: Response, token: str, settings: Settings) -> None:
    """Give a browser its session for as long as the session lives."""
    lifetime = LIFETIME[CredentialKind.STAFF_SESSION]
    response.set_cookie(
        COOKIE,
        token,
        max_age=None if lifetime is None else int(lifetime.total_seconds()),
        path="/",
        secure=settings.secure_cookies,
        httponly=True,
        samesite="strict",
    )


def drop_session(response: Response, settings: Settings) -> None:
    response.delete_cookie(COOKIE, path="/", secure=settings.secure_cookies, httponly=True, samesite="strict")


def developer_token(request: Request) -> str | None:
    """The token of the developer session's cookie; other kinds of credentials are not taken from it."""
    token = request.cookies.get(DEVELOPER_COOKIE, "")
    return token if kind_of(token) is CredentialKind.DEVELOPER_SESSION else None


def set_developer_session(response: Response, token: str, settings: Settings) -> None:
    """Give a browser its developer session, to be sent back to ARRIVING only."""
    lifetime = LIFETIME[CredentialKind.DEVELOPER_SESSION]
    response.set_cookie(
        DEVELOPER_COOKIE,
        token,
        max_age=None if lifetime is None else int(lifetime.total_seconds()),
        path=ARRIVING,
        secure=settings.secure_cookies,
        httponly=True,
        samesite="strict",
    )


def drop_developer_session(response: Response, settings: Settings) -> None:
    response.delete_cookie(
        DEVELOPER_COOKIE, path=ARRIVING, secure=settings.secure_cookies, httponly=True, samesite="strict"
    )


def address(request: Request) -> str:
    """Where a request came from; behind a proxy on this machine the server has put in what the proxy says."""
    return "" if request.client is None else request.client.host


async def field(request: Request, name: str) -> str:
    """One text field of a form; empty when it is missing or a file."""
    async with request.form(max_files=0, max_fields=4, max_part_size=4096) as form:
        value = form.get(name, "")
    return value if isinstance(value, str) else ""


def check_same_site(request: Request, settings: Settings) -> None:
    """Raises NotAllowed for a form that did not come from our own pages, or does not say where from."""
    if not from_our_pages(request.headers, settings.public_url):
        raise NotAllowed("This form was sent from another site, so nothing was done.", code="cross_site")


def form_token(session: str, settings: Settings) -> str:
    """What the sign-out form of one session carries: no other site can know it."""
    return digest_of(f"sign-out form of {session}", settings.checked_secret()).hex()


def check_form_token(given: str, session: str, settings: Settings) -> None:
    """Raises NotAllowed for a token that is not this session's."""
    if not compare_digest(given.encode(), form_token(session, settings).encode()):
        raise NotAllowed("This form is too old. Go back, load the page again and repeat.", code="form_token")

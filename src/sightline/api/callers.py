"""Who asks: a bearer token, or the session cookie of the pages for requests that come from them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import Request

from sightline.errors import NotAllowed, NotSignedIn
from sightline.pipeline.gathering import Gatherer
from sightline.pipeline.limiting import Limiter, limiter_of
from sightline.pipeline.senders import Sender, SenderCache
from sightline.pipeline.signing_in import SignedIn, who
from sightline.security.access import Caller, Role, from_our_pages
from sightline.security.identity import COOKIE, CredentialKind, kind_of
from sightline.settings import Settings
from sightline.store.database import Store, Work

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Doors:
    """What the routes reach: the store and the settings of this process, who sent a moment ago, and how often."""

    store: Store
    settings: Settings
    senders: SenderCache
    gatherer: Gatherer
    limiter: Limiter


def open_doors(store: Store, settings: Settings) -> Doors:
    """All that a process needs to let requests in; one each process, shared by API and pages."""
    return Doors(
        store, settings, SenderCache(store, settings.checked_secret), Gatherer(store), limiter_of(settings)
    )


def doors(request: Request) -> Doors:
    found: Doors = request.app.state.doors
    return found


def now() -> datetime:
    return datetime.now(UTC)


def token_of(request: Request) -> str:
    """The token a request came with; no database is asked.

    Raises NotSignedIn when there is none, and NotAllowed for a cookie sent from another site.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        token = request.cookies.get(COOKIE, "")
        if kind_of(token) is not CredentialKind.STAFF_SESSION:
            raise NotSignedIn("send a credential: Authorization: Bearer <key or token>")
        if request.method not in SAFE:
            _same_site(request, doors(request).settings)
    return token.strip()


async def signed_in(request: Request, work: Work, *, launches: bool = False) -> SignedIn:
    """The caller of a request. A launch is a caller only of routes that say so: it is there to send events.

    Raises NotSignedIn, and NotAllowed for a launch elsewhere and for a cookie sent from another site.
    """
    secret_key = doors(request).settings.checked_secret()
    found = await who(work, token_of(request), secret_key=secret_key, now=now())
    if found.caller.role is Role.LAUNCH and not launches:
        raise NotAllowed("a launch token sends events of its student, and reads what became of them; no more")
    return found


async def caller(request: Request, work: Work) -> Caller:
    return (await signed_in(request, work)).caller


async def sender(request: Request) -> Sender:
    """Who sends events: the bearer of the request. Raises NotSignedIn, and NotAllowed for staff."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn("send a credential: Authorization: Bearer <server key or launch token>")
    return await doors(request).senders.sender(token.strip())


async def beacon_sender(request: Request, token: str | None) -> Sender:
    """Who sends events in a request without the header: the launch whose token the batch holds, nobody else."""
    if token is None or kind_of(token) is not CredentialKind.LAUNCH_TOKEN:
        raise NotSignedIn("send a credential: Authorization: Bearer <server key or launch token>")
    return await doors(request).senders.sender(token)


def _same_site(request: Request, settings: Settings) -> None:
    """A browser says where a request comes from; only our own pages may change anything with the cookie."""
    if not from_our_pages(request.headers, settings.public_url):
        raise NotAllowed("this request came from another site", code="cross_site")

"""The page of a server key, for whoever builds a game: signing in with the key, and what arrives with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from sightline.errors import NotSignedIn
from sightline.pipeline import signing_in, watching
from sightline.pipeline.limiting import Limiter, sign_in_key
from sightline.pipeline.signing_in import SignedIn
from sightline.security.identity import ARRIVING, DEVELOPER_COOKIE
from sightline.security.page_policy import OWN_SCRIPT
from sightline.settings import LimitKind, Settings
from sightline.store.database import Store, Work
from sightline.web import doors
from sightline.web.arriving_page import ArrivingPage, arriving_page
from sightline.web.layout import Layout

NO_KEY = "This is no server key, or it was ended. A server key begins with sk_ and has 76 characters."
OVER = "You were signed out: a session lasts 8 hours, and ends with its server key. Sign in again."


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look found, and the mark that tells the next look what is new since."""

    shown: ArrivingPage
    mark: str


class Arriving:
    """The handlers; each opens its transaction and answers after its end.

    A developer session opens these and nothing else; no other session, token or cookie opens these.
    """

    def __init__(self, store: Store, settings: Settings, layout: Layout, limiter: Limiter) -> None:
        self.store, self.settings, self.layout, self.limiter = store, settings, layout, limiter

    def routes(self) -> list[Route]:
        return [
            Route(ARRIVING, self.page),
            Route(ARRIVING, self.sign_in, methods=["POST"]),
            Route(f"{ARRIVING}/rows", self.rows),
            Route(f"{ARRIVING}/signout", self.sign_out, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """What arrived; the form to sign in without a session, or with one that is over."""
        token = doors.developer_token(request)
        now = datetime.now(UTC)
        try:
            async with self.store.work() as work:
                developer = await self.watcher(work, token, now)
                look = await _look(work, developer, now)
        except NotSignedIn:
            over = DEVELOPER_COOKIE in request.cookies
            answer = self.form(OVER if over else "")
            if over:
                doors.drop_developer_session(answer, self.settings)
            return answer
        context = {
            "label": developer.caller.display_name,
            "form_token": doors.form_token(token or "", self.settings),
            **self.shown(look, now),
        }
        return self.layout.page("arriving.html", context, headers={"Content-Security-Policy": OWN_SCRIPT})

    async def rows(self, request: Request) -> Response:
        """The part of the page that changes; 304 while nothing new came since the mark that the asker has.

        403 in words when the session is over: a script asks, and it is sent nowhere else.
        """
        now = datetime.now(UTC)
        stated = request.headers.get("if-none-match", "").removeprefix("W/").strip('"')
        known = watching.read_mark(stated, now)
        try:
            async with self.store.work() as work:
                developer = await self.watcher(work, doors.developer_token(request), now)
                if known is not None and not await watching.anything_new(work, developer.caller, known):
                    mark = await watching.marked(work, developer.caller, now)
                    return Response(status_code=304, headers={"ETag": f'"{mark}"'})
                look = await _look(work, developer, now)
        except NotSignedIn:
            return PlainTextResponse(OVER, status_code=403)
        return self.layout.page("arrivals.html", self.shown(look, now), headers={"ETag": f'"{look.mark}"'})

    async def sign_in(self, request: Request) -> Response:
        """A session for a server key. Keys that are none are limited among themselves, as links are."""
        doors.check_same_site(request, self.settings)
        key = (await doors.field(request, "key")).strip()
        secret_key, now = self.settings.checked_secret(), datetime.now(UTC)
        came_from = doors.address(request)
        async with self.store.work() as work:
            try:
                owner = await signing_in.key_owner(work, key, secret_key=secret_key, now=now)
            except NotSignedIn:
                await self.limiter.admit(LimitKind.SIGN_IN, sign_in_key("nobody", came_from))
                return self.form(NO_KEY, status=403)
            await self.limiter.admit(LimitKind.SIGN_IN, sign_in_key(str(owner.staff_id), came_from))
            session = await signing_in.begin_watching(work, owner, secret_key=secret_key, now=now)
        answer = RedirectResponse(ARRIVING, status_code=303)
        doors.set_developer_session(answer, session, self.settings)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session, never its server key."""
        doors.check_same_site(request, self.settings)
        token = doors.developer_token(request)
        answer = RedirectResponse(ARRIVING, status_code=303)
        doors.drop_developer_session(answer, self.settings)
        if token is None:
            return answer
        doors.check_form_token(await doors.field(request, "form_token"), token, self.settings)
        now = datetime.now(UTC)
        try:
            async with self.store.work() as work:
                await signing_in.sign_out(work, await self.watcher(work, token, now), now)
        except NotSignedIn:
            return answer  # it is over already
        return answer

    async def watcher(self, work: Work, token: str | None, now: datetime) -> SignedIn:
        """Who watches. Raises NotSignedIn without a session that works."""
        if token is None:
            raise NotSignedIn("sign in with a server key first")
        return await signing_in.watcher(work, token, secret_key=self.settings.checked_secret(), now=now)

    def form(self, problem: str, *, status: int = 200) -> Response:
        return self.layout.page("arriving_signin.html", {"problem": problem}, status=status)

    def shown(self, look: _Look, now: datetime) -> dict[str, object]:
        """What the part that changes is made from; the example of a first event has ids of its own each time."""
        return {
            "shown": look.shown,
            "mark": look.mark,
            "public_url": self.settings.public_url,
            "example": {"event_id": uuid4(), "session_id": uuid4(), "at": now.replace(microsecond=0).isoformat()},
        }


async def _look(work: Work, developer: SignedIn, now: datetime) -> _Look:
    """The mark is made first: what is committed between the two is shown now and taken for news once."""
    mark = await watching.marked(work, developer.caller, now)
    return _Look(arriving_page(await watching.arrivals(work, developer.caller, now)), str(mark))

"""The pages: routes, who asks, and the pages of errors. One request is one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sightline.errors import DatabaseUnavailable, NotAllowed, NotFound, NotSignedIn, TooMany
from sightline.pipeline import signing_in
from sightline.pipeline.limiting import Limiter, limiter_of, sign_in_key
from sightline.pipeline.reading import Purpose, class_view, student_view
from sightline.security.access import Caller, Role, visible_classes
from sightline.security.identity import ARRIVING, COOKIE
from sightline.settings import LimitKind, Settings
from sightline.store import people
from sightline.store.database import Store, Work
from sightline.store.people import ClassRoll, School
from sightline.web import doors
from sightline.web.arriving import Arriving
from sightline.web.class_page import class_page
from sightline.web.layout import Dated, Frame, Layout
from sightline.web.reference import described
from sightline.web.student_page import student_page

TEACHING = "teaching"
"""Why people look at these pages, as it is written into the disclosure log."""

RETRY_SECONDS = "5"

NOT_HERE = "There is nothing at this address, or it is not one of yours."


def app(store: Store, settings: Settings, openapi: Mapping[str, Any], limiter: Limiter | None = None) -> Starlette:
    """All pages as one application, to be mounted at "/"; `openapi` is what the API says of itself.

    `limiter` counts sign-ins; one of its own when it shares none. Security headers are set around it. Raises
    SettingsRefused when the secret may not be used.
    """
    settings.checked_secret()
    layout, counting = Layout(), limiter or limiter_of(settings)
    pages = _Pages(store, settings, openapi, layout, counting)
    return Starlette(
        routes=[
            Route("/", pages.classes),
            Route("/classes/{class_id:uuid}", pages.one_class),
            Route("/students/{student_id:uuid}", pages.student),
            Route("/signin", pages.sign_in_form),
            Route("/signin", pages.sign_in, methods=["POST"]),
            Route("/signout", pages.sign_out, methods=["POST"]),
            Route("/docs", pages.reference),
            Route("/static/{name}", pages.static),
            *Arriving(store, settings, layout, counting).routes(),
            Route("/{anything:path}", pages.nothing),
        ],
        exception_handlers={
            NotSignedIn: pages.on_not_signed_in,
            NotAllowed: pages.on_not_allowed,
            NotFound: pages.on_not_found,
            TooMany: pages.on_too_many,
            HTTPException: pages.on_http_error,
            DatabaseUnavailable: pages.on_database_unavailable,
            Exception: pages.on_error,
        },
    )


@dataclass(frozen=True, slots=True)
class _Visit:
    """One request of somebody signed in: the transaction, who it is, and what stands around the page."""

    work: Work
    caller: Caller
    frame: Frame
    now: datetime


class _Pages:
    """The handlers; each opens its transaction and answers after its end."""

    def __init__(
        self, store: Store, settings: Settings, openapi: Mapping[str, Any], layout: Layout, limiter: Limiter
    ) -> None:
        self.store, self.settings, self.layout, self.limiter = store, settings, layout, limiter
        self.tags = described(openapi)

    async def reference(self, request: Request) -> Response:
        """Open to everybody: it describes routes and no person."""
        del request
        return self.layout.page("reference.html", {"tags": self.tags})

    @asynccontextmanager
    async def visit(self, request: Request) -> AsyncIterator[_Visit]:
        """The transaction of a request with a session. Raises NotSignedIn without one."""
        token = doors.session_token(request)
        if token is None:
            raise NotSignedIn("sign in first")
        now = datetime.now(UTC)
        async with self.store.work() as work:
            signed_in = await signing_in.who(work, token, secret_key=self.settings.checked_secret(), now=now)
            school = await _school(work, signed_in.caller.school_id)
            frame = Frame(school, signed_in.caller, doors.form_token(token, self.settings))
            request.state.frame = frame  # pages of errors stand in the same frame
            yield _Visit(work, signed_in.caller, frame, now)

    async def classes(self, request: Request) -> Response:
        async with self.visit(request) as visit:
            rolls = await people.class_rolls(visit.work, visit.caller.school_id)
            context = {"classes": _own(visit.caller, rolls), "teacher": visit.caller.role is Role.TEACHER}
        return self.layout.page("classes.html", context, frame=visit.frame)

    async def one_class(self, request: Request) -> Response:
        class_id: UUID = request.path_params["class_id"]
        async with self.visit(request) as visit:
            view = await class_view(visit.work, visit.caller, class_id, Purpose(TEACHING, visit.now))
        shown = class_page(view, view.card.cuts)
        return self.layout.page(
            "class.html",
            {"shown": shown, "card": view.card},
            frame=visit.frame,
            dated=Dated(view.as_of, view.computed_at),
        )

    async def student(self, request: Request) -> Response:
        student_id: UUID = request.path_params["student_id"]
        async with self.visit(request) as visit:
            view = await student_view(visit.work, visit.caller, student_id, Purpose(TEACHING, visit.now))
        visible = visible_classes(visit.caller)
        own = {
            class_id: title for class_id, title in view.classes.items() if visible is None or class_id in visible
        }
        context = {
            "name": view.student.display_name,
            "classes": own,
            "rows": student_page(view, view.card.cuts),
            "set_aside": [one.words for one in view.set_aside],
            "card": view.card,
            "open": request.query_params.get("skill", ""),
        }
        return self.layout.page(
            "student.html", context, frame=visit.frame, dated=Dated(view.as_of, view.computed_at)
        )

    async def sign_in_form(self, request: Request) -> Response:
        """Whose link it is, with a button: looking at a link (as mail programs do) does not use it up."""
        token = request.query_params.get("token")
        if token is None:
            return self.layout.page("signin.html", {"owner": None, "school": None, "token": "", "problem": ""})
        async with self.store.work() as work:
            owner = await self.link_owner(request, work, token)
            school = await _school(work, owner.school_id)
        context = {"owner": owner, "school": school, "token": token, "problem": ""}
        return self.layout.page("signin.html", context)

    async def sign_in(self, request: Request) -> Response:
        doors.check_same_site(request, self.settings)
        token = await doors.field(request, "token")
        async with self.store.work() as work:
            owner = await self.link_owner(request, work, token)
            await self.limiter.admit(LimitKind.SIGN_IN, sign_in_key(str(owner.staff_id), doors.address(request)))
            session = await signing_in.use_link(
                work, token, secret_key=self.settings.checked_secret(), now=datetime.now(UTC)
            )
        answer = RedirectResponse("/", status_code=303)
        doors.set_session(answer, session, self.settings)
        return answer

    async def link_owner(self, request: Request, work: Work, token: str) -> Caller:
        """Whose sign-in link it is. Raises NotSignedIn, and TooMany when too many that are none came from there.

        Tokens that are none count for nobody's account, and are limited among themselves: whoever has a link gets
        in, however many others guess from the same address.
        """
        try:
            return await signing_in.link_owner(
                work, token, secret_key=self.settings.checked_secret(), now=datetime.now(UTC)
            )
        except NotSignedIn:
            await self.limiter.admit(LimitKind.SIGN_IN, sign_in_key("nobody", doors.address(request)))
            raise

    async def sign_out(self, request: Request) -> Response:
        doors.check_same_site(request, self.settings)
        token = doors.session_token(request)
        if token is None:
            raise NotSignedIn("nobody is signed in")
        doors.check_form_token(await doors.field(request, "form_token"), token, self.settings)
        now = datetime.now(UTC)
        async with self.store.work() as work:
            signed_in = await signing_in.who(work, token, secret_key=self.settings.checked_secret(), now=now)
            await signing_in.sign_out(work, signed_in, now)
        answer = RedirectResponse("/signin", status_code=303)
        doors.drop_session(answer, self.settings)
        return answer

    async def static(self, request: Request) -> Response:
        found = self.layout.static(request.path_params["name"])
        if found is None:
            raise NotFound(NOT_HERE)
        return found

    async def nothing(self, request: Request) -> Response:
        """An address that is none looks like one that is not yours, and to nobody signed in like any other."""
        async with self.visit(request):
            raise NotFound(NOT_HERE)

    def problem(self, request: Request, status: int, title: str, detail: str, **headers: str) -> Response:
        """A page that says what happened and where to go on."""
        frame: Frame | None = getattr(request.state, "frame", None)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        developer = request.url.path == ARRIVING or request.url.path.startswith(f"{ARRIVING}/")
        context = {"title": title, "detail": detail, "developer": developer}
        return self.layout.page("problem.html", context, frame=frame, status=status, headers=named)

    async def on_not_signed_in(self, request: Request, problem: Exception) -> Response:
        """Without a session to the page for signing in; a link that does not work says so."""
        if request.url.path.endswith("/signin"):
            detail = problem.detail if isinstance(problem, NotSignedIn) else ""
            context = {"owner": None, "school": None, "token": "", "problem": detail}
            return self.layout.page("signin.html", context, status=403)
        answer = RedirectResponse("/signin", status_code=303)
        if COOKIE in request.cookies:
            doors.drop_session(answer, self.settings)
        return answer

    async def on_not_allowed(self, request: Request, problem: Exception) -> Response:
        detail = problem.detail if isinstance(problem, NotAllowed) else ""
        return self.problem(request, 403, "This is not open to you", detail)

    async def on_not_found(self, request: Request, _: Exception) -> Response:
        """Not there and not yours look the same."""
        return self.problem(request, 404, "Nothing here", NOT_HERE)

    async def on_too_many(self, request: Request, problem: Exception) -> Response:
        headers = dict(problem.headers) if isinstance(problem, TooMany) else {}
        detail = f"Wait {headers.get('Retry-After', 'some')} seconds, then load the page again."
        return self.problem(request, 429, "Too often in a short time", detail, **headers)

    async def on_http_error(self, request: Request, problem: Exception) -> Response:
        """What routing itself refuses: an address that is none, a method that is none."""
        if isinstance(problem, HTTPException) and problem.status_code == 405:  # noqa: PLR2004 - its number is its name
            return self.problem(
                request, 405, "Not this way", "This address takes no such request.", **(problem.headers or {})
            )
        return self.problem(request, 404, "Nothing here", NOT_HERE)

    async def on_database_unavailable(self, request: Request, _: Exception) -> Response:
        return self.problem(
            request,
            503,
            "Back in a moment",
            "The database cannot be reached just now. Nothing is lost. Load the page again in a few seconds.",
            retry_after=RETRY_SECONDS,
        )

    async def on_error(self, request: Request, _: Exception) -> Response:
        """A fault of ours; the server around logs it, because it is raised again after this page."""
        return self.problem(
            request,
            500,
            "Something went wrong on our side",
            "It has been noted. Try again; if it happens again, tell whoever runs Sightline at your school.",
        )


async def _school(work: Work, school_id: UUID) -> School:
    school = await people.school_of(work, school_id)
    if school is None:
        raise NotFound("there is no such school")
    return school


def _own(caller: Caller, rolls: list[ClassRoll]) -> list[ClassRoll]:
    """Those of the classes that the caller may see."""
    visible = visible_classes(caller)
    return [roll for roll in rolls if visible is None or roll.class_id in visible]

"""Schools, classes, students, staff, keys and links, until the pages can do it."""

from __future__ import annotations

import asyncio
import csv
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import typer

from sightline.cli.serving import database_of
from sightline.errors import BadInput, NotFound
from sightline.pipeline.signing_in import NewCredential, issue, issue_for_staff
from sightline.security.access import Role
from sightline.security.identity import CredentialKind
from sightline.settings import Settings, read_settings
from sightline.store import people
from sightline.store.database import Store, Work
from sightline.store.people import School, Student

app = typer.Typer(no_args_is_help=True, help="Schools, classes, students, staff, keys and sign-in links.")

SchoolId = Annotated[UUID, typer.Option("--school", help="Id of the school")]
StaffRole = Annotated[Role, typer.Option(help="teacher, counsellor or administrator")]


def _done(act: Callable[[Work, Settings], Awaitable[str]]) -> None:
    """One transaction on the configured database; prints what the act returns."""

    async def run(url: str, settings: Settings) -> str:
        store = Store(url)
        try:
            async with store.work() as work:
                return await act(work, settings)
        finally:
            await store.close()

    settings = read_settings(os.environ)
    with database_of(settings) as url:
        typer.echo(asyncio.run(run(url, settings)))


async def _known(work: Work, school_id: UUID) -> None:
    if await people.school_of(work, school_id) is None:
        raise NotFound(f"there is no school {school_id}; make one with: sightline admin school TITLE")


@app.command("school")
def school(title: str) -> None:
    """Make a school; prints its id."""

    async def act(work: Work, _: Settings) -> str:
        made = School(uuid4(), title, simulated=False, created_at=datetime.now(UTC))
        await people.add_school(work, made)
        return str(made.school_id)

    _done(act)


@app.command("class")
def class_(title: str, school_id: SchoolId) -> None:
    """Make a class; prints its id."""

    async def act(work: Work, _: Settings) -> str:
        await _known(work, school_id)
        class_id = uuid4()
        await people.add_class(work, school_id, class_id, title)
        return str(class_id)

    _done(act)


@app.command("students")
def students(
    roster: Annotated[
        Path, typer.Argument(help="CSV with the columns student_id (may be empty) and display_name")
    ],
    school_id: SchoolId,
    class_id: Annotated[UUID, typer.Option("--class", help="Id of the class")],
) -> None:
    """Add the students of a CSV file to a class; prints their ids. All are added, or none."""
    found = _read_roster(roster)

    async def act(work: Work, _: Settings) -> str:
        await _known(work, school_id)
        if await people.class_roll(work, school_id, class_id) is None:
            raise NotFound(f"the school has no class {class_id}")
        await people.add_students(work, school_id, class_id, found)
        return "\n".join(f"{s.student_id}\t{s.display_name}" for s in found)

    _done(act)


def _read_roster(path: Path) -> list[Student]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            found: list[Student] = []
            for row in rows:
                name = (row.get("display_name") or "").strip()
                if not name:
                    raise BadInput(f"line {rows.line_num} of {path} has no display_name")
                stated = (row.get("student_id") or "").strip()
                found.append(Student(UUID(stated) if stated else uuid4(), name))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise BadInput(f"{path} cannot be read: {problem}") from problem
    except ValueError as problem:
        raise BadInput(f"{path} has a student_id that is no UUID: {problem}") from problem
    return found


@app.command("staff")
def staff(
    display_name: str,
    school_id: SchoolId,
    role: StaffRole = Role.TEACHER,
    teaches: Annotated[list[UUID] | None, typer.Option("--class", help="Id of a class; may be repeated")] = None,
) -> None:
    """Add a member of staff; prints the id. There is no password: they sign in with a link."""
    if role in {Role.SERVER, Role.LAUNCH, Role.DEVELOPER}:
        raise BadInput("a game is no member of staff; make a key with: sightline admin key")

    async def act(work: Work, _: Settings) -> str:
        await _known(work, school_id)
        for class_id in teaches or []:
            if await people.class_roll(work, school_id, class_id) is None:
                raise NotFound(f"the school has no class {class_id}")
        staff_id = uuid4()
        await people.add_staff(work, school_id, staff_id, display_name, role, teaches or [])
        return str(staff_id)

    _done(act)


@app.command("key")
def key(label: str, school_id: SchoolId) -> None:
    """Make a server key for a game or an integration; it is shown this once."""

    async def act(work: Work, settings: Settings) -> str:
        await _known(work, school_id)
        wanted = NewCredential(kind=CredentialKind.SERVER_KEY, school_id=school_id, staff_id=None, label=label)
        return await issue(work, wanted, secret_key=settings.checked_secret(), now=datetime.now(UTC))

    _done(act)


@app.command("link")
def link(
    staff_id: UUID,
    school_id: SchoolId,
    *,
    token: Annotated[bool, typer.Option("--token", help="A bearer token for the API instead")] = False,
) -> None:
    """Make a sign-in link for a member of staff: once, within 15 minutes."""
    kind = CredentialKind.ACCESS_TOKEN if token else CredentialKind.SIGN_IN_LINK

    async def act(work: Work, settings: Settings) -> str:
        secret = settings.checked_secret()
        made = await issue_for_staff(work, school_id, staff_id, kind, secret_key=secret, now=datetime.now(UTC))
        return made if token else f"{settings.public_url}/signin?token={made}"

    _done(act)

"""`fit`, `use-card`, `rescore` and `quality`: the measurement's parameters, its scores, and their worth."""

from __future__ import annotations

import asyncio
import csv
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sightline.cli.serving import database_of
from sightline.errors import BadInput
from sightline.settings import read_settings
from sightline.store import people
from sightline.store.database import Store

if TYPE_CHECKING:  # the numerical libraries are for who runs these commands, and loaded there
    from sightline.pipeline.fitting import Learnt, Material

Result = TypeVar("Result")

School = Annotated[UUID | None, typer.Option("--school", help="Id of one school; all schools when it is left out")]

WIDE = 120
"""Columns that a table needs, also on a narrower terminal, in a file or a pipe."""


def _with_store(url: str, act: Callable[[Store], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        store = Store(url)
        try:
            return await act(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _out() -> Console:
    return Console(highlight=False, width=max(WIDE, Console().width))


def _bar() -> Progress:
    """A bar on standard error, which does not come between the lines of what is found."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def fit(
    school_id: School = None,
    out: Annotated[Path, typer.Option(help="Where the parameter card is written")] = Path("card.json"),
    windows: Annotated[float, typer.Option(metavar="WEEKS", help="Length of the window, 4 to 12 weeks")] = 8.0,
    *,
    use: Annotated[bool, typer.Option("--use", help="Let the schools use the card from now on")] = False,
) -> None:
    """Learn the measurement's parameters from what was observed, without labels, and write them as a card."""
    from sightline.cli.fit_tables import fit_tables  # noqa: PLC0415 - loads the numerical libraries
    from sightline.pipeline import fitting  # noqa: PLC0415 - likewise

    if out.exists():
        raise BadInput(f"{out} is there already: a published card is never changed; choose another --out")
    now = datetime.now(UTC)
    with database_of(read_settings(os.environ)) as url:

        async def gather(store: Store) -> Material:
            async with store.work() as work:
                schools = await fitting.schools_to_fit(work, school_id)
            return fitting.material_of(schools, await fitting.gathered(store, schools), windows)

        material = _with_store(url, gather)
        missing = fitting.shortage(material)
        if missing is not None:
            raise BadInput(missing)
        learnt = _learn(material, now)
        out.write_bytes(learnt.content)
        console = _out()
        for table in fit_tables(learnt):
            console.print(table)
        console.print(f"{learnt.version}, written to {out}: {fitting.origin_of(learnt)}", soft_wrap=True)
        if use:
            ids = [school.school_id for school in material.schools]

            async def put_to_use(store: Store) -> str:
                async with store.work() as work:
                    return await fitting.use_card(work, ids, learnt.content, now=now)

            _with_store(url, put_to_use)
            console.print(
                f"{_schools(len(ids))} with it from now on; the worker scores them again", soft_wrap=True
            )
        else:
            console.print(
                "nothing is measured with it until it is used: --use, or sightline use-card", soft_wrap=True
            )


def _schools(many: int) -> str:
    return "the school is measured" if many == 1 else f"{many} schools are measured"


def _learn(material: Material, now: datetime) -> Learnt:
    from sightline.pipeline import fitting  # noqa: PLC0415 - loads the numerical libraries

    with _bar() as bar:
        rounds = bar.add_task("rounds of the search (at most)", total=None)
        refits = bar.add_task("refits, because students are few", total=None, visible=False)
        told = fitting.Told(
            rounds=lambda done, most: bar.update(rounds, completed=done, total=most),
            refits=lambda done, most: bar.update(refits, completed=done, total=most, visible=True),
        )
        return fitting.learn(material, made=now.date(), told=told)


def use_card(
    school_id: Annotated[UUID, typer.Option("--school", help="Id of the school")],
    card: Annotated[
        Path | None, typer.Argument(help="A card that was written by fit; the shipped one without")
    ] = None,
) -> None:
    """Let a school use a parameter card from now on, or go back to the shipped one."""
    from sightline.pipeline import fitting  # noqa: PLC0415 - loads the numerical libraries
    from sightline.pipeline.cards import published_card  # noqa: PLC0415

    try:
        content = published_card() if card is None else card.read_bytes()
    except OSError as problem:
        raise BadInput(f"{card} cannot be read: {problem}") from problem

    async def put_to_use(store: Store) -> str:
        async with store.work() as work:
            return await fitting.use_card(work, [school_id], content, now=datetime.now(UTC))

    with database_of(read_settings(os.environ)) as url:
        version = _with_store(url, put_to_use)
    typer.echo(f"the school is measured with {version} from now on; the worker scores it again")


def rescore(
    school_id: School = None,
    *,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew, also when a run was stopped before its end")
    ] = False,
) -> None:
    """Score all students again. Stopped in between, it goes on where it was; repeated, it changes nothing."""
    with database_of(read_settings(os.environ)) as url:
        _with_store(url, lambda store: _rescore(store, school_id, fresh=fresh))


async def _rescore(store: Store, school_id: UUID | None, *, fresh: bool) -> None:
    from sightline.pipeline import rescoring  # noqa: PLC0415 - loads the numerical libraries

    console = _out()
    run = await rescoring.run_to_do(store, school_id, fresh=fresh, now=datetime.now(UTC))
    done = [place for place in run.places if place.changed is not None]
    if done:
        console.print(
            f"going on with the run of {run.asked_at:%Y-%m-%d %H:%M} UTC: "
            f"{len(done)} of {len(run.places)} schools were done",
            soft_wrap=True,
        )
    students = sum(place.students for place in done)
    changed = sum(place.changed or 0 for place in done)
    with _bar() as bar:
        task = bar.add_task("students", total=sum(place.students for place in run.places), completed=students)
        for place in run.places:
            if place.changed is not None:
                continue
            found = await rescoring.rescore_place(store, run.run_id, place.school_id, now=datetime.now(UTC))
            bar.update(task, advance=place.students)
            if found is not None:
                students, changed = students + found.students, changed + found.changed
                console.print(f"{place.title}: {found.changed} of {found.students} changed", soft_wrap=True)
    console.print(f"{changed} of {students} changed")


def quality(
    school_id: School = None,
    out: Annotated[Path, typer.Option(help="Folder of the report; of many schools, one folder in it each")] = Path(
        "quality"
    ),
    groups: Annotated[
        Path | None, typer.Option(help="CSV with the columns student_id and group; read for this report, not kept")
    ] = None,
) -> None:
    """Write a report about the measurement itself: reliability, model health, broken sources, fairness, raters."""
    if out.exists():
        raise BadInput(f"{out} is there already; choose another --out")
    named = None if groups is None else _read_groups(groups)
    with database_of(read_settings(os.environ)) as url:
        for page in _with_store(url, lambda store: _reports(store, school_id, out, named)):
            typer.echo(str(page))


async def _reports(
    store: Store, school_id: UUID | None, out: Path, groups: Mapping[UUID, str] | None
) -> list[Path]:
    from sightline.cli.quality_report import write_report  # noqa: PLC0415 - loads the numerical libraries
    from sightline.pipeline.checking import report_of  # noqa: PLC0415 - likewise

    async with store.work() as work:
        schools = [s.school_id for s in await people.schools_of_all(work)] if school_id is None else [school_id]
    pages = []
    for school in schools:
        async with store.work() as work:
            report = await report_of(work, school, groups=groups, now=datetime.now(UTC))
        pages.append(write_report(report, out if len(schools) == 1 else out / str(school)))
    return pages


def _read_groups(path: Path) -> dict[UUID, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {
                UUID(row["student_id"].strip()): row["group"].strip()
                for row in csv.DictReader(file)
                if row["group"].strip()
            }
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, AttributeError) as problem:
        raise BadInput(f"{path} cannot be read as student_id and group: {problem!r}") from problem
    except ValueError as problem:
        raise BadInput(f"{path} has a student_id that is no UUID: {problem}") from problem


def add_to(app: typer.Typer) -> None:
    app.command("quality")(quality)
    app.command("fit")(fit)
    app.command("use-card")(use_card)
    app.command("rescore")(rescore)

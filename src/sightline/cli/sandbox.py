"""`demo` and `import`: a sandbox on this machine with simulated students, and real corpora into it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from sightline.demo import stack
from sightline.demo.connection import Connection
from sightline.demo.justhink_import import Imported, import_justhink, read_corpus
from sightline.demo.sandbox import SEED, show_demo
from sightline.demo.sandbox import Progress as Told
from sightline.settings import Settings, read_settings

PORT = 8460

imports = typer.Typer(no_args_is_help=True, help="Import real corpora through the front door.")


@contextmanager
def _progress(console: Console) -> Iterator[Told]:
    with Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as bars:

        def begin(what: str, steps: int) -> Callable[[], None]:
            task = bars.add_task(what, total=steps)
            return lambda: bars.advance(task)

        yield begin


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "sandbox"


def demo(
    *,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the sandbox; its data stays")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove the sandbox's data and begin anew")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the pages and the API")] = PORT,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of the simulated school; with the time of making it decides everything"),
    ] = SEED,
) -> None:
    """Start a sandbox school of SIMULATED students on this machine and print a sign-in link."""
    console = Console(highlight=False, soft_wrap=True)
    folder = _folder(read_settings(os.environ))
    if stop:
        console.print("the sandbox is stopped" if stack.stop(folder) else "no sandbox was running")
        return
    if fresh:
        stack.wipe(folder)
    running = stack.start(folder, port)
    connection = Connection(running.url, running.database_url, running.secret_key)
    with _progress(console) as told:
        shown = asyncio.run(show_demo(connection, seed, told))
    if shown.sent is not None:
        console.print(", ".join(f"{n} {what}" for what, n in sorted(shown.sent.counts.items())), "sent over HTTP")
        for reason, n in shown.sent.refused.items():
            console.print(f"not taken, {n} times: {reason}")
    console.print(
        f"\nSightline runs at {running.url}. These students are simulated: they show how it works, no more."
    )
    console.print("Sign in (each link works once, for 15 minutes; run `sightline demo` again for fresh ones):")
    for name, link in shown.links:
        console.print(f"  {name}\n    {link}", markup=False)
    console.print("Stop it with: make demo-stop, or sightline demo --stop")


@imports.command("justhink")
def justhink(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the JUSThink corpus")],
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port, if the sandbox has to be started")] = PORT,
) -> None:
    """Import the JUSThink corpus: 20 pairs of children, their play and talk, and print what can be said."""
    console = Console(highlight=False, soft_wrap=True)
    settings = read_settings(os.environ)
    read_corpus(folder)  # before anything is started for it
    if settings.database_url is not None:
        connection = Connection(settings.public_url, settings.database_url, settings.checked_secret())
    else:
        running = stack.start(_folder(settings), port)
        connection = Connection(running.url, running.database_url, running.secret_key)
    with _progress(console) as told:
        imported = asyncio.run(import_justhink(connection, folder, told))
    _print_import(imported, console)


def _print_import(imported: Imported, console: Console) -> None:
    table = Table("student", "skill", "level probabilities, or what is missing", "strongest evidence")
    before = None
    for row in imported.rows:
        if before not in {None, row.student}:
            table.add_section()
        table.add_row("" if row.student == before else row.student, row.skill, row.result, row.strongest)
        before = row.student
    Console(highlight=False, width=max(console.width, 160)).print(table)
    console.print(", ".join(f"{n} {what}" for what, n in sorted(imported.sent.counts.items())), "stored")
    rows = sum(play.rows for play in imported.corpus.plays)
    left_out = sum(imported.corpus.left_out.values())
    console.print(f"of {rows} log rows, {left_out} became no event:")
    for reason, n in imported.corpus.left_out.most_common():
        console.print(f"  {n:>5}  {reason}", markup=False)
    for reason, n in imported.sent.refused.items():
        console.print(f"not taken, {n} times: {reason}", markup=False)
    console.print(f"Look at the pages (the link works once, for 15 minutes):\n  {imported.link}", markup=False)


def add_to(app: typer.Typer) -> None:
    app.command("demo")(demo)
    app.add_typer(imports, name="import")

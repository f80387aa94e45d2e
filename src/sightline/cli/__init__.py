"""The command line, and the composition root: here settings, store, API and pages meet.

- `serving`         `serve`, `worker`, `migrate`
- `administration`  schools, classes, students, staff, keys, links
- `sandbox`         `demo`, `import`
- `linting`         `lint-events`
- `measuring`       `fit`, `use-card`, `rescore`, `quality`; `fit_tables`, `quality_report`
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from sightline import __version__
from sightline.cli import administration, linting, measuring, sandbox, serving
from sightline.errors import SightlineError

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    # measured: several threads on a busy two-core machine are many times slower than one
    os.environ.setdefault(variable, "1")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
serving.add_to(app)
sandbox.add_to(app)
linting.add_to(app)
measuring.add_to(app)
app.add_typer(administration.app, name="admin")


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def sightline(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Sightline: the skills that grades miss, and the moments that each estimate came from."""
    del version


def main() -> None:
    """Run a command; an error of ours is one line and exit status 1."""
    try:
        app()
    except SightlineError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"sightline: {error.detail}", markup=False)
        sys.exit(1)

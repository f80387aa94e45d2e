"""`serve`, `worker` and `migrate`: the processes of a running system."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
from collections.abc import Iterator
from typing import Annotated

import typer
import uvicorn
from starlette.applications import Starlette

from sightline.api.front import application
from sightline.errors import SettingsRefused
from sightline.pipeline.cards import measurement_card, talk_act_card
from sightline.pipeline.jobs import ask_again
from sightline.pipeline.jobs import worker as worker_app
from sightline.settings import LOOPBACK, Settings, read_settings
from sightline.store import embedded
from sightline.store.database import Store, migrate
from sightline.store.jobs import QUEUE
from sightline.web.app import app as pages

GC_OBJECTS = 50_000
"""New objects between two looks of the garbage collector; events of a few hundred requests."""


def compose(store: Store, settings: Settings) -> Starlette:
    """The whole application: health, API, pages, and the edge that every request passes."""
    return application(store, settings, lambda opened, openapi: pages(store, settings, openapi, opened.limiter))


@contextlib.contextmanager
def database_of(settings: Settings) -> Iterator[str]:
    """The URL of the configured database, or of the embedded one, which is held meanwhile; migrated."""
    if settings.database_url is not None:
        migrate(settings.database_url)
        yield settings.database_url
        return
    with embedded.share(settings.data_dir / "database") as lease:
        migrate(lease.url)
        yield lease.url


def _log() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("procrastinate", "alembic", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on")] = 8460,
) -> None:
    """Serve the API and the pages."""
    settings = read_settings(os.environ)
    settings.checked_secret()
    if host not in LOOPBACK and not settings.secure_cookies:
        raise SettingsRefused(
            f"to listen on {host}, SIGHTLINE_PUBLIC_URL must be the https address that people use, behind a TLS "
            "proxy"
        )
    measurement_card()
    talk_act_card()
    _log()
    with database_of(settings) as url:
        store = Store(url)
        config = uvicorn.Config(
            compose(store, settings),
            host=host,
            port=port,
            access_log=False,  # it would write query strings, which hold tokens; the edge logs without them
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        settle_memory()
        uvicorn.Server(config).run()


def settle_memory() -> None:
    """Keep the garbage collector off what the program is made of, and call it less often than it was made for.

    Measured: a batch of a hundred events makes enough objects to start it, and going through everything that was
    imported took a third of the time of reading the batch.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_OBJECTS, 20, 50)


def worker() -> None:
    """Do the jobs: scoring, late events, closing idle sessions."""
    settings = read_settings(os.environ)
    settings.checked_secret()
    _log()
    with database_of(settings) as url:
        asyncio.run(_work(Store(url)))


async def _work(store: Store) -> None:
    queue = worker_app(store)
    try:
        async with queue.open_async():
            async with store.work() as work:
                await ask_again(work)
            await queue.run_worker_async(
                queues=[QUEUE], concurrency=1, fetch_job_polling_interval=1, delete_jobs="successful"
            )
    finally:
        await store.close()


def migrate_database() -> None:
    """Bring the database to the newest schema."""
    with database_of(read_settings(os.environ)):
        typer.echo("the database has the newest schema")


def add_to(app: typer.Typer) -> None:
    app.command("serve")(serve)
    app.command("worker")(worker)
    app.command("migrate")(migrate_database)

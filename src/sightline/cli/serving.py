"""`serve`, `worker` and `migrate`: the processes of a running system."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from typing import Annotated, Any

import typer
import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from sightline import metrics
from sightline.api.front import application
from sightline.errors import SettingsRefused
from sightline.pipeline.cards import measurement_card, talk_act_card
from sightline.pipeline.jobs import ask_again
from sightline.pipeline.jobs import worker as worker_app
from sightline.settings import LOOPBACK, Settings, read_settings
from sightline.store import embedded
from sightline.store.database import Store, migrate
from sightline.store.jobs import QUEUE
from sightline.store.postgres_account import LIBC, PR_SET_PDEATHSIG
from sightline.web.app import app as pages

MOST_PROCESSES = 16

HEALTH_PATIENCE = 30
"""Seconds in which one of several processes must say that it lives: a busy machine is no reason to kill it."""


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
    processes: Annotated[
        int, typer.Option(min=1, max=MOST_PROCESSES, help="Server processes, as many as cores at most")
    ] = 1,
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
        if processes == 1:
            uvicorn.Server(_config(compose(Store(url), settings), host, port)).run()
        else:
            _serve_together(url, host, port, processes)


def _config(app: Starlette | str, host: str, port: int, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,  # it would write query strings, which hold tokens; the edge logs without them
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
        **more,
    )


def _serve_together(url: str, host: str, port: int, processes: int) -> None:
    """Several processes that take requests from one socket; one that dies is started again.

    The socket is this process's, so that a request waits for the next process when one is killed. What the others
    need to know goes by the environment, which each of them reads anew.
    """
    with tempfile.TemporaryDirectory(prefix="sightline-numbers-", ignore_cleanup_errors=True) as folder:
        os.environ |= {"SIGHTLINE_DATABASE_URL": url, metrics.FOLDER: folder}
        config = _config(
            "sightline.cli.serving:one_of_several",
            host,
            port,
            factory=True,
            workers=processes,
            timeout_worker_healthcheck=HEALTH_PATIENCE,
        )
        supervisor = _Several(config, [config.bind_socket()])
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


class _Several(Multiprocess):
    """At the end nobody new is let in: who knocked at a door that no process answers would wait for nothing."""

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def one_of_several() -> Starlette:
    """The application of one of several processes, which ends when the one that started it ends, however it does.

    That one has migrated the database, and holds it when it is the embedded one.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and hasattr(LIBC, "prctl"):
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent.pid:  # it ended before the line above
            sys.exit(0)
    _log()
    measurement_card()
    talk_act_card()
    settings = read_settings(os.environ)
    if settings.database_url is None:
        raise SettingsRefused("a server process among several needs SIGHTLINE_DATABASE_URL from the one above it")
    return compose(Store(settings.database_url), settings)


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

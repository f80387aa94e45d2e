"""`serve`, `worker` and `migrate`: the processes of a running system."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE

from sightline import metrics
from sightline.api.front import application
from sightline.api.one_write import OneWrite
from sightline.errors import BadInput, SettingsRefused
from sightline.pipeline.cards import measurement_card, talk_act_card
from sightline.pipeline.jobs import ask_again
from sightline.pipeline.jobs import worker as worker_app
from sightline.settings import LOOPBACK, Settings, read_settings
from sightline.store import embedded
from sightline.store.database import Store, migrate
from sightline.store.jobs import QUEUE
from sightline.store.postgres_account import LIBC, PR_SET_PDEATHSIG
from sightline.web.app import app as pages

GC_OBJECTS = 50_000
"""New objects between two looks of the garbage collector; events of a few hundred requests."""

TURN = 0.0005
"""Seconds that one thread keeps the interpreter while another wants it. With ten times that, which is the default,
the database waits for its writer half of the time."""

KEPT_OPEN = 75
"""Seconds that a connection stays open without a request. A game that sends every ten seconds keeps its own, and
nobody sends into one that is just being closed, which looks to the sender like a server that broke."""

STANDS_BACK = 10
"""How far the worker lets servers on the same machine go first: for a page or an answer a person or a game waits,
and for a job nobody."""

MOST_PROCESSES = 16

ONE = (
    "import sys; from sightline.cli.serving import one_of_several; "
    "one_of_several(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))"
)
"""What each of several processes runs: its parent, host and port follow."""

WATCH = 0.2
"""Seconds between two looks at the processes."""

GRACE = 5
"""Seconds for requests that are under way when a server is to end."""

END_PATIENCE = 15.0
"""Seconds until a process that does not end is killed: longer than its requests and its connections take."""

logger = logging.getLogger("sightline.serving")


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
            settle_memory()
            take_turns()
            uvicorn.Server(_config(compose(Store(url), settings), host, port)).run()
        else:
            _serve_together(url, host, port, processes)


def _config(app: Starlette, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,  # it would write query strings, which hold tokens; the edge logs without them
        log_config=None,
        http=OneWrite,
        server_header=False,
        timeout_keep_alive=KEPT_OPEN,
        timeout_graceful_shutdown=GRACE,
    )


def _serve_together(url: str, host: str, port: int, processes: int) -> None:
    """Several processes on one port; one that dies is started again. Raises BadInput when the port is taken.

    What they need to know goes by the environment, which each of them reads anew.
    """
    ending: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: ending.append(number))
    try:
        _bound(host, port, shared=False).close()  # a shared one would not tell that somebody else is there
        held = _bound(host, port, shared=True)
    except OSError as problem:
        raise BadInput(f"nothing can listen on port {port} of {host}: {problem}; choose another") from problem
    with held, tempfile.TemporaryDirectory(prefix="sightline-numbers-", ignore_cleanup_errors=True) as folder:
        os.environ |= {"SIGHTLINE_DATABASE_URL": url, metrics.FOLDER: folder}
        command = [sys.executable, "-P", "-c", ONE, str(os.getpid()), host, str(port)]
        children = [subprocess.Popen(command) for _ in range(processes)]
        failed = False
        while not ending and not failed:
            time.sleep(WATCH)
            for place, child in enumerate(children):
                if child.poll() is None or ending:
                    continue
                if child.returncode == STARTUP_FAILURE:
                    failed = True  # the next one would fail in the same way
                    break
                logger.warning("server process %d ended (%d) and is started again", child.pid, child.returncode)
                children[place] = subprocess.Popen(command)
        _end(children)
    if failed:
        sys.exit(STARTUP_FAILURE)


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    """A socket that holds the address and does not listen yet.

    Of those that share an address and listen, the kernel chooses one for each connection. One socket for all would
    let the process that wakes first take everybody who knocks at the same time.
    """
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    deadline = time.monotonic() + END_PATIENCE
    for child in children:
        try:
            child.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def one_of_several(parent: int, host: str, port: int) -> None:
    """Serve as one of several processes, and end when the one that started it ends, however it does.

    That one, `parent`, has migrated the database, and holds it when it is the embedded one.
    """
    if hasattr(LIBC, "prctl"):
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the line above
        return
    _log()
    measurement_card()
    talk_act_card()
    settings = read_settings(os.environ)
    if settings.database_url is None:
        raise SettingsRefused("a server process among several needs SIGHTLINE_DATABASE_URL from the one above it")
    config = _config(compose(Store(settings.database_url), settings), host, port)
    settle_memory()
    take_turns()
    uvicorn.Server(config).run(sockets=[_bound(host, port, shared=True)])


def settle_memory() -> None:
    """Keep the garbage collector off what the program is made of, and call it less often than it was made for.

    A batch of some hundred events makes enough objects to start it, and it would go through everything that was
    imported each time that it looks at the oldest.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_OBJECTS, 20, 50)


def take_turns() -> None:
    """Let the writer of events have the interpreter soon after the database has answered it."""
    sys.setswitchinterval(TURN)


def worker() -> None:
    """Do the jobs: scoring, late events, closing idle sessions."""
    settings = read_settings(os.environ)
    settings.checked_secret()
    _log()
    if hasattr(os, "nice"):
        os.nice(STANDS_BACK)
    settle_memory()
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

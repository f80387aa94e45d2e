"""What a campaign kills: embedded PostgreSQL, servers and workers as their users start them, revived by a supervisor.

Everything is on loopback, with a random secret, and ends with the campaign: children get a death signal.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from sightline.store import embedded
from sightline.store.postgres_account import LIBC, PR_SET_PDEATHSIG

SOURCE = Path(__file__).parents[1] / "src"

LIMITS = "server.events=1000000,server.batches=1000000"
"""Rate limits that no campaign of kills reaches: what is tried here is loss, and `overload` tries the limits."""

START_PATIENCE = 60.0
"""Seconds until a process that does not come up ends the campaign; about 3 are usual."""

BREATH = 0.3
"""Seconds before a process that ended by itself is started again: with the database away it would only spin."""

GLANCE = 0.3
"""Seconds between two looks whether a worker is up: each costs a connection."""


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def values(url: str, query: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Rows of one statement on a connection of its own. Raises psycopg.OperationalError when there is none."""
    with psycopg.connect(url, autocommit=True, connect_timeout=3) as connection:
        return connection.execute(query.encode(), parameters).fetchall()


@dataclass(slots=True)
class Process:
    """A server (with its port) or a worker."""

    kind: str
    port: int | None
    command: list[str]
    environment: dict[str, str]
    name: str
    log: Path
    running: subprocess.Popen[bytes]
    started_at: float
    life: int = 1
    """The how-manieth process in this place."""
    looked_at: float = 0.0
    killed_at: float | None = None
    """When it was killed last, until it is ready again."""
    ready: bool = False
    ended_at: float | None = None
    """When it was seen to have ended by itself."""


@dataclass(slots=True)
class Stack:
    """Servers and workers over one database. Call `look_after` often: it revives, and notes recoveries."""

    folder: Path
    url: str
    secret: str = field(default_factory=lambda: secrets.token_hex(32))
    source: Path = SOURCE
    processes: list[Process] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    """Seconds from a kill to ready again, by kind."""
    ended: Counter[str] = field(default_factory=Counter)
    """How often a process ended without having been killed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def add(self, kind: str) -> Process:
        """Start another "server" or "worker"."""
        port = a_free_port() if kind == "server" else None
        arguments = ["worker"] if port is None else ["serve", "--port", str(port)]
        command = [sys.executable, "-m", "sightline", *arguments]
        left_out = ("SIGHTLINE_", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        environment = kept | {
            "PYTHONPATH": str(self.source),
            "SIGHTLINE_DATABASE_URL": self.url,
            "SIGHTLINE_SECRET_KEY": self.secret,
            "SIGHTLINE_PUBLIC_URL": f"http://127.0.0.1:{port or 1}",
            "SIGHTLINE_LIMITS": LIMITS,
            "SIGHTLINE_DATA_DIR": str(self.folder),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        name = f"{self.folder.name}-{kind}-{len(self.processes)}"
        log = self.folder / f"{name}.log"
        running = _started(command, environment | {"PGAPPNAME": f"{name}-1"}, log)
        process = Process(kind, port, command, environment, name, log, running, time.monotonic())
        self.processes.append(process)
        return process

    @property
    def ports(self) -> list[int]:
        return [p.port for p in self.processes if p.port is not None]

    def kill(self, process: Process) -> None:
        """`kill -9`, and at once another one in its place."""
        process.running.kill()
        process.running.wait()
        process.killed_at = time.monotonic()
        self._start_again(process)

    def _start_again(self, process: Process) -> None:
        process.life += 1
        named = {"PGAPPNAME": f"{process.name}-{process.life}"}
        process.running = _started(process.command, process.environment | named, process.log)
        process.started_at = time.monotonic()
        process.ready = False
        process.ended_at = None

    def look_after(self) -> None:
        """Start again what ended by itself; note what has become ready."""
        now = time.monotonic()
        for process in self.processes:
            if process.running.poll() is not None:
                if process.ended_at is None:
                    process.ended_at = now
                    process.ready = False
                    self.ended[process.kind] += 1
                if now - process.ended_at > BREATH:
                    self._start_again(process)
            elif not process.ready and self._is_ready(process):
                process.ready = True
                if process.killed_at is not None:
                    self.recoveries.setdefault(process.kind, []).append(time.monotonic() - process.killed_at)
                    process.killed_at = None

    def _is_ready(self, process: Process) -> bool:
        """A server is ready when it answers; a worker when it listens for jobs."""
        if process.port is not None:
            return answers(process.port)
        if time.monotonic() - process.looked_at < GLANCE:
            return False
        process.looked_at = time.monotonic()
        with contextlib.suppress(psycopg.OperationalError):
            listening = "select 1 from pg_stat_activity where application_name = %s and query ilike 'listen%%'"
            return bool(values(self.url, listening, (f"{process.name}-{process.life}",)))
        return False

    def wait_until_ready(self) -> None:
        """Raises TimeoutError with the end of the log of what does not come up."""
        deadline = time.monotonic() + START_PATIENCE
        while not all(p.ready for p in self.processes):
            self.look_after()
            if time.monotonic() > deadline:
                slow = next(p for p in self.processes if not p.ready)
                tail = slow.log.read_text(errors="replace")[-2000:]
                raise TimeoutError(f"{slow.kind} does not come up: {tail}")
            time.sleep(0.05)

    def end(self, kind: str | None = None) -> None:
        """End all processes, or those of a kind, and forget them."""
        for process in [p for p in self.processes if kind in {None, p.kind}]:
            process.running.kill()
            process.running.wait()
            self.processes.remove(process)


def _started(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as written:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - the campaign starts processes from its only thread
        )


def _die_with_parent() -> None:
    if hasattr(LIBC, "prctl"):
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def answers(port: int, path: str = "/livez", patience: float = 0.3) -> bool:
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        asking.request("GET", path)
        return asking.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asking.close()


@dataclass(slots=True)
class Database:
    """The embedded PostgreSQL under its own keeper, and ways to hurt it."""

    folder: Path
    lease: embedded.Lease

    @classmethod
    def start(cls, folder: Path) -> Database:
        return cls(folder, embedded.share(folder))

    @property
    def url(self) -> str:
        return self.lease.url

    def beside(self, name: str) -> str:
        """The address of another, empty database of the same server."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"create database {name}".encode())
        return self.url.rpartition("/")[0] + f"/{name}"

    def kill_postmaster(self) -> bool:
        """`kill -9` of the server's first process; its keeper starts another. False when none runs just now."""
        try:
            pid = int((self.folder / "pgdata" / "postmaster.pid").read_text().partition("\n")[0])
            os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError):
            return False
        return True

    def kill_backend(self, choose: float) -> bool:
        """`kill -9` of one connection's process, drawn by 0 <= choose < 1: PostgreSQL then ends all and recovers."""
        try:
            found = values(
                self.url,
                "select pid from pg_stat_activity where backend_type = 'client backend' "
                "and pid <> pg_backend_pid() order by pid",
            )
            os.kill(found[int(choose * len(found))][0], signal.SIGKILL)
        except (psycopg.OperationalError, IndexError, ProcessLookupError):
            return False
        return True

    def answers(self) -> bool:
        try:
            return values(self.url, "select 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def end(self) -> None:
        self.lease.release()
        embedded.stop(self.folder)

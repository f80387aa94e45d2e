"""One real server for a campaign or a test: embedded PostgreSQL, `sightline serve`, a school with students, a key."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
from psycopg.rows import DictRow, dict_row

from sightline.pipeline.signing_in import NewCredential, issue
from sightline.security.identity import CredentialKind
from sightline.store import embedded, people
from sightline.store.database import Store, migrate
from sightline.store.people import School, Student

START_PATIENCE = 60.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A running server and the school on it: address, a server key, students; the database to look into."""

    url: str
    key: str
    students: Sequence[UUID]
    database_url: str
    server: subprocess.Popen[bytes]

    def rows(self, query: str, *parameters: object) -> list[DictRow]:
        """What is really stored."""
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), parameters).fetchall()


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def ground(folder: Path, students: int) -> Iterator[Ground]:
    """Start a server with a fresh database in the folder; stopped at the end. Raises RuntimeError when it does not start."""
    folder.mkdir(parents=True, exist_ok=True)
    secret, port = secrets.token_hex(32), a_free_port()
    with embedded.share(folder / "database") as lease:
        migrate(lease.url)
        key, roll = asyncio.run(_school(lease.url, secret, students))
        told = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "sightline", "serve", "--port", str(port)],
                env=told
                | {"SIGHTLINE_DATABASE_URL": lease.url, "SIGHTLINE_SECRET_KEY": secret, "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, server, folder / "server.log")
            yield Ground(url, key, roll, lease.url, server)
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")


async def _school(database_url: str, secret: str, students: int) -> tuple[str, list[UUID]]:
    school_id, class_id, now = uuid4(), uuid4(), datetime.now(UTC)
    roll = [Student(uuid4(), f"Student {n}") for n in range(students)]
    key = NewCredential(kind=CredentialKind.SERVER_KEY, school_id=school_id, staff_id=None, label="game")
    store = Store(database_url)
    try:
        async with store.work() as work:
            await people.add_school(work, School(school_id, "School", simulated=True, created_at=now))
            await people.add_class(work, school_id, class_id, "Class")
            await people.add_students(work, school_id, class_id, roll)
            return await issue(work, key, secret_key=secret, now=now), [s.student_id for s in roll]
    finally:
        await store.close()

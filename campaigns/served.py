"""A school that is really served, for campaigns: embedded PostgreSQL, server and worker as processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg

import sightline
from sightline.pipeline.signing_in import NewCredential, issue
from sightline.security.access import Role
from sightline.security.identity import COOKIE, CredentialKind
from sightline.store import embedded, people
from sightline.store.database import Store, migrate
from sightline.store.people import School, Student
from sightline.store.postmaster import Folder, processes_in

SOURCE = Path(sightline.__file__).parents[1]
"""The source that is served unless a campaign asks for a copy that it has broken on purpose."""

WIDE = "server.events=1000000,server.batches=1000000"
"""Requests a minute of a server key, where its own limit is not the matter."""

START_PATIENCE = 60.0
"""Seconds for a process to answer after its start; measured starts take 3 to 5 on a quiet machine."""

STUDENTS = 24
POLL = 0.05


@dataclass(frozen=True, slots=True)
class Roll:
    """One school, one class, its students and teacher, and what opens the doors."""

    school_id: UUID
    class_id: UUID
    students: tuple[UUID, ...]
    key: str = field(repr=False)
    session: str = field(repr=False)

    @property
    def sending(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def looking(self) -> dict[str, str]:
        """A teacher's browser."""
        return {"Cookie": f"{COOKIE}={self.session}", "Accept": "text/html"}


@dataclass(frozen=True, slots=True)
class Served:
    """A running system: where it answers, its database, its people, its processes by name."""

    port: int
    data_dir: Path
    database_url: str
    roll: Roll
    processes: dict[str, subprocess.Popen[bytes]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def folder(self) -> Folder:
        return Folder(self.data_dir / "database")

    @property
    def server(self) -> subprocess.Popen[bytes]:
        return self.processes["serve"]

    def log(self, name: str = "serve") -> str:
        return (self.data_dir / f"{name}.log").read_text(errors="replace")

    def status(self, path: str, **headers: str) -> int:
        """The status of a GET, 0 when nothing came back within 5 seconds."""
        try:
            return httpx.get(self.url + path, headers=headers, timeout=5).status_code
        except httpx.TransportError:
            return 0

    def await_status(self, path: str, wanted: int, *, within: float) -> float:
        """Seconds until a GET was answered with this status. Raises TimeoutError."""
        began = time.monotonic()
        while self.status(path) != wanted:
            if time.monotonic() - began > within or self.server.poll() is not None:
                raise TimeoutError(f"{path} was not {wanted} within {within:.0f} s:\n{self.log()[-3000:]}")
            time.sleep(POLL)
        return time.monotonic() - began

    def stored(self) -> dict[UUID, int]:
        """How often each event id is stored."""
        with psycopg.connect(self.database_url, connect_timeout=10) as connection:
            found = connection.execute(
                "select event_id, count(*) from events where school_id = %s group by 1", [self.roll.school_id]
            )
            return {row[0]: row[1] for row in found}

    def freeze(self) -> None:
        """Stop every process of PostgreSQL where it stands: it hangs, and its sockets stay open."""
        for pid in processes_in(self.folder):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in processes_in(self.folder):
            os.kill(pid, signal.SIGCONT)


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _enrol(url: str, secret: str) -> Roll:
    now = datetime.now(UTC)
    school_id, class_id, teacher = uuid4(), uuid4(), uuid4()
    students = tuple(uuid4() for _ in range(STUDENTS))
    store = Store(url)
    try:
        async with store.work() as work:
            await people.add_school(work, School(school_id, "Campaign school", simulated=True, created_at=now))
            await people.add_class(work, school_id, class_id, "Class 1")
            roll = [Student(student, f"Student {n}") for n, student in enumerate(students)]
            await people.add_students(work, school_id, class_id, roll)
            await people.add_staff(work, school_id, teacher, "Teacher", Role.TEACHER, [class_id])

            async def credential(kind: CredentialKind, staff_id: UUID | None) -> str:
                wanted = NewCredential(kind=kind, school_id=school_id, staff_id=staff_id, label="campaign")
                return await issue(work, wanted, secret_key=secret, now=now)

            key = await credential(CredentialKind.SERVER_KEY, None)
            session = await credential(CredentialKind.STAFF_SESSION, teacher)
    finally:
        await store.close()
    return Roll(school_id, class_id, students, key, session)


@contextlib.contextmanager
def a_place(place: Path | None) -> Iterator[Path]:
    """The given folder, or a temporary one that is removed afterwards."""
    if place is not None:
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="sightline-campaign-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@contextlib.contextmanager
def serving(
    *, source: Path = SOURCE, place: Path | None = None, worker: bool = False, wide: bool = True
) -> Iterator[Served]:
    """A running system in `place`, or in a temporary folder; everything it started ends with the block.

    `source` is the folder that holds the package to serve. The campaign holds the database, so that it lives
    when the servers are killed. Without `wide` the limits of requests a minute are the program's own.
    Raises TimeoutError with the end of the log when it does not come up.
    """
    with a_place(place) as data_dir, embedded.share(data_dir / "database") as lease:
        migrate(lease.url)
        secret, port = secrets.token_hex(32), a_free_port()
        told = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
        told |= {
            "PYTHONPATH": str(source),
            "SIGHTLINE_DATABASE_URL": lease.url,
            "SIGHTLINE_DATA_DIR": str(data_dir),
            "SIGHTLINE_SECRET_KEY": secret,
            "SIGHTLINE_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        if wide:
            told["SIGHTLINE_LIMITS"] = WIDE
        roll = asyncio.run(_enrol(lease.url, secret))
        commands = {"serve": ["serve", "--port", str(port)]} | ({"worker": ["worker"]} if worker else {})
        processes: dict[str, subprocess.Popen[bytes]] = {}
        served = Served(port, data_dir, lease.url, roll, processes)
        try:
            for name, arguments in commands.items():
                with (data_dir / f"{name}.log").open("wb") as log:
                    processes[name] = subprocess.Popen(
                        [sys.executable, "-P", "-m", "sightline", *arguments], env=told, stdout=log, stderr=log
                    )
            served.await_status("/readyz", httpx.codes.OK, within=START_PATIENCE)
            yield served
        finally:
            served.thaw()
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            lease.release()
            embedded.stop(data_dir / "database")


@contextlib.contextmanager
def broken(*changes: tuple[str, str, str]) -> Iterator[Path]:
    """A copy of the source with changes: a module (its path in the package), a passage of it, what stands there then.

    Raises ValueError when a passage does not stand there exactly once: a control that breaks nothing proves nothing.
    """
    with tempfile.TemporaryDirectory(prefix="sightline-broken-") as made:
        package = Path(made) / "sightline"
        shutil.copytree(SOURCE / "sightline", package, ignore=shutil.ignore_patterns("__pycache__"))
        for module, right, wrong in changes:
            text = (package / module).read_text(encoding="utf-8")
            if text.count(right) != 1:
                raise ValueError(f"{module} holds {text.count(right)} times: {right}")
            (package / module).write_text(text.replace(right, wrong), encoding="utf-8")
        yield Path(made)

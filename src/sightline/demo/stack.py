"""The sandbox on this machine: embedded database, server and worker, kept alive by one process of their own.

The keeper of the sandbox makes fresh secrets at each start, holds the database, starts server and worker with
them in their environment, and starts again whatever dies. It ends with SIGTERM or by `stop`, and takes its
children along; a killed keeper takes them along too, on Linux by the death signal.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import httpx

from sightline.errors import BadInput, DatabaseUnavailable, NotFound
from sightline.store import embedded
from sightline.store.database import migrate
from sightline.store.postgres_account import LIBC, PR_SET_PDEATHSIG

START_PATIENCE = 60.0
"""Seconds until a start is given up; measured starts take about 5."""

ENSURE_PATIENCE = 5.0
"""Seconds to wait for a database that is away, before the children and the wish to end are looked at again."""

POLL = 0.1
WATCH = 0.5
LIMITS = "server.events=1000000,server.batches=1000000"
"""Whole weeks of a school are sent within seconds here, with one key."""
"""Seconds between two looks at the children."""

STATE = "sandbox.json"
LOCK = "sandbox.lock"
LOG = "sandbox.log"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: where it is, and the secrets of this start (the file is readable by its owner only)."""

    pid: int
    url: str
    database_url: str
    secret_key: str


def database_folder(data_dir: Path) -> Path:
    return data_dir / "database"


def running(data_dir: Path) -> Sandbox | None:
    """The sandbox of this folder when it is up, else None."""
    return None if _keeper(data_dir) is None else _state(data_dir)


def _keeper(data_dir: Path) -> int | None:
    """The process that keeps a sandbox in this folder, also while it starts or ends; None without one."""
    try:
        with (data_dir / LOCK).open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                stated = lock.read().strip()
                return int(stated) if stated else 0
    except (FileNotFoundError, NotADirectoryError):
        pass
    return None


def _state(data_dir: Path) -> Sandbox | None:
    try:
        return Sandbox(**json.loads((data_dir / STATE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def start(data_dir: Path, port: int) -> Sandbox:
    """Start a sandbox, or return the one that runs. Raises BadInput when the port is taken or nothing starts."""
    found = running(data_dir)
    if found is not None:
        return found
    if _keeper(data_dir) is None:
        _free(port)
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise BadInput(f"the data folder cannot be used: {problem}; set SIGHTLINE_DATA_DIR") from problem
    keeper = subprocess.Popen(
        [sys.executable, "-m", "sightline.demo.stack", str(data_dir), str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + START_PATIENCE
    while time.monotonic() < deadline:
        state = running(data_dir)
        if state is not None and _answers(state.url):
            return state
        if keeper.poll() is not None and _keeper(data_dir) is None:
            break  # ours has ended, and it was not because another one, started beside it, keeps this folder
        time.sleep(POLL)
    with contextlib.suppress(ProcessLookupError):
        keeper.terminate()
    tail = (data_dir / LOG).read_text(errors="replace").strip().splitlines()[-5:]
    raise BadInput(f"the sandbox did not start; the end of {data_dir / LOG} says: {' / '.join(tail)}")


def _free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            raise BadInput(
                f"port {port} is taken, perhaps by a sandbox in another data folder; choose another with --port"
            ) from problem


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def stop(data_dir: Path) -> bool:
    """Stop the sandbox of this folder; False when none ran. Data stays."""
    deadline = time.monotonic() + START_PATIENCE
    was_running = False
    while (keeper := _keeper(data_dir)) is not None:
        was_running = True
        if keeper:  # a keeper that has only just begun has not written its number yet
            with contextlib.suppress(ProcessLookupError):
                os.kill(keeper, signal.SIGTERM)
        if time.monotonic() > deadline:
            raise NotFound(f"the sandbox (process {keeper}) does not stop; end it by hand")
        time.sleep(POLL)
    return was_running


def wipe(data_dir: Path) -> None:
    """Stop the sandbox and remove all that it holds."""
    stop(data_dir)
    embedded.stop(database_folder(data_dir))
    for name in (STATE, LOCK, LOG):
        (data_dir / name).unlink(missing_ok=True)
    shutil.rmtree(database_folder(data_dir), ignore_errors=True)


def keep(data_dir: Path, port: int) -> None:
    """Hold the sandbox until told to end. Runs in a process of its own."""
    ending: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        ending.append(number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with os.fdopen(os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # another one keeps this folder: whoever started us waits for it
        log = os.open(data_dir / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        (data_dir / STATE).unlink(missing_ok=True)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        with embedded.share(database_folder(data_dir)) as lease:
            migrate(lease.url)
            state = Sandbox(
                pid=os.getpid(),
                url=f"http://127.0.0.1:{port}",
                database_url=lease.url,
                secret_key=secrets.token_hex(32),
            )
            children = [_Child(["serve", "--port", str(port)], state), _Child(["worker"], state)]
            _write_state(data_dir, state)
            try:
                while not ending:
                    with contextlib.suppress(DatabaseUnavailable):
                        lease.ensure(patience=ENSURE_PATIENCE)
                    for child in children:
                        child.revive()
                    time.sleep(WATCH)
            finally:
                (data_dir / STATE).unlink(missing_ok=True)
                for child in children:
                    child.end()


def _write_state(data_dir: Path, state: Sandbox) -> None:
    unfinished = data_dir / f"{STATE}.new"
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(state), file)
    unfinished.replace(data_dir / STATE)


def _die_with_parent() -> Callable[[], None] | None:
    if not hasattr(LIBC, "prctl"):
        return None
    return lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class _Child:
    """Server or worker: started again when it dies, ended with the sandbox."""

    def __init__(self, arguments: list[str], state: Sandbox) -> None:
        self.command = [sys.executable, "-m", "sightline", *arguments]
        told = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
        self.environment = told | {
            "SIGHTLINE_DATABASE_URL": state.database_url,
            "SIGHTLINE_SECRET_KEY": state.secret_key,
            "SIGHTLINE_PUBLIC_URL": state.url,
            "SIGHTLINE_LIMITS": LIMITS,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command, env=self.environment, preexec_fn=_die_with_parent())  # noqa: PLW1509

    def revive(self) -> None:
        if self.process.poll() is not None:
            self.process = self._started()

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]))

"""An embedded PostgreSQL that every process of one data folder shares, and that ends with the last of them.

    user ──┐ shared lock          exclusive lock, when nobody holds it
    user ──┼────────────> users.lock <─────────── keeper ──> postgres
    user ──┘                                      (one per folder, holds keeper.lock for life)

A user is any process with a `Lease`. Locks are the kernel's (flock), so one killed hard gives its lock back too:
the others go on, and when the last is gone the keeper sees it, stops the server and ends. A keeper killed hard
takes the server with it (`postmaster`, Linux only), and the next `Lease.ensure` starts both again on the same
port with the same password. A server that ended by itself, because it was killed hard or its disk was full, is
started again by its keeper, who tries for as long as anyone uses it: when there is room again, it goes on.

The folder must lie on a file system where flock works, which some network file systems are not. A process
forked (not spawned) from a user is a user as long as it lives.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

import psycopg

from sightline.errors import DatabaseUnavailable
from sightline.store import postmaster
from sightline.store.postmaster import POLL, PRIVATE, Folder, wait_until

START_PATIENCE = 150.0
"""Seconds a user waits for the server: longer than the keeper's own waits, so that its reason is heard first."""

LAUNCH_PATIENCE = 30.0
"""Seconds for a new Python process to load and step into the background."""

ALONE = 3.0
"""Seconds without any user after which the keeper stops the server: a restarted program finds it running."""

WATCH = 0.2
"""Seconds between two looks of the keeper."""

NEXT_TRY = 1.0
"""Seconds of rest after a server that ran could not be started again, before the next attempt."""


@dataclass(frozen=True, slots=True)
class _Signs:
    """The files by which users and keeper of one folder know of each other."""

    folder: Folder

    @property
    def users_lock(self) -> Path:
        return self.folder.path / "users.lock"

    @property
    def keeper_lock(self) -> Path:
        return self.folder.path / "keeper.lock"

    @property
    def keeper_log(self) -> Path:
        return self.folder.path / "keeper.log"

    @property
    def failure(self) -> Path:
        """Why the last keeper gave up; there only when it did."""
        return self.folder.path / "keeper.failed"

    @property
    def stop_request(self) -> Path:
        return self.folder.path / "stop"


class Lease:
    """One user's hold on the shared server; the server runs at least until it is released.

    Held until `release`, or until the process ends. Any thread may use it.
    """

    def __init__(self, signs: _Signs, users_lock: int) -> None:
        self._signs = signs
        self._users_lock: int | None = users_lock
        self._release = threading.Lock()
        self._url = ""

    @property
    def url(self) -> str:
        """`postgresql://sightline:PASSWORD@127.0.0.1:PORT/sightline`, as of the last `ensure`."""
        return self._url

    def ensure(self, patience: float = START_PATIENCE) -> str:
        """Return the url of a server that takes connections, starting it again if it died.

        Port and password stay, so that connection pools recover; the port alone changes when a stranger took
        it meanwhile. Costs one connection when all is well. Raises DatabaseUnavailable, when nothing answers
        after `patience` seconds.
        """
        if self._users_lock is None:
            raise DatabaseUnavailable("This lease was released. Call share() again for another.")
        deadline = time.monotonic() + patience
        launched = False
        problem = "nothing answers"
        while time.monotonic() < deadline:
            keeper_lock = _locked(self._signs.keeper_lock, fcntl.LOCK_EX)
            if keeper_lock is not None:
                # Nobody keeps the server. The lock goes to the keeper we start, still held: there is only one.
                try:
                    if launched and self._signs.failure.exists():
                        raise DatabaseUnavailable(self._signs.failure.read_text())
                    self._signs.failure.unlink(missing_ok=True)
                    _launch(self._signs, keeper_lock)
                    launched = True
                finally:
                    os.close(keeper_lock)
            elif url := self._signs.folder.url():
                try:
                    postmaster.connect(url).close()
                except psycopg.OperationalError as error:
                    problem = str(error)
                else:
                    self._url = url
                    return url
            time.sleep(POLL)
        raise DatabaseUnavailable(
            f"PostgreSQL in {self._signs.folder.path} does not answer ({problem}). Stop what holds it and try "
            f"again. {self._signs.folder.log_tail()}"
        )

    def release(self) -> None:
        """Give up the hold; a second call does nothing. The server stops soon after the last one."""
        with self._release:
            if self._users_lock is not None:
                os.close(self._users_lock)
                self._users_lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def share(data_dir: Path) -> Lease:
    """Make sure that a database runs for this folder, and hold it. The first call takes about two seconds.

    The folder is made if missing, with mode 0700; it is the database's own, so one that holds other people's
    files is refused. Raises DatabaseUnavailable with what to do and the end of the server's log.
    """
    signs = _Signs(Folder(data_dir.resolve()))
    try:
        _prepare(signs.folder)
        users_lock = _wait_for_lock(signs.users_lock)
    except OSError as error:
        raise DatabaseUnavailable(
            f"The data folder {signs.folder.path} cannot be used: {error}. Choose one that you own."
        ) from error
    lease = Lease(signs, users_lock)
    try:
        lease.ensure()
    except BaseException:
        lease.release()
        raise
    return lease


def stop(data_dir: Path) -> bool:
    """Stop the database of this folder for everyone; whether there was one running. Data stays.

    Returns when it is gone. A user who calls `Lease.ensure` afterwards starts it again. Raises
    DatabaseUnavailable when it does not stop.
    """
    signs = _Signs(Folder(data_dir.resolve()))
    if not signs.keeper_lock.exists():
        return False
    was_running = False
    deadline = time.monotonic() + START_PATIENCE
    while (keeper_lock := _locked(signs.keeper_lock, fcntl.LOCK_EX)) is None:
        was_running = True
        signs.stop_request.touch()
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(
                f"The database in {signs.folder.path} does not stop. End the process that holds "
                f"{signs.keeper_lock}. {signs.folder.log_tail()}"
            )
        time.sleep(POLL)
    try:
        # With the lock in hand no new keeper starts; a server whose keeper was killed may still be ending.
        wait_until(lambda: not postmaster.processes_in(signs.folder), postmaster.STOP_PATIENCE)
        signs.stop_request.unlink(missing_ok=True)
    finally:
        os.close(keeper_lock)
    return was_running


def _prepare(folder: Folder) -> None:
    folder.path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    if folder.path.stat().st_mode & 0o777 == PRIVATE:
        return
    if any(folder.path.iterdir()) and not folder.cluster.exists():
        raise DatabaseUnavailable(
            f"{folder.path} is open to others and holds other files. Choose an empty or a new folder for the "
            "database."
        )
    folder.path.chmod(PRIVATE)


def _locked(path: Path, kind: int) -> int | None:
    """An open descriptor that holds the lock until it is closed, or None when someone else has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _wait_for_lock(path: Path) -> int:
    """The shared users' lock; it is withheld only while a keeper is stopping its server."""
    deadline = time.monotonic() + START_PATIENCE
    while (descriptor := _locked(path, fcntl.LOCK_SH)) is None:
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(f"A database that is stopping holds {path} and does not end. End it.")
        time.sleep(POLL)
    return descriptor


def _launch(signs: _Signs, keeper_lock: int) -> None:
    """Start a keeper in the background and pass it the lock; returns when it has stepped into the background."""
    log = os.open(signs.keeper_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        # -P: a file that happens to lie in the working folder must not stand in for a module.
        launched = subprocess.run(
            [sys.executable, "-P", "-m", "sightline.store.embedded", str(signs.folder.path), str(keeper_lock)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(keeper_lock,),
            start_new_session=True,
            check=False,
            timeout=LAUNCH_PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise DatabaseUnavailable("The keeper of the database did not start in 30 s. Try again.") from error
    finally:
        os.close(log)
    # Killed (below zero) says nothing of the next attempt, and the caller makes one.
    if launched.returncode > 0:
        raise DatabaseUnavailable(
            "The keeper of the database could not be started. Mend what it says: "
            + signs.keeper_log.read_text(errors="replace")[-2000:]
        )


def _keep(signs: _Signs, keeper_lock: int) -> None:
    """Run the server while anyone uses it. Holds `keeper_lock` from the first line to the process's end."""
    if not os.get_inheritable(keeper_lock):
        raise ValueError("keeper_lock must be inherited from the launching user")
    # The server must not inherit it: the lock has to fall when the keeper does.
    os.set_inheritable(keeper_lock, False)
    signs.stop_request.unlink(missing_ok=True)
    users_lock = os.open(signs.users_lock, os.O_RDWR | os.O_CREAT, 0o600)
    server = postmaster.start(signs.folder)
    try:
        alone_since: float | None = None
        while not signs.stop_request.exists():
            try:
                fcntl.flock(users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                alone_since = None
            else:
                alone_since = alone_since or time.monotonic()
                if time.monotonic() - alone_since >= ALONE:
                    # The lock is kept now: whoever comes waits until the server is down, then starts anew.
                    break
                fcntl.flock(users_lock, fcntl.LOCK_UN)
            if server.poll() is not None:
                server = _started_again(signs) or server
            time.sleep(WATCH)
    finally:
        postmaster.stop(server)


def _started_again(signs: _Signs) -> subprocess.Popen[bytes] | None:
    """The server that ended, running again; None when it does not come up now, as on a disk that is full."""
    try:
        return postmaster.start(signs.folder)
    except (DatabaseUnavailable, OSError):
        # the server's own log says why; to give up would leave it to a person to start it again
        time.sleep(NEXT_TRY)
        return None


def _on_sigterm(_number: int, _frame: FrameType | None) -> NoReturn:
    """End through the `finally` clauses, which stop the server."""
    sys.exit(0)


def main(data_dir: str, keeper_lock: str) -> None:
    """Step into the background and keep the database; what users need to know of a failure goes to a file."""
    # The launching user waits for the process it started and so leaves no zombie; the keeper is its orphan.
    if os.fork() != 0:
        os._exit(0)
    os.chdir("/")
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _on_sigterm)
    signs = _Signs(Folder(Path(data_dir)))
    try:
        _keep(signs, int(keeper_lock))
    except DatabaseUnavailable as error:
        postmaster.write_secretly(signs.failure, error.detail)
        sys.exit(1)
    except (OSError, psycopg.Error) as error:
        postmaster.write_secretly(signs.failure, f"PostgreSQL could not be kept running: {error!r}.")
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])

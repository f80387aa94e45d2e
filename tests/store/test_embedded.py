"""Promises of the embedded database, kept with real processes: one server, shared, never orphaned, never open."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil  # it has no types of its own
import psycopg
import pytest

from sightline.errors import DatabaseUnavailable
from sightline.store.embedded import ALONE, share, stop
from sightline.store.postgres_account import account_for

CAP_SETFCAP = 31
PR_CAPBSET_DROP = 24
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")

USER = """
import sys
from pathlib import Path
from sightline.store.embedded import share
lease = share(Path(sys.argv[1]))
print(lease.url, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder that does not exist yet; at the end nothing may run for it any more."""
    path = tmp_path / "data" / "database"
    yield path
    end(path)


def end(path: Path) -> None:
    stop(path)
    eventually(lambda: not processes_of(path), within=5)


def eventually(condition: Callable[[], bool], *, within: float) -> float:
    """Seconds until the condition held."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < within, "it did not come true in time"
        time.sleep(0.05)
    return time.monotonic() - begun


def processes_of(path: Path) -> list[psutil.Process]:
    """Keeper, postmaster and its children: whatever names the folder or works in it, users excepted."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            arguments = process.cmdline()
            if "-c" in arguments or process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if str(path) in " ".join(arguments) or process.cwd().startswith(str(path)):
                found.append(process)
    return found


def postmaster_of(path: Path) -> psutil.Process:
    return psutil.Process(int((path / "pgdata" / "postmaster.pid").read_text().splitlines()[0]))


def keeper_of(path: Path) -> psutil.Process:
    keeper = postmaster_of(path).parent()
    assert keeper is not None
    assert "sightline.store.embedded" in keeper.cmdline()
    return keeper


def kill(process: psutil.Process) -> None:
    process.send_signal(signal.SIGKILL)


def ask(url: str, statement: str, *before: str) -> str:
    """First value that the statement gives, as text."""
    with psycopg.connect(url, autocommit=True) as connection:
        for earlier in before:
            connection.execute(earlier.encode())
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return str(row[0])


def write_mark(url: str) -> str:
    return ask(url, "SELECT it FROM mark", "CREATE TABLE mark AS SELECT md5(random()::text) AS it")


def read_mark(url: str) -> str:
    return ask(url, "SELECT it FROM mark")


@contextlib.contextmanager
def user(path: Path, become: Callable[[], None] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Another process that shares the database and holds it until it is killed, hard, at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=become,  # noqa: PLW1509 - no threads run while a test does this
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    url = process.stdout.readline().strip()
    assert url, process.stderr.read()
    return url


@dataclass(frozen=True)
class FirstStart:
    """A database started once for the tests that only look at it."""

    folder: Path
    url: str
    password: str
    modes_above: list[int]
    command_lines: set[str]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstStart]:
    folder = tmp_path_factory.mktemp("first") / "database"
    folder.parent.chmod(0o751)
    modes_above = [path.stat().st_mode for path in folder.parents]
    command_lines: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    command_lines.add(" ".join(process.cmdline()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        lease = share(folder)
    finally:
        over.set()
        watcher.join()
    with lease:
        yield FirstStart(folder, lease.url, (folder / "password").read_text(), modes_above, command_lines)
    end(folder)


def test_from_nothing_to_a_durable_utf8_database_in_utc_on_loopback_only(first: FirstStart) -> None:
    for setting, expected in {
        "server_version_num": "18",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
    }.items():
        assert ask(first.url, f"SHOW {setting}").startswith(expected), setting
    assert ask(first.url, "SELECT current_database() || '/' || current_user") == "sightline/sightline"
    connections = postmaster_of(first.folder).net_connections()
    assert {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_nobody_gets_in_without_the_password(first: FirstStart) -> None:
    assert len(first.password) >= 32
    for other in ("sightline", ""):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(first.url.replace(first.password, other))
    methods = ask(first.url, "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules")
    assert methods == "scram-sha-256"


def test_the_password_is_in_no_command_line_and_in_no_log(first: FirstStart) -> None:
    assert any("initdb" in line for line in first.command_lines), "the watcher saw the first start"
    assert not [line for line in first.command_lines if first.password in line]
    assert not [log for log in first.folder.glob("*.log") if first.password in log.read_text()]


def test_only_the_data_folder_is_closed_and_its_parents_stay_as_they_were(first: FirstStart) -> None:
    assert stat.S_IMODE(first.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((first.folder / "password").stat().st_mode) == 0o600
    assert not [path for path in first.folder.iterdir() if path.stat().st_mode & 0o077]
    assert [path.stat().st_mode for path in first.folder.parents] == first.modes_above


def test_users_killed_hard_leave_the_others_alone_and_the_last_one_takes_the_server_along(folder: Path) -> None:
    with user(folder) as one, user(folder) as another:
        url = url_of(one)
        assert url_of(another) == url
        server = postmaster_of(folder)
        one.kill()
        time.sleep(ALONE + 0.5)
        assert postmaster_of(folder) == server
        assert ask(url, "SELECT 1") == "1"
        another.kill()
        eventually(lambda: not processes_of(folder), within=10)
        assert "database system is shut down" in (folder / "postgres.log").read_text()


def test_a_user_who_comes_while_the_server_stops_gets_a_new_one(folder: Path) -> None:
    share(folder).release()
    server, log = postmaster_of(folder), folder / "postgres.log"
    eventually(lambda: "fast shutdown request" in log.read_text(), within=10)
    with share(folder) as lease:
        assert ask(lease.url, "SELECT 1") == "1"
        assert postmaster_of(folder) != server


def test_a_keeper_killed_hard_takes_the_server_along_and_ensure_brings_both_back(folder: Path) -> None:
    with share(folder) as lease:
        url, mark = lease.url, write_mark(lease.url)
        kill(keeper_of(folder))
        eventually(lambda: not processes_of(folder), within=5)
        assert lease.ensure() == url
        assert read_mark(url) == mark
        # Once more, without leaving the dying server time: its last answers must not pass for a running one's.
        server, keeper = postmaster_of(folder), keeper_of(folder)
        kill(keeper)
        eventually(lambda: keeper not in processes_of(folder), within=5)
        assert lease.ensure() == url
        assert postmaster_of(folder) != server
        assert read_mark(url) == mark


def test_a_server_killed_hard_is_started_again_by_its_keeper(folder: Path) -> None:
    with share(folder) as lease:
        url, mark, keeper = lease.url, write_mark(lease.url), keeper_of(folder)
        with psycopg.connect(url) as busy:
            busy.execute("SELECT 1")
            kill(postmaster_of(folder))
            with pytest.raises(psycopg.OperationalError):
                eventually(lambda: busy.execute("SELECT 1") is None, within=5)
        assert lease.ensure() == url
        assert read_mark(url) == mark
        assert keeper_of(folder) == keeper


def test_a_stale_lock_file_that_names_a_living_stranger_does_not_keep_the_server_from_starting(
    folder: Path,
) -> None:
    with share(folder) as lease:
        lock_file = folder / "pgdata" / "postmaster.pid"
        lines = lock_file.read_text().splitlines()
        assert lines[7].strip() == "ready"
        mark = write_mark(lease.url)
        stop(folder)
        lock_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        lease.ensure()
        assert read_mark(lease.url) == mark
        assert postmaster_of(folder).pid != os.getpid()


def test_four_first_users_at_once_start_one_server(folder: Path) -> None:
    with user(folder) as one, user(folder) as two, user(folder) as three, user(folder) as four:
        assert len({url_of(process) for process in (one, two, three, four)}) == 1
        assert (folder / "postgres.log").read_text().count("starting PostgreSQL") == 1
        assert len([p for p in processes_of(folder) if "sightline.store.embedded" in p.cmdline()]) == 1


def test_threads_of_one_process_share_too(folder: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        leases = list(threads.map(lambda _: share(folder), range(4)))
    assert len({lease.url for lease in leases}) == 1
    for lease in leases[1:]:
        lease.release()
        lease.release()
    assert ask(leases[0].ensure(), "SELECT 1") == "1"
    leases[0].release()
    with pytest.raises(DatabaseUnavailable, match="released"):
        leases[0].ensure()


def test_stop_is_for_everyone_and_says_whether_there_was_anything_to_stop(folder: Path) -> None:
    assert stop(folder) is False
    assert not folder.exists()
    with share(folder) as lease:
        mark = write_mark(lease.url)
        assert stop(folder) is True
        assert not processes_of(folder)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(lease.url)
        assert stop(folder) is False
        assert read_mark(lease.ensure()) == mark


def test_a_port_that_a_stranger_took_is_left_to_him(folder: Path) -> None:
    with share(folder) as lease:
        url, mark = lease.url, write_mark(lease.url)
        stop(folder)
        with socket.create_server(("127.0.0.1", int((folder / "port").read_text()))):
            assert lease.ensure() != url
            assert read_mark(lease.url) == mark


def test_a_folder_with_other_peoples_files_is_refused_untouched(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(DatabaseUnavailable, match="empty"):
        share(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_database_without_its_password_file_says_so(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "pgdata").mkdir()
    with pytest.raises(DatabaseUnavailable, match=r"password file .* is missing"):
        share(folder)


def test_a_server_that_cannot_start_ends_in_an_error_that_quotes_its_log(folder: Path) -> None:
    cluster = folder / "pgdata"
    cluster.mkdir(parents=True)
    cluster.chmod(0o700)
    (folder / "password").write_text("of a cluster that someone mended by hand")
    (cluster / "PG_VERSION").write_text("18\n")
    (cluster / "postgresql.conf").write_text("no_such_setting_at_all = 7\n")
    with pytest.raises(DatabaseUnavailable, match="no_such_setting_at_all"):
        share(folder)
    assert not processes_of(folder)


def refuse_namespaces() -> None:
    """Give up, for good, what root needs to make a user namespace of its own."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SETFCAP, 0, 0, 0)


@AS_ROOT
def test_root_without_namespaces_runs_it_as_nobody_and_takes_it_back_later() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        path = Path(place, "database")
        with user(path, refuse_namespaces) as process:
            mark = write_mark(url_of(process))
            assert postmaster_of(path).username() == "nobody"
            kill(keeper_of(path))
            eventually(lambda: not processes_of(path), within=5)
        with share(path) as lease:
            assert postmaster_of(path).uids().effective == 0
            assert read_mark(lease.url) == mark
        end(path)


@AS_ROOT
def test_a_place_that_nobody_cannot_pass_is_named_and_not_opened(folder: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with user(folder, refuse_namespaces) as process:
        assert process.stderr is not None
        assert f"{tmp_path}" in process.stderr.read()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@AS_ROOT
def test_an_ordinary_user_runs_it_as_himself(folder: Path, tmp_path: Path) -> None:
    with user(folder, account_for(tmp_path).become) as process:
        assert ask(url_of(process), "SELECT 1") == "1"
        assert keeper_of(folder).is_running()

"""Several server processes on one port are one server: in what they count, when one is killed, and at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import psutil
import pytest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from builders import SECRET, Town, bearer, send, wire_batch, wire_event
from sandbox_running import a_free_port
from sightline.metrics import FOLDER

PATIENCE = 60.0
"""Seconds: starts take 4 on a quiet machine, and this one may be busy."""

EVENTS = "telemetry_events_processed_total"


class Several:
    """A running `sightline serve --processes 2`, seen from outside."""

    def __init__(self, process: psutil.Popen, port: int, database_url: str) -> None:
        self.process, self.port, self.database_url = process, port, database_url
        self.url = f"http://127.0.0.1:{port}"

    def servers(self) -> dict[int, psutil.Process]:
        """The processes that were started to serve, by id; those that ended are none."""
        found = {}
        for child in self.process.children():
            try:
                if "one_of_several" in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                    found[child.pid] = child
            except psutil.NoSuchProcess:
                continue
        return found

    def numbers(self) -> Path:
        """The folder where they keep their numbers."""
        (any_server, *_) = self.servers().values()
        return Path(any_server.environ()[FOLDER])

    def listening(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0


def until(holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def started(folder: Path, database_url: str) -> Iterator[Several]:
    port = a_free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    told = {
        "SIGHTLINE_DATABASE_URL": database_url,
        "SIGHTLINE_SECRET_KEY": SECRET,
        "SIGHTLINE_DATA_DIR": str(folder),
        "TMPDIR": str(folder),
    }
    command = [sys.executable, "-m", "sightline", "serve", "--port", str(port), "--processes", "2"]
    with (folder / "log").open("wb") as log:
        process = psutil.Popen(command, env=clean | told, stdout=log, stderr=subprocess.STDOUT)
    several = Several(process, port, database_url)
    family: list[psutil.Process] = []
    try:
        until(lambda: answers(several.url), "it does not answer")
        until(lambda: both_serve(several), "not both processes serve")
        family = process.children(recursive=True)
        yield several
    finally:
        family = [*family, *(process.children(recursive=True) if process.is_running() else [])]
        for one in [process, *family]:
            if one.is_running():
                one.kill()
        process.wait(10)


def both_serve(several: Several) -> bool:
    """Whether both have loaded the application: it is then that they make their files of numbers."""
    servers = several.servers()
    return len(servers) == 2 and all((several.numbers() / f"histogram_{pid}.db").exists() for pid in servers)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[Several]:
    """One server for this module, as it takes seconds to start; the test that ends it is the last to use it."""
    with started(tmp_path_factory.mktemp("several"), database_url) as running:
        yield running


async def counted(url: str) -> float:
    """Events answered by all processes, as whichever answers on a new connection has them."""
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == EVENTS)


def counted_alone(several: Several, pid: int) -> float:
    """Events that one process has answered, from its own file."""
    path = several.numbers() / f"counter_{pid}.db"
    merged: Any = MultiProcessCollector.merge([str(path)]) if path.exists() else []  # type: ignore[no-untyped-call]
    return float(sum(sample.value for metric in merged for sample in metric.samples if sample.name == EVENTS))


async def send_some(several: Several, town: Town, batches: int, each: int) -> int:
    """Send batches at the same time, each on a connection of its own; how many events were answered."""
    student = town.here.students[0]

    async def one() -> int:
        events = [wire_event(student, uuid4()) for _ in range(each)]
        async with httpx.AsyncClient(base_url=several.url, timeout=20) as client:
            answer = await send(client, town.here.key, wire_batch(events))
        assert answer.status_code == 201, answer.text
        return int(answer.json()["received_count"])

    return sum(await asyncio.gather(*(one() for _ in range(batches))))


async def test_requests_reach_both_processes_and_each_answers_for_the_sum(several: Several, town: Town) -> None:
    before = await counted(several.url)
    sent = 0
    for _ in range(20):
        sent += await send_some(several, town, batches=12, each=3)
        alone = {pid: counted_alone(several, pid) for pid in several.servers()}
        if all(alone.values()):
            break
    assert len(alone) == 2
    assert all(events > 0 for events in alone.values()), "both took requests"
    assert {await counted(several.url) - before for _ in range(12)} == {sent}
    assert sum(alone.values()) == before + sent


async def test_a_killed_process_comes_back_and_what_it_counted_stays_counted(several: Several, town: Town) -> None:
    await send_some(several, town, batches=12, each=3)
    before = await counted(several.url)
    victim, *_ = was = several.servers()
    was[victim].kill()
    until(lambda: victim not in several.servers(), "it does not die")
    sent = await send_some(several, town, batches=12, each=3)
    until(lambda: both_serve(several), "it does not come back")
    assert len(several.servers().keys() - was.keys()) == 1
    assert await counted(several.url) == before + sent
    queues = [path.name for path in several.numbers().glob("gauge_live*.db")]
    assert not [name for name in queues if str(victim) in name], "what waited in a dead process waits no more"


def test_killing_the_parent_hard_leaves_no_process_behind(tmp_path: Path, database_url: str) -> None:
    with started(tmp_path, database_url) as running:
        family = running.process.children(recursive=True)
        assert len(running.servers()) == 2
        running.process.kill()
        running.process.wait(10)
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []
        assert not running.listening()


def test_a_port_that_is_taken_is_said_and_nothing_is_shared_with_a_stranger(several: Several) -> None:
    told = os.environ | {"SIGHTLINE_SECRET_KEY": SECRET, "SIGHTLINE_DATABASE_URL": several.database_url}
    command = [sys.executable, "-m", "sightline", "serve", "--port", str(several.port), "--processes", "2"]
    refused = subprocess.run(command, env=told, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert refused.returncode == 1
    assert f"port {several.port}" in refused.stderr


def test_a_request_under_way_is_answered_when_all_are_asked_to_end(several: Several, town: Town) -> None:
    body = msgspec.json.encode(wire_batch([wire_event(town.here.students[0], uuid4())]))
    lines = [
        "POST /api/v1/telemetry/batch HTTP/1.1",
        "Host: sightline.test",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in bearer(town.here.key).items()),
    ]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    family, folder = several.process.children(recursive=True), several.numbers()
    with socket.create_connection(("127.0.0.1", several.port), timeout=20) as sending:
        sending.sendall(head + body[:20])
        time.sleep(0.3)  # until one of the processes has it
        several.process.send_signal(signal.SIGTERM)
        until(lambda: not several.listening(), "nobody new is let in any more")
        sending.sendall(body[20:])
        assert sending.recv(65536).startswith(b"HTTP/1.1 201 ")
    began = time.monotonic()
    assert several.process.wait(10) == 0
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert time.monotonic() - began < 5
    assert not folder.exists(), "the numbers of this run are nobody's any more"

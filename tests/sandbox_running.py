"""One real sandbox for these tests: keeper, embedded database, server, worker, all as a user starts them."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Running:
    """A running sandbox as a user sees it: its folder, its address, and what the command printed."""

    data_dir: Path
    port: int
    printed: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def links(self) -> dict[str, str]:
        """Fresh sign-in links by role, as `sightline demo` prints them."""
        printed = sightline(self.data_dir, "demo").stdout
        return dict(re.findall(r"\((\w+)\)\s+(\S+/signin\?token=\S+)", printed))


def sightline(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, with nothing of Sightline's in the environment but the data folder."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SIGHTLINE_")}
    return subprocess.run(
        [sys.executable, "-m", "sightline", *arguments],
        env=clean | {"SIGHTLINE_DATA_DIR": str(data_dir), "COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data_dir, port = tmp_path_factory.mktemp("sandbox"), a_free_port()
    done = sightline(data_dir, "demo", "--port", str(port))
    assert done.returncode == 0, done.stderr
    yield Running(data_dir, port, done.stdout)
    stopped = sightline(data_dir, "demo", "--stop")
    assert "stopped" in stopped.stdout


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one module without asynchronous tests: its driver keeps a loop running meanwhile."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield opened
        opened.close()

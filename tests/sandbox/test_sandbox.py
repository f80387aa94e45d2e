"""The main job as a user does it: commands, real processes, real pages in a real browser, real children's data."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, Page

from sandbox_running import Running, a_free_port, sightline
from sightline.demo import stack

pytestmark = pytest.mark.timeout(300)


def test_demo_says_what_it_sent_and_that_students_are_simulated(sandbox: Running) -> None:
    assert re.search(
        r"\d+ events, 1050 ratings, \d+ sessions, 40 transcripts, \d+ turns sent over HTTP", sandbox.printed
    )
    assert "simulated" in sandbox.printed
    assert "not taken" not in sandbox.printed
    assert httpx.get(f"{sandbox.url}/readyz").json() == {"database": "ready"}


def test_demo_again_makes_links_and_nothing_else(sandbox: Running) -> None:
    again = sightline(sandbox.data_dir, "demo")
    assert again.returncode == 0
    assert "sent over HTTP" not in again.stdout
    assert again.stdout.count("/signin?token=") == 3


def signed_in(browser: Browser, link: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(link)
    page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
    return page


def test_a_teacher_signs_in_and_finds_the_moments_behind_an_estimate(sandbox: Running, browser: Browser) -> None:
    page = signed_in(browser, sandbox.links()["teacher"])
    assert "simulated" in page.inner_text("body").lower()
    page.locator("main a[href*='/classes/']").first.click()
    assert page.locator("tbody tr", has=page.locator("a[href*='/students/']")).count() == 25
    page.locator("main a[href*='/students/']").first.click()
    page.locator("details").first.locator("summary").first.click()
    text = page.inner_text("main")
    assert re.search(r"In \d+ of \d+ |rated level|Typically", text, re.IGNORECASE)
    assert re.search(r"\d{1,2}:\d{2}", text), "each moment has its time"
    page.context.close()


def test_a_link_works_once_and_nothing_is_shown_without_signing_in(sandbox: Running, browser: Browser) -> None:
    link = sandbox.links()["teacher"]
    signed_in(browser, link).context.close()
    page = browser.new_context().new_page()
    page.goto(link)
    assert page.get_by_role("button", name=re.compile("^sign in", re.IGNORECASE)).count() == 0
    page.goto(f"{sandbox.url}/")
    assert "/signin" in page.url
    page.context.close()


def test_secrets_are_new_at_each_start_and_readable_by_nobody_else(sandbox: Running) -> None:
    state = sandbox.data_dir / "sandbox" / "sandbox.json"
    assert state.stat().st_mode & 0o777 == 0o600
    secret = json.loads(state.read_text())["secret_key"]
    assert len(secret) == 64
    for process in psutil.process_iter(["cmdline"]):
        assert secret not in " ".join(process.info["cmdline"] or [])
    log = (sandbox.data_dir / "sandbox" / "sandbox.log").read_text()
    assert secret not in log
    assert "token" not in log


def test_the_real_corpus_goes_through_the_front_door(sandbox: Running, corpora: Path, browser: Browser) -> None:
    first = sightline(sandbox.data_dir, "import", "justhink", str(corpora / "justhink"))
    assert first.returncode == 0, first.stderr
    assert "3814 events, 40 sessions, 5 transcripts, 2723 turns stored" in first.stdout
    assert "of 4684 log rows, 1038 became no event" in first.stdout
    assert "Pair 07 · A" in first.stdout
    again = sightline(sandbox.data_dir, "import", "justhink", str(corpora / "justhink"))
    assert table(again.stdout) == table(first.stdout), "importing again doubles nothing and changes nothing"
    link = re.findall(r"\S+/signin\?token=\S+", again.stdout)[0]
    page = signed_in(browser, link)
    page.locator("main a[href*='/classes/']").first.click()
    assert page.locator("tbody tr", has=page.locator("a[href*='/students/']")).count() == 40
    assert "simulated students" not in page.inner_text("body").lower()
    with_talk = page.locator("main a", has_text="Pair 07 · A").first
    with_talk.click()
    page.locator("details").first.locator("summary").first.click()
    assert "not enough evidence yet" in page.inner_text("main").lower()
    page.context.close()


def table(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith("│")]


@pytest.mark.parametrize("child", ["serve", "worker"])
def test_a_killed_server_or_worker_comes_back(sandbox: Running, child: str) -> None:
    keeper = psutil.Process(json.loads((sandbox.data_dir / "sandbox" / "sandbox.json").read_text())["pid"])
    (victim,) = running(keeper, child)
    os.kill(victim.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        alive = [p for p in running(keeper, child) if p.pid != victim.pid]
        if alive and answers(sandbox.url):
            return
        time.sleep(0.2)
    pytest.fail(f"{child} did not come back")


def running(keeper: psutil.Process, child: str) -> list[psutil.Process]:
    """Children of the keeper that run this command; one that was killed may still wait to be reaped."""
    found = []
    for process in keeper.children():
        try:
            if child in process.cmdline():
                found.append(process)
        except psutil.ZombieProcess:
            continue
    return found


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def test_two_at_once_share_one_sandbox(tmp_path: Path) -> None:
    port = a_free_port()
    start = (
        "import pathlib, sys; from sightline.demo import stack; "
        "print(stack.start(pathlib.Path(sys.argv[1]), int(sys.argv[2])).pid)"
    )
    command = [sys.executable, "-c", start, str(tmp_path / "sandbox"), str(port)]
    try:
        with ThreadPoolExecutor() as pool:
            both = list(
                pool.map(lambda _: subprocess.run(command, capture_output=True, text=True, check=False), range(2))
            )
        assert [done.returncode for done in both] == [0, 0], both
        assert both[0].stdout == both[1].stdout
        assert answers(f"http://127.0.0.1:{port}")
    finally:
        assert stack.stop(tmp_path / "sandbox")
    assert stack.running(tmp_path / "sandbox") is None


def test_bad_commands_get_one_line_that_says_what_to_do(sandbox: Running, tmp_path: Path) -> None:
    for arguments, words in (
        (("serve",), "SIGHTLINE_SECRET_KEY is not set and has no default"),
        (("worker",), "SIGHTLINE_SECRET_KEY is not set and has no default"),
        (("import", "justhink", str(tmp_path)), "name the folder of the JUSThink corpus"),
        (("admin", "staff", "X", "--school", "00000000-0000-0000-0000-000000000001"), "there is no school"),
    ):
        folder = sandbox.data_dir if "import" in arguments else tmp_path
        done = sightline(folder, *arguments)
        assert done.returncode == 1
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert "Traceback" not in done.stderr


def test_weak_secrets_are_refused_by_the_server_itself(tmp_path: Path) -> None:
    done = sightline(tmp_path, "serve", SIGHTLINE_SECRET_KEY="changeme" * 8)
    assert done.returncode == 1
    assert "guessable or published" in done.stderr


def test_people_and_keys_are_made_on_the_command_line(tmp_path: Path) -> None:
    secret = {"SIGHTLINE_SECRET_KEY": os.urandom(32).hex()}
    (tmp_path / "roster.csv").write_text("student_id,display_name\n,Ada\n,Ben\n")

    def made(*arguments: str) -> str:
        done = sightline(tmp_path / "data", "admin", *arguments, **secret)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    school = made("school", "Hill School")
    class_id = made("class", "6a", "--school", school)
    students = made("students", str(tmp_path / "roster.csv"), "--school", school, "--class", class_id)
    assert [line.split("\t")[1] for line in students.splitlines()] == ["Ada", "Ben"]
    staff = made("staff", "Ms. Hill", "--school", school, "--class", class_id)
    assert made("key", "a game", "--school", school).startswith("sk_")
    assert "/signin?token=sl_" in made("link", staff, "--school", school)

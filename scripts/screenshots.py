"""Take the screenshots of README and docs: a fresh sandbox, the real pages, Debian's Chromium.

    python scripts/screenshots.py [CORPUS]

CORPUS is the folder of the JUSThink corpus (default ../shared/data/justhink); without it its page is left out.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 760}


def sightline(folder: Path, *arguments: str, **told: str) -> str:
    command = [sys.executable, "-m", "sightline", *arguments]
    environment = os.environ | {"SIGHTLINE_DATA_DIR": str(folder)} | told
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def signed_in(browser: Browser, link: str, viewport: dict[str, int], scheme: str = "light") -> Page:
    size = {"width": viewport["width"], "height": viewport["height"]}
    page = browser.new_context(viewport=size, color_scheme=scheme).new_page()  # type: ignore[arg-type]
    page.goto(link)
    page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
    return page


def teacher_link(folder: Path) -> str:
    return str(re.findall(r"\(teacher\)\s+(\S+)", sightline(folder, "demo"))[0])


def open_class(page: Page) -> None:
    page.locator("main a[href*='/classes/']").first.click()


def of_the_sandbox(browser: Browser, folder: Path) -> None:
    page = signed_in(browser, teacher_link(folder), WIDE)
    open_class(page)
    page.screenshot(path=IMAGES / "class.png")
    page.locator("tbody a[href*='/students/']").first.click()
    page.screenshot(path=IMAGES / "student.png")
    page.locator("details summary").first.click()
    page.screenshot(
        path=IMAGES / "reasons.png", full_page=True, clip={"x": 0, "y": 0, "width": 1280, "height": 1500}
    )
    for scheme, viewport, name in (("dark", WIDE, "class-dark"), ("light", PHONE, "class-phone")):
        other = signed_in(browser, teacher_link(folder), viewport, scheme)
        open_class(other)
        other.screenshot(path=IMAGES / f"{name}.png")
        other.context.close()


def of_a_game(browser: Browser, folder: Path) -> None:
    """A school of its own with one student, whose game sends three good events and two that are refused."""
    state = json.loads((folder / "sandbox" / "sandbox.json").read_text())
    told = {"SIGHTLINE_DATABASE_URL": state["database_url"], "SIGHTLINE_SECRET_KEY": state["secret_key"]}
    school = sightline(folder, "admin", "school", "Bridge school", **told).strip()
    class_id = sightline(folder, "admin", "class", "Class 7", "--school", school, **told).strip()
    roster = folder / "roster.csv"
    roster.write_text("student_id,display_name\n,Student 1\n")
    of_class = ("--school", school, "--class", class_id)
    student = sightline(folder, "admin", "students", str(roster), *of_class, **told).split()[0]
    key = sightline(folder, "admin", "key", "bridge game", "--school", school, **told).strip()
    page = browser.new_context(viewport={"width": 1280, "height": 640}).new_page()
    page.goto(f"{state['url']}/arriving")
    page.get_by_label("Server key").fill(key)
    page.get_by_role("button", name="Show what arrives").click()
    said = [
        ("task_start", {"task": "bridge 3"}, student),
        ("failure", {"task": "bridge 3", "feedback": True}, student),
        ("failure", {"task": "bridge 3", "feedback": "yes"}, student),
        ("retry", {"task": "bridge 3"}, str(uuid4())),
        ("bridge_painted", {"colour": "red"}, student),
    ]
    session = str(uuid4())
    for sequence, (event_type, data, whose) in enumerate(said, start=1):
        event: dict[str, object] = {"event_id": str(uuid4()), "student_id": whose, "session_id": session}
        event |= {"event_type": event_type, "timestamp": datetime.now(UTC).isoformat()}
        event |= {"sequence": sequence, "data": data}
        bearer = {"Authorization": f"Bearer {key}"}
        httpx.post(f"{state['url']}/api/v1/telemetry/events", json=event, headers=bearer)
    page.locator("tr.stored", has_text="bridge_painted").wait_for()
    page.locator("tr.stored summary").nth(1).click()
    page.wait_for_timeout(2_500)  # new rows are tinted for two seconds
    page.screenshot(path=IMAGES / "arriving.png")
    page.context.close()


def of_the_corpus(browser: Browser, folder: Path, corpus: Path) -> None:
    link = re.findall(r"\S+/signin\?token=\S+", sightline(folder, "import", "justhink", str(corpus)))[0]
    page = signed_in(browser, link, WIDE)
    open_class(page)
    page.locator("main a", has_text="Pair 18 · B").first.click()
    skill = page.locator("details summary").nth(3)
    skill.click()
    skill.scroll_into_view_if_needed()
    page.evaluate("document.querySelectorAll('details')[3].parentElement.scrollIntoView()")
    page.screenshot(path=IMAGES / "justhink-student.png")


def main(corpus: Path) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        sightline(Path(folder), "demo", "--port", str(port))
        try:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
            )
            of_the_sandbox(browser, Path(folder))
            of_a_game(browser, Path(folder))
            if corpus.is_dir():
                of_the_corpus(browser, Path(folder), corpus)
            browser.close()
        finally:
            sightline(Path(folder), "demo", "--stop")
    print(f"wrote {', '.join(sorted(p.name for p in IMAGES.glob('*.png')))}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/justhink"))

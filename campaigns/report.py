"""Where a campaign's last result is kept: one section each of docs/reliability.md, between its own marks."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"


def machine() -> str:
    """One line that says when and on what a result was measured."""
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def keep(name: str, lines: Sequence[str]) -> None:
    """Replace the section of a campaign with these lines of Markdown. Raises ValueError without its marks."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    page = PAGE.read_text(encoding="utf-8")
    section = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not section.search(page):
        raise ValueError(f"{PAGE} has no marks {begin} and {end}")
    text = "\n".join([begin, machine(), "", *lines, end])
    PAGE.write_text(section.sub(lambda _: text, page), encoding="utf-8")

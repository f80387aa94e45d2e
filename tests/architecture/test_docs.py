"""The docs hold together: links lead somewhere, modules that are named exist, and a teacher needs a minute."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted((*ROOT.glob("*.md"), *DOCS.rglob("*.md")))
LINK = re.compile(r"\]\(([^()\s]+(?:\([^()]*\)[^()\s]*)*)(?:\s+\"[^\"]*\")?\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
MODULE = re.compile(r"`((?:\w+/)*\w+\.py)`")

MOST_WORDS = 240
"""Words that an adult reads in a minute, in silence (Brysbaert 2019: 238)."""


def text_of(page: Path) -> str:
    """What is prose and no block of code."""
    return FENCED.sub("", page.read_text())


def slugs(page: Path) -> set[str]:
    """Anchors of a page's headings, made as GitHub makes them."""
    found: dict[str, int] = {}
    anchors = set()
    for heading in HEADING.findall(text_of(page)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        anchors.add(f"{slug}-{found[slug]}" if slug in found else slug)
        found[slug] = found.get(slug, 0) + 1
    return anchors


def broken_links(page: Path, root: Path = ROOT) -> list[str]:
    broken = []
    for link in LINK.findall(text_of(page)):
        if ELSEWHERE.match(link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        there = target.is_relative_to(root) and target.exists()
        if not there or (anchor and target.suffix == ".md" and anchor not in slugs(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert broken_links(page) == []


def test_a_link_to_nowhere_is_noticed(tmp_path: Path) -> None:
    """The control that must fail: a missing file, a missing heading, a place outside of the repository."""
    page = tmp_path / "page.md"
    page.write_text(
        "# Here, and *there*\n[a](missing.md) [b](#nowhere) ![c](../../etc/hosts)\n"
        "[d](https://example.org) [e](#here-and-there) [f](page.md#here-and-there)\n```\n[g](code)\n```\n"
    )
    assert broken_links(page, tmp_path) == ["missing.md", "#nowhere", "../../etc/hosts"]


def test_modules_that_the_page_of_the_model_and_its_decisions_name_exist() -> None:
    of_the_model = [DOCS / "how-a-score-is-made.md", *sorted((DOCS / "adr").glob("001[0-3]-*.md"))]
    names = {name for page in of_the_model for name in MODULE.findall(page.read_text())}
    assert len(names) > 30
    modules = [
        f"/{path.relative_to(ROOT)}" for top in ("src", "tests", "bench") for path in (ROOT / top).rglob("*.py")
    ]
    assert [name for name in sorted(names) if not any(m.endswith(f"/{name}") for m in modules)] == []


def syllables(word: str) -> int:
    """Groups of vowels, a silent e at the end not counted: near enough for a mean over a page."""
    groups = len(re.findall(r"[aeiouy]+", word.lower()))
    silent = word.lower().endswith("e") and not word.lower().endswith("le") and groups > 1
    return max(groups - silent, 1)


def test_the_one_minute_page_has_no_equation_takes_a_minute_and_is_read_in_grade_8() -> None:
    page = (DOCS / "how-an-estimate-is-reached.md").read_text()
    body = "\n".join(part for part in page.split("\n\n") if part.startswith("**"))
    assert not re.search(r"[=^_\\`±σθβ]|\bSD\b|\d", body)
    words = re.findall(r"[A-Za-z']+", body)
    assert len(words) <= MOST_WORDS
    sentences = len(re.findall(r"[.?!](?=[\s\"*]|$)", body))
    grade = 0.39 * len(words) / sentences + 11.8 * sum(map(syllables, words)) / len(words) - 15.59  # Kincaid 1975
    assert grade <= 8.0

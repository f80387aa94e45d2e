"""Write the pages of the docs that are made from the code: indicators and API.

    python scripts/generate_docs.py [--check]

With --check nothing is written; the exit status is 1 when a page is not as the code says.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sightline.api.app import api
from sightline.features.catalog import CATALOG_VERSION, INDICATORS
from sightline.settings import read_settings
from sightline.store.database import Store
from sightline.web.reference import described

DOCS = Path(__file__).parents[1] / "docs"


def indicators() -> str:
    lines = [
        "# Indicators",
        "",
        f"Catalog {CATALOG_VERSION}, made from `features/catalog.py` by `scripts/generate_docs.py`. Direction + speaks for the",
        "skill, - against it. Below the minimum of opportunities an indicator is absent, with its reason.",
        "",
    ]
    for source in ("game", "talk", "teacher"):
        lines += [
            f"## {source.capitalize()}",
            "",
            "| indicator | skill | | what is counted | unit | minimum | why | after |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for i in INDICATORS.values():
            if i.source == source:
                sign = "+" if i.direction > 0 else "-"
                act = i.act.replace("{value}", "…")
                lines.append(
                    f"| `{i.name}` | {i.skill} | {sign} | {i.chance}: {act} | {i.unit}, {i.range} | {i.minimum} | "
                    f"{i.rationale} | {i.reference} |"
                )
        lines.append("")
    return "\n".join(lines)


def reference() -> str:
    store = Store("postgresql://nobody@127.0.0.1:1/nothing")  # never connected to: only the routes are asked for
    openapi = api(store, read_settings({})).openapi()
    lines = [
        "# API reference",
        "",
        "Made from OpenAPI by `scripts/generate_docs.py`; a running server shows the same at `/docs`, and the document itself at",
        "`/api/v1/openapi.json`. Every request carries `Authorization: Bearer …`. Errors are problem documents (RFC 9457).",
        "",
    ]
    for tag, routes in described(openapi).items():
        lines += [f"## {tag.capitalize()}", ""]
        for route in routes:
            lines += [
                f"### `{route.method} {route.path}`",
                "",
                route.does,
                "",
                *(f"- {a}" for a in route.answers),
                "",
            ]
    return "\n".join(lines)


def main(*, check: bool) -> int:
    stale = []
    for name, text in (("indicators.md", indicators()), ("api.md", reference())):
        path = DOCS / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(("not as the code says: " if check else "written: ") + ", ".join(stale))
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))

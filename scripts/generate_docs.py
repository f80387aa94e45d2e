"""Write the pages of the docs that are made from the code: indicators, event types and API.

    python scripts/generate_docs.py [--check]

With --check nothing is written; the exit status is 1 when a page is not as the code says.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path

from sightline.api.app import api
from sightline.features.catalog import CATALOG_VERSION, INDICATORS
from sightline.ingest.event_types import CATALOG, EVENT_CATALOG_VERSION, fields_of
from sightline.ingest.event_types_rows import EventType
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


AN_EVENT = {
    "event_id": "5f0f9d0a-2f5e-4c39-a4e0-8d1c3a1b2c01",
    "student_id": "8a2c0f34-4f2e-4b7e-9d55-0b6d3c1f2a10",
    "session_id": "c1d7e6aa-0f1b-4d0e-8a43-2f6f5f1f7b20",
    "event_type": "failure",
    "timestamp": "2026-03-02T09:30:12Z",
    "sequence": 17,
    "mission_id": "river-crossing",
}


def events() -> str:
    """Every event type with its fields, and every indicator of play with the types that its rule reads."""
    whole = json.dumps(AN_EVENT | {"data": dict(CATALOG["failure"].example)}, indent=2)
    lines = [
        "# Event types",
        "",
        f"Event catalog {EVENT_CATALOG_VERSION}, made by `scripts/generate_docs.py` from the schemas in `ingest/event_types_schemas.py` that",
        "check each event. A running server gives the same as JSON Schema at `GET /api/v1/telemetry/event-types`, without a credential.",
        "`sightline lint-events FILE` checks a file of events (JSON lines, one event a line) before you send it.",
        "",
        "A whole event:",
        "",
        "```json",
        whole,
        "```",
        "",
        "- A field in `data` is needed only where the table says so. `null` is the same as leaving it out.",
        "- Your own keys are welcome in `data` beside these. No rule reads them.",
        "- A field of the wrong type or out of range: the event is rejected with the code `invalid_data` and the place, such as",
        "  `/data/feedback`. A needed field that is not there: `missing_field`. Other events of the batch are stored.",
        '- `true` and `false` are sent without quotes. `"yes"`, `"true"` and `1` are rejected.',
        "- Other event types are stored and counted, and the answer says that no rule reads them.",
        "",
        "## What makes an indicator visible",
        "",
        "Each rule reads these events. [Indicators](indicators.md) says what is counted, and how much is needed.",
        "",
        "| skill | indicator | event types |",
        "|---|---|---|",
    ]
    for i in INDICATORS.values():
        if i.source == "game":
            readers = ", ".join(f"`{t.name}`" for t in CATALOG.values() if i.name in t.shows)
            lines.append(f"| {i.skill} | `{i.name}` | {readers} |")
    for group, types in groupby(CATALOG.values(), lambda t: t.group):
        rows = list(types)
        lines += [
            "",
            f"## {group}",
            "",
            "| event type | what happened | example of `data` | since |",
            "|---|---|---|---|",
        ]
        for t in rows:
            example = json.dumps(dict(t.example), ensure_ascii=False)
            lines.append(f"| [`{t.name}`](#{t.name}) | {t.meaning} | `{example}` | {t.since} |")
        for t in rows:
            lines += ["", f"### {t.name}", "", *_one_type(t)]
    return "\n".join([*lines, ""])


def _one_type(row: EventType) -> list[str]:
    seen = [f"`{name}` ({INDICATORS[name].skill})" for name in row.shows]
    seen += [f"`{name}` (session feature)" for name in row.session_features]
    lines = [f"Read by: {', '.join(seen) or 'no rule; it is kept with the session'}."]
    if row.read_as is not None:
        lines += ["", f"Rules read it as [`{row.read_as}`](#{row.read_as})."]
        if fields_of(row) == fields_of(CATALOG[row.read_as]):
            return [*lines[:-1], f"{lines[-1]} It has the same fields."]
    lines += ["", "| field | type | unit | needed | meaning |", "|---|---|---|---|---|"]
    lines += [
        f"| `{f.name}` | {f.kind} | {f.unit or ''} | {'yes' if f.required else ''} | {f.meaning} |"
        for f in fields_of(row)
    ]
    return lines


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
    for name, text in (("indicators.md", indicators()), ("events.md", events()), ("api.md", reference())):
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

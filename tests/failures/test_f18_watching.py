"""F18, further: what people watch the server with asks for numbers that are there, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from sightline import metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERT = re.compile(
    r"^      - alert: (?P<name>Sightline\w+)\n        expr: (?P<expr>.+)\n        for: \d+m\n"
    r"        labels: \{severity: (page|ticket)\}\n        annotations:\n"
    r"          summary: (?P<summary>.+)\n          todo: .+\n",
    re.MULTILINE,
)
"""One rule, in the one form of this file. YAML is not read here; Prometheus's promtool did it once."""

NAME = re.compile(r"\b(?:(?:telemetry|sightline)_[a-z_]+|up)\b")
SELECTED, GROUPED, SHOWN = r"\{([^{}]*)\}", r"\bby \(([^)]*)\)", r"\{\{ ?(?:\$labels\.)?(\w+) ?\}\}"
OF_PROMETHEUS = {"job", "instance"}
SUFFIXES = ("_bucket", "_sum", "_count")


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    return found


def alerts() -> list[re.Match[str]]:
    return list(ALERT.finditer((DEPLOY / "alerts.yml").read_text()))


def asked() -> Iterator[tuple[str, str]]:
    """Each expression with the text that shows its labels."""
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]
    for alert in alerts():
        yield alert["expr"], alert["summary"]


@pytest.fixture
async def exposed(client: httpx.AsyncClient) -> dict[str, set[str]]:
    """What can be asked for: names of families in the text, and the labels that the code gives them."""
    text = (await client.get("/metrics")).text
    families = {f.name: f for f in text_string_to_metric_families(text)}
    labels: dict[str, set[str]] = {"up": set()}
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            (described,) = metric.describe()
            family = families[described.name]
            names = {f"{family.name}_total"} if family.type == "counter" else {family.name}
            if family.type == "histogram":
                names = {family.name + suffix for suffix in SUFFIXES}
            own = set(metric._labelnames)  # noqa: SLF001 - a series that nobody caused yet shows no labels
            labels |= {name: own | ({"le"} if name.endswith("_bucket") else set()) for name in names}
    return labels | {name: {"task"} for name in families if name.startswith("sightline_job")}


def test_f18_every_expression_asks_for_numbers_and_labels_that_there_are(exposed: dict[str, set[str]]) -> None:
    expressions = list(asked())
    assert len(expressions) > 15
    for expression, shown in expressions:
        names = set(NAME.findall(expression))
        assert names, expression
        assert names <= exposed.keys(), expression
        there = OF_PROMETHEUS.union(*(exposed[name] for name in names))
        selected = {
            pair.partition("=")[0] for group in re.findall(SELECTED, expression) for pair in group.split(",")
        }
        grouped = {label.strip() for group in re.findall(GROUPED, expression) for label in group.split(",")}
        assert selected | grouped <= there, expression
        assert set(re.findall(SHOWN, shown)) <= grouped, "what is shown is what it is grouped by"


def test_f18_everything_that_is_counted_is_on_the_dashboard(exposed: dict[str, set[str]]) -> None:
    def family(name: str) -> str:
        return re.sub(f"({'|'.join(SUFFIXES)})$", "", name)

    drawn = {
        family(name)
        for panel in dashboard()["panels"]
        for target in panel["targets"]
        for name in NAME.findall(target["expr"])
    }
    assert drawn == {family(name) for name in exposed} - {"up"}


def test_f18_the_dashboard_lets_one_choose_the_prometheus_and_no_two_panels_overlap() -> None:
    board = dashboard()
    (variable,) = board["templating"]["list"]
    assert (variable["type"], variable["query"], variable["name"]) == ("datasource", "prometheus", "datasource")
    panels = board["panels"]
    sources = {json.dumps(part["datasource"]) for panel in panels for part in (panel, *panel["targets"])}
    assert sources == {'{"type": "prometheus", "uid": "${datasource}"}'}
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len({panel["id"] for panel in panels}) == len(panels)


def test_f18_the_alerts_have_all_that_is_needed_and_other_names_each() -> None:
    text = (DEPLOY / "alerts.yml").read_text()
    found = [alert["name"] for alert in alerts()]
    assert len(found) == text.count("- alert:") == text.count("expr:") == len(set(found))
    assert {"SightlineDown", "SightlineQueueHigh", "SightlineSlow", "SightlineRejects"} <= set(found)
    assert {"SightlineTurnsAway", "SightlineJobsOld"} <= set(found)
    assert "\t" not in text

"""What systems of this kind got wrong, each by its number. Those with a fuller test elsewhere:

F2 links, keys and cookies are not taken for one another: api/test_access. F5, F8, F11 sessions of others, closing
twice, years and zones: api/test_telemetry. F12 three sources through the real database: api/test_results. F16
labels and leakage: talkacts/test_train. F17 a card that is loaded is used: measurement/test_model. F19 migrations
from nothing: every run. F22 fine words and negation: features/test_rules, talkacts/test_acts. F18 (metrics that
nobody could read), F21 and F24 (limits) have files of their own beside this one.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

import sightline
from builders import Town, a_session, bearer, send, wire_batch, wire_event
from sightline.domain.claims import Direction
from sightline.domain.estimates import Contribution, Estimate, SkillResult, Unscored
from sightline.domain.observables import Absence, Measured, Observable
from sightline.domain.skills import SKILLS, Skill, Source
from sightline.errors import SettingsRefused
from sightline.features.catalog import INDICATORS
from sightline.features.extraction import extract_session
from sightline.features.session_features import session_features
from sightline.reasoning.claims import claims_of, groups_of
from sightline.settings import read_settings

PACKAGE = Path(sightline.__file__).parent


async def test_f01_nothing_of_a_student_without_a_token(client: httpx.AsyncClient, town: Town) -> None:
    for path in (f"/students/{town.here.students[0]}", f"/classes/{town.here.classes[0]}/skills", "/students"):
        answer = await client.get(f"/api/v1{path}")
        assert answer.status_code == 401
        assert "Student" not in answer.text


async def test_f03_an_unknown_student_in_a_batch_of_ten_costs_one_event(
    client: httpx.AsyncClient, town: Town
) -> None:
    session = uuid4()
    events = [wire_event(town.here.students[0], session) for _ in range(9)] + [wire_event(uuid4(), uuid4())]
    answer = await send(client, town.here.key, wire_batch(events))
    assert answer.status_code == 207
    assert answer.json()["received_count"] == 9
    assert len(answer.json()["results"]) == 1


async def test_f04_a_resend_is_a_duplicate_and_counted_once(client: httpx.AsyncClient, town: Town) -> None:
    event = wire_event(town.here.students[0], uuid4())
    answer = await send(client, town.here.key, wire_batch([event, event]))
    assert answer.json()["counts"] == {"created": 1, "duplicate": 1, "conflict": 0, "rejected": 0}


async def test_f06_a_batch_never_sent_is_not_completed(client: httpx.AsyncClient, town: Town) -> None:
    answer = await client.get(f"/api/v1/telemetry/status/{uuid4()}", headers=bearer(town.here.key))
    assert answer.status_code == 404


def test_f07_a_long_session_in_one_batch_keeps_its_time_and_no_rate_passes_one() -> None:
    steps: list[tuple[str, dict[str, object]]] = [("task_start", {"task": "a"})]
    steps += [("choice_made", {})] * 538
    steps += [
        ("task_complete", {"task": "a", "least": 2, "used": 9}),
        ("task_complete", {"task": "a", "least": 9, "used": 2}),
    ]
    session = a_session(*steps, seconds=10)
    found = {f.name: f for f in session_features(session, extract_session(session))}
    assert found["focus_duration"].value == timedelta(seconds=5400).total_seconds()
    assert found["task_completion_rate"].value == 1.0
    assert found["time_efficiency"].value == 2 / 9, "less used than the least there is is no efficiency above 1"


def test_f09_without_failures_there_is_no_recovery_rate() -> None:
    session = a_session(("task_start", {"task": "a"}), ("task_complete", {"task": "a"}))
    extraction = extract_session(session)
    found = {f.name: f for f in session_features(session, extraction)}
    for name in ("recovery_rate", "retry_count"):
        assert found[name].value is None
        assert found[name].reason is Absence.NO_OPPORTUNITY
    resilience = {o.indicator for o in extraction.observables if INDICATORS[o.indicator].skill is Skill.RESILIENCE}
    assert resilience == set()


def test_f10_a_rule_exists_once() -> None:
    assert len(INDICATORS) == len({id(indicator) for indicator in INDICATORS.values()})
    rule = re.compile(r"['\"](retry|failure|mistake|task_complete)['\"]")
    sql = [path for path in (PACKAGE / "store").rglob("*.py") if rule.search(path.read_text())]
    assert sql == [], "no evidence rule is stated a second time in SQL"


async def test_f13_f14_nobody_without_data_has_a_number_in_any_skill(
    client: httpx.AsyncClient, town: Town
) -> None:
    answer = await client.get(
        f"/api/v1/students/{town.here.students[0]}", headers=bearer(town.here.teacher_tokens[0])
    )
    skills = answer.json()["skills"]
    assert [s["skill"] for s in skills] == list(SKILLS)
    assert all(s["estimate"] is None for s in skills)
    assert not re.search(r"\d\.\d|confidence", str([s["unscored"] for s in skills]))
    error = {f.name for f in fields(Estimate)} & {"confidence", "standard_error"}
    assert error == {"standard_error"}, "an estimate has no form without its error, and no confidence"


def a_result(indicator: str, amount: float, counted: int, n: int) -> tuple[SkillResult, dict[UUID, Observable]]:
    found = INDICATORS[indicator]
    observable = Observable(
        observable_id=uuid4(),
        indicator=indicator,
        student_id=uuid4(),
        source=found.source,
        sitting_id=uuid4(),
        at=a_session(("pause", {})).events[0].occurred_at,
        measured=Measured(counted / n, n, (), counted=counted),
    )
    contribution = Contribution(
        observable_id=observable.observable_id,
        indicator=indicator,
        source=Source.GAME,
        sitting_id=observable.sitting_id,
        direct=True,
        amount=amount,
    )
    outcome = Unscored(found.skill, observable.at, (), "more")
    result = SkillResult(found.skill, outcome, 0.0, (contribution,), ())
    return result, {observable.observable_id: observable}


@pytest.mark.parametrize(
    ("indicator", "amount", "words"),
    [
        ("retry_after_failure", 0.3, "raises"),
        ("retry_after_failure", -0.3, "lowers"),
        ("perseveration", 0.3, "raises"),
        ("perseveration", -0.3, "lowers"),
        ("retry_after_failure", 0.0001, "hardly moves"),
    ],
)
def test_f15_claims_follow_the_sign_and_print_counts_as_counts(indicator: str, amount: float, words: str) -> None:
    result, observables = a_result(indicator, amount, counted=4, n=5)
    (claim,) = claims_of(groups_of(result, observables, INDICATORS), result.skill)
    assert words in claim.sentence
    assert "4 of 5" in claim.sentence
    assert "%" not in claim.sentence
    assert (claim.direction is Direction.RAISES) == (amount > 0.01)
    flipped = replace(result, contributions=tuple(replace(c, amount=-c.amount) for c in result.contributions))
    (other,) = claims_of(groups_of(flipped, observables, INDICATORS), result.skill)
    assert (other.sentence == claim.sentence) == (abs(amount) < 0.01)


@pytest.mark.parametrize(
    "secret", [None, "", "short", "changeme" * 8, "a" * 64, "my-secret-key-for-production-use-only", "0123" * 16]
)
def test_f20_no_secret_has_a_default_and_weak_ones_are_refused(secret: str | None) -> None:
    environment = {} if secret is None else {"SIGHTLINE_SECRET_KEY": secret}
    with pytest.raises(SettingsRefused, match="SIGHTLINE_SECRET_KEY"):
        read_settings(environment).checked_secret()


@pytest.mark.parametrize(
    "environment",
    [
        {"SIGHTLINE_DATABASE_URL": "sqlite:///x.db"},
        {"SIGHTLINE_PUBLIC_URL": "http://sightline.school.example"},
        {"SIGHTLINE_PUBLIC_URL": "not an address"},
        {"SIGHTLINE_SECRET_KEY_FILE": "/no/such/file"},
    ],
)
def test_f20_unsafe_settings_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsRefused):
        read_settings(environment)


def test_f20_no_password_stands_in_the_package() -> None:
    written = re.compile(r"(?i)\b(password|secret|api_?key|token)\b\s*[:=]\s*[\"'][^\"'{}]{4,}[\"']")
    hits = [
        f"{path.name}: {line.strip()}"
        for path in PACKAGE.rglob("*")
        if path.suffix in {".py", ".html", ".json", ".toml"}
        for line in path.read_text().splitlines()
        if written.search(line) and "SIGHTLINE_" not in line
    ]
    assert hits == []


def test_f23_nothing_below_the_edge_commits() -> None:
    committing = [
        path
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\.commit\(\)|autocommit", path.read_text()) and path.name != "database.py"
    ]
    assert [p for p in committing if p.name not in {"postmaster.py", "embedded.py", "pulse.py"}] == []
    assert "begin()" in inspect.getsource(__import__("sightline.store.database", fromlist=["Store"]).Store)

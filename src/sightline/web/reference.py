"""The API's own description as a page for people: what OpenAPI says, without a script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BASE = "/api/v1"


@dataclass(frozen=True, slots=True)
class Described:
    """One route: method, path, what it does, and the statuses that it names."""

    method: str
    path: str
    does: str
    answers: tuple[str, ...]


def described(openapi: Mapping[str, Any]) -> dict[str, tuple[Described, ...]]:
    """All routes of an OpenAPI document by tag, in its order."""
    by_tag: dict[str, list[Described]] = {}
    for path, methods in openapi["paths"].items():
        for method, route in methods.items():
            one = Described(
                method=method.upper(),
                path=BASE + path,
                does=route.get("description") or route["summary"],
                answers=tuple(
                    f"{status} {answer['description']}"
                    for status, answer in route["responses"].items()
                    if not status.endswith("XX")  # the same for all; the page says it once
                ),
            )
            by_tag.setdefault(route["tags"][0], []).append(one)
    return {tag: tuple(routes) for tag, routes in by_tag.items()}

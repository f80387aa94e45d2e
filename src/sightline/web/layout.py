"""Templates and static files into answers. Everything a template prints is escaped unless it is Markup."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from sightline.pipeline.cards import measurement_card
from sightline.security.access import Caller
from sightline.store.people import School
from sightline.web import charts, wording

MEDIA_TYPES = {".css": "text/css", ".svg": "image/svg+xml", ".js": "text/javascript"}


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page: whose school, who is signed in, and the token of the form to sign out."""

    school: School
    caller: Caller
    sign_out_token: str


@dataclass(frozen=True, slots=True)
class Dated:
    """Until when the evidence of a page reaches, and when it was computed; None where nothing was computed."""

    as_of: datetime | None
    computed_at: datetime | None


def _static_files() -> dict[str, bytes]:
    folder = files("sightline.web").joinpath("static")
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


class Layout:
    """The environment of the templates and the static files, read once a process."""

    def __init__(self) -> None:
        self._static = _static_files()
        self._environment = Environment(
            loader=PackageLoader("sightline.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["asset"] = self.asset
        self._environment.globals["definitions"] = charts.definitions(measurement_card().cuts)
        self._environment.globals["card"] = measurement_card()
        self._environment.filters["amount"] = wording.amount_words
        self._environment.filters["day"] = wording.day
        self._environment.filters["last_day"] = wording.last_day
        self._environment.filters["millisecond"] = wording.millisecond
        self._environment.filters["minute"] = wording.minute
        self._environment.filters["skill_name"] = wording.skill_name

    def asset(self, name: str) -> str:
        """The address of a static file; it changes with the content, so that a browser may keep it for good."""
        return f"/static/{name}?v={hashlib.sha256(self._static[name]).hexdigest()[:12]}"

    def static(self, name: str) -> Response | None:
        """A static file, or None when there is none of this name."""
        content = self._static.get(name)
        if content is None:
            return None
        return Response(
            content,
            media_type=MEDIA_TYPES[name[name.rindex(".") :]],
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )

    def page(
        self,
        template: str,
        context: Mapping[str, object],
        *,
        frame: Frame | None = None,
        dated: Dated | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A page of HTML. `frame` is None before somebody is known."""
        shown = {**context, "frame": frame, "dated": dated}
        html = self._environment.get_template(template).render(shown)
        return HTMLResponse(html, status_code=status, headers=dict(headers or {}))

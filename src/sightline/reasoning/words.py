"""Numbers into words, the same everywhere."""

from __future__ import annotations

from datetime import UTC, datetime

from sightline.domain.estimates import Shortfall
from sightline.domain.skills import Source

SHORTFALL_WORDS: dict[Shortfall, str] = {
    Shortfall.NO_EVIDENCE: "nothing of this skill has been observed",
    Shortfall.NOBODY_TO_COMPARE_WITH: "fewer than ten students have shown this: nobody to compare with",
    Shortfall.ALL_ALIKE: "all students showed this alike, so it tells nobody from anybody",
    Shortfall.TOO_FEW_SESSIONS: "it was observed on fewer than three occasions",
    Shortfall.LOW_RELIABILITY: "what was observed does not yet tell students apart well enough",
    Shortfall.ONE_SOURCE: "all of it comes from one kind of source",
    Shortfall.ONE_SESSION_DOMINATES: "too much of it comes from a single occasion",
}


SOURCE_WORDS: dict[Source, str] = {
    Source.GAME: "Evidence from games",
    Source.TALK: "Evidence from recorded group talk",
    Source.TEACHER: "Evidence from teacher ratings",
}


def set_aside_words(source: Source, class_title: str, since: datetime, shift: float | None) -> str:
    """Why a source does not count in a class, for everybody whose scores it touches.

    shift: of the class against the median class, None when it was not said.
    """
    utc = since.astimezone(UTC)
    side = "away from" if shift is None else "above" if shift > 0 else "below"
    return (
        f"{SOURCE_WORDS[source]} does not count in {class_title} since {utc.day} {utc:%b %Y}: for the class as a "
        f"whole it lies far {side} what all other evidence says of the same students, as after a "
        "fault in recording, so scores come from the other sources and are less certain until it agrees again."
    )


def duration_words(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 1:
        return "less than a second"
    if seconds < 90:  # noqa: PLR2004 - up to a minute and a half, seconds read better
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"


def plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"

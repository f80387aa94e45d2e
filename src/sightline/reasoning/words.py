"""Numbers into words, the same everywhere."""

from __future__ import annotations

from sightline.domain.estimates import Shortfall

SHORTFALL_WORDS: dict[Shortfall, str] = {
    Shortfall.NO_EVIDENCE: "nothing of this skill has been observed",
    Shortfall.NOBODY_TO_COMPARE_WITH: "fewer than ten students have shown this: nobody to compare with",
    Shortfall.ALL_ALIKE: "all students showed this alike, so it tells nobody from anybody",
    Shortfall.TOO_FEW_SESSIONS: "it was observed on fewer than three occasions",
    Shortfall.LOW_RELIABILITY: "what was observed does not yet tell students apart well enough",
    Shortfall.ONE_SOURCE: "all of it comes from one kind of source",
    Shortfall.ONE_SESSION_DOMINATES: "too much of it comes from a single occasion",
}


def duration_words(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 1:
        return "less than a second"
    if seconds < 90:  # noqa: PLR2004 - up to a minute and a half, seconds read better
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"


def plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"

"""Times, levels, intervals and counts in words, the same on every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sightline.domain.estimates import Estimate
from sightline.domain.indicators import Indicator
from sightline.domain.skills import LEVELS, SOURCES, Skill, Source
from sightline.web.charts import Cuts, Spread, level_at

NOT_ENOUGH = "Not enough evidence yet"

LONGEST_VALUE = 80
"""Characters of one value of an event that a page shows; the API has the whole of it."""

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"

SOURCE_NAMES = {Source.GAME: "game", Source.TALK: "group-talk", Source.TEACHER: "teacher-rating"}

SITTINGS = {
    Source.GAME: ("game session", "game sessions"),
    Source.TALK: ("group talk", "group talks"),
    Source.TEACHER: ("rating", "ratings"),
}


def skill_name(skill: Skill) -> str:
    return skill.value.capitalize()


def indicator_name(indicator: Indicator) -> str:
    """The catalog's name as people say it."""
    if indicator.source is Source.TEACHER:
        return "Teacher rating"
    said = indicator.name.replace("_", " ").replace("anothers", "another's")  # names hold no apostrophe
    return said.capitalize()


def day(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y}"


def minute(at: datetime) -> str:
    """Day and time in UTC, for lists that say so above them."""
    return f"{day(at)}, {at.astimezone(UTC):%H:%M}"


def millisecond(at: datetime) -> str:
    """Time of day in UTC to the millisecond, as logs write it."""
    utc = at.astimezone(UTC)
    return f"{utc:%H:%M:%S}.{utc.microsecond // 1000:03d}"


def last_day(as_of: datetime) -> str:
    """The last day whose evidence is inside: estimates are dated to the midnight that ends it."""
    return day(as_of - timedelta(microseconds=1))


def interval_words(estimate: Estimate, cuts: Cuts) -> str:
    """Where the 90 % interval begins and ends, in levels."""
    low, high = (level_at(end, cuts) for end in estimate.interval_90)
    if low is high:
        return f"the 90 % interval lies within {low.value}"
    return f"the 90 % interval reaches from {low.value} to {high.value}"


def percent_words(probability: float) -> str:
    """A probability in whole percent; what rounds to none or all of it says so instead."""
    if probability < 0.005:  # noqa: PLR2004 - would be shown as 0 %
        return "under 1 %"
    if probability >= 0.995:  # noqa: PLR2004 - would be shown as 100 %
        return "over 99 %"
    return f"{probability:.0%}".replace("%", " %")


def amount_words(amount: float) -> str:
    """A signed number of SD with two decimals; what rounds to nothing has no sign."""
    rounded = f"{amount:+.2f}"
    return "0.00" if float(rounded) == 0 else rounded.replace("-", MINUS)


def named_levels(estimate: Estimate) -> Sequence[tuple[str, str]]:
    """(level, percent) of the levels in the estimate's name when there are two; empty for one alone."""
    named = [(lv, p) for lv, p in estimate.level_probabilities if lv.value in estimate.level_name.split(" to ")]
    return [(level.value, percent_words(p)) for level, p in named] if len(named) > 1 else []


def initials(level_name: str) -> str:
    """First letters of one or two levels, for tiles too small for the words (the legend explains them)."""
    return DASH.join(word[0] for word in level_name.split(" to "))


def shade(level_name: str) -> str:
    """The class of a tile's shade: four levels and the three steps between them, from 2 to 8."""
    names = level_name.split(" to ")
    places = [number for number, level in enumerate(LEVELS, start=1) if level.value in names]
    return f"shade-{min(places) + max(places)}"


def spread_words(spread: Spread) -> str:
    """Counts of students at each level, such as "2 Emerging, ...; 3 not enough evidence yet"."""
    counted = ", ".join(f"{count} {level.value}" for level, count in spread.counts)
    missing = f"; {spread.unscored} not enough evidence yet" if spread.unscored else ""
    return f"{counted}{missing}"


def short_spread(spread: Spread) -> str:
    """Counts with the levels' first letters; what nobody is at is left out."""
    return ", ".join(f"{count} {level.value[0]}" for level, count in spread.counts if count)


def missing_sources(skill: Skill, indicators: Mapping[str, Indicator]) -> Sequence[str]:
    """Sentences about the kinds of evidence that the catalog has no indicator for."""
    present = {i.source for i in indicators.values() if i.skill is skill}
    return [f"No {SOURCE_NAMES[source]} indicator" for source in SOURCES if source not in present]


def data_words(data: Mapping[str, object]) -> str:
    """What an event said beyond its type and task, as short pairs."""
    return ", ".join(
        f"{key.replace('_', ' ')}: {_value_words(value)}" for key, value in data.items() if key != "task"
    )


def _value_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    said = str(value).replace("_", " ")
    return said if len(said) <= LONGEST_VALUE else f"{said[: LONGEST_VALUE - 1]}…"

"""What is simulated: one named departure from the base each, so that what it does to the marks can be read off."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sightline.domain.skills import SOURCES, Source

BASE_WEEKS = 8.0
"""The window that SD(beta) = .25 belongs to; in windows of other lengths change is in proportion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A school that is simulated; defaults are the base of measurement.md, section "Simulation benchmark".

    game_rate, talk_rate: sittings a week; rating_weeks: when teachers rate, in weeks; opportunity, seen: share of
    indicators that a sitting, a rating occasion gave an opportunity for (.6 makes about 115 items in 8 weeks);
    severity_sd: of raters; error_df: of a t distribution of item errors, infinity for normal ones; missing: sittings
    and items are absent the more the lower the skill (one SD below the mean: a third less than one SD above); ordinal: ratings in four categories; step: change comes at once in mid-window; icc:
    share of the variance of levels that lies between classes; wobble: stationary SD of an AR(1) process around each
    skill's line (autocorrelation .6 a week); counted: generator B; fitted_on_others: the card comes from other
    students of the same world; card_of_base: the base's students and card, these sources alone; refits: of the bootstrap, for cards
    from less than 1,000 students.
    """

    name: str
    students: int = 500
    weeks: float = BASE_WEEKS
    game_rate: float = 1.2
    talk_rate: float = 0.5
    rating_weeks: tuple[float, ...] = (0.0, 4.0, 8.0)
    opportunity: float = 0.6
    seen: float = 0.95
    sources: tuple[Source, ...] = SOURCES
    severity_sd: float = 0.4
    error_df: float = float("inf")
    missing: bool = False
    ordinal: bool = False
    step: bool = False
    icc: float = 0.0
    wobble: float = 0.0
    counted: bool = False
    fitted_on_others: bool = False
    card_of_base: bool = False
    refits: int = 12

    @property
    def has_an_oracle(self) -> bool:
        """Whether the truth has parameters of equation (1), so that a posterior with the true ones exists."""
        return not (self.counted or self.ordinal)


BASE = Scenario(name="base")
PARTS = (
    (Source.GAME,),
    (Source.TALK,),
    (Source.TEACHER,),
    (Source.GAME, Source.TALK),
    (Source.GAME, Source.TEACHER),
    (Source.TALK, Source.TEACHER),
)
SUBSETS = tuple(
    replace(BASE, name=f"{'+'.join(sources)} only", sources=sources, card_of_base=True) for sources in PARTS
)
FITTED_ON_PARTS = tuple(replace(BASE, name=f"fitted on {'+'.join(sources)}", sources=sources) for sources in PARTS)
FITTED_ON_ONE = tuple(s for s in FITTED_ON_PARTS if len(s.sources) == 1)
"""What a student brings to a source cannot be told from skill there, so the product gives no score: no mark."""

AR1 = replace(BASE, name="AR(1) wobble", wobble=0.3)
"""Coverage is reported and has no mark: the model has no such term."""

SMALL_SCHOOL = replace(BASE, name="N = 200", students=200)
LARGE = replace(BASE, name="N = 2,000", students=2000)
COUNTED = replace(BASE, name="generator B", counted=True)
WITH_BOOSTING = (BASE.name, LARGE.name, COUNTED.name)
"""Scenarios in which boosting is trained as well: it takes longer than all the rest."""

WITH_CONTROL = (BASE.name, LARGE.name)
"""Scenarios in which a model without method and sitting terms is fitted, too."""

HEAVY_TAILS = replace(BASE, name="t3 noise", error_df=3.0)

SCENARIOS = (
    BASE,
    replace(BASE, name="severe raters", severity_sd=0.8),
    replace(BASE, name="missing not at random", missing=True),
    HEAVY_TAILS,
    replace(BASE, name="ordinal ratings", ordinal=True),
    replace(BASE, name="step growth", step=True),
    replace(BASE, name="class ICC .1", icc=0.1),
    AR1,
    replace(BASE, name="4 weeks", weeks=4.0, rating_weeks=(0.0, 4.0)),
    replace(BASE, name="12 weeks", weeks=12.0, rating_weeks=(0.0, 4.0, 8.0, 12.0)),
    replace(BASE, name="sparse", game_rate=0.6, talk_rate=0.25, rating_weeks=(0.0, 8.0)),
    replace(BASE, name="dense", game_rate=3.0, talk_rate=1.0, rating_weeks=tuple(float(w) for w in range(9))),
    *SUBSETS,
    *FITTED_ON_PARTS,
    SMALL_SCHOOL,
    LARGE,
    replace(BASE, name="cold start", fitted_on_others=True),
    COUNTED,
)

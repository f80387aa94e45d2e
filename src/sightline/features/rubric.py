"""The evidence rule for rubric ratings: the level as it is; "not seen" is missing, never low."""

from __future__ import annotations

from sightline.domain.observables import Absence, Measured, Moment, MomentKind
from sightline.domain.records import Rating


def rubric_level(rating: Rating) -> Measured | Absence:
    """The level that the teacher gave, 1 to 4."""
    if rating.level is None:
        return Absence.NOT_SEEN
    seen = Moment(kind=MomentKind.RATING, record_id=rating.rating_id, at=rating.rated_at, counted=True)
    return Measured(float(rating.level), 1, (seen,))

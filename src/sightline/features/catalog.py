"""Every indicator once. A rule that is not here does not exist; a rule that is here exists nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sightline.domain.indicators import Indicator
from sightline.features.rows_play import PLAY_RULES
from sightline.features.rows_rubric import RUBRIC_RULES
from sightline.features.rows_talk import TALK_RULES

CATALOG_VERSION = "2026.1"
"""Raised with every change of a rule's result; observables of another version are never mixed in."""

INDICATORS: Mapping[str, Indicator] = MappingProxyType(
    {
        indicator.name: indicator
        for indicator in (
            *(rule.indicator for rule in PLAY_RULES),
            *(rule.indicator for rule in TALK_RULES),
            *(rule.indicator for rule in RUBRIC_RULES),
        )
    }
)
"""All indicators by name, in catalog order."""

"""What evidence could show: power of the tests of change, and the smallest change they see, without any data.

Changes and errors in SD per window. `p_at_most` is the two-sided p-value that is announced: .05 for a single test,
q (found + 1) / tests under Benjamini-Hochberg; .10 is a one-sided test at .05.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from sightline.growth.changes import Floats

POWER = 0.80
"""Power at which a change counts as visible."""


def power(
    change: ArrayLike, standard_error: ArrayLike, *, p_at_most: ArrayLike = 0.05, at_least: ArrayLike = 0.0
) -> Floats:
    """Probability that a true change above 0 is announced as a rise of at_least or more. Inputs broadcast."""
    error = np.asarray(standard_error, dtype=np.float64)
    bar = np.maximum(-ndtri(np.asarray(p_at_most) / 2) * error, at_least)
    announced: Floats = ndtr((np.asarray(change) - bar) / error)
    return announced


def smallest_visible(
    standard_error: ArrayLike, *, p_at_most: ArrayLike = 0.05, at_least: ArrayLike = 0.0
) -> Floats:
    """The true change that is announced with a power of .80. Inputs broadcast."""
    error = np.asarray(standard_error, dtype=np.float64)
    bar: Floats = np.maximum(-ndtri(np.asarray(p_at_most) / 2) * error, at_least)
    return bar + float(ndtri(POWER)) * error


def class_standard_error(students: ArrayLike, student_error: ArrayLike, shared_error: ArrayLike = 0.0) -> Floats:
    """Standard error of the mean change of a class of equals.

    student_error: of one student's change in the skill; shared_error: SD of the error that they have in common.
    """
    own = np.asarray(student_error, dtype=np.float64) ** 2 / np.asarray(students, dtype=np.float64)
    error: Floats = np.sqrt(own + np.asarray(shared_error, dtype=np.float64) ** 2)
    return error


def overall_standard_error(skill_error: ArrayLike, correlation: ArrayLike, skills: int = 7) -> Floats:
    """Standard error of a student's mean change over skills whose errors are alike and correlate so."""
    inflation = (1.0 + (skills - 1) * np.asarray(correlation, dtype=np.float64)) / skills
    error: Floats = np.asarray(skill_error, dtype=np.float64) * np.sqrt(inflation)
    return error


def class_power_curves(
    changes: ArrayLike,
    class_sizes: ArrayLike,
    student_error: float,
    *,
    shared_error: float = 0.0,
    p_at_most: float = 0.05,
) -> Floats:
    """Power for each class size (rows) at each true change (columns)."""
    errors = class_standard_error(np.asarray(class_sizes)[:, None], student_error, shared_error)
    return power(np.asarray(changes)[None, :], errors, p_at_most=p_at_most)

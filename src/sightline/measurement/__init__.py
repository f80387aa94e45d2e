"""Observables to one posterior per student: a linear-Gaussian trait-method growth model in information form.

- `card`          the parameters, each with its origin
- `norms`         transforms of observables, and their standardisation in the norming sample
- `items`         observables as arrays: design, residual, variance
- `posterior`     the equations: information, severity, means and covariances
- `contributions` the exact sum behind each mean
- `levels`        probabilities of the four levels, and which name may be said
- `sufficiency`   when there is no estimate, and what would help
- `assess`        all of it for all students of one school
- `slopes`        their changes with a flat prior, for `growth`

Parameters are arguments everywhere; nothing here reads a clock, a file or a database.
"""

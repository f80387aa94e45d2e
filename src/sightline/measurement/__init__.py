"""Observables to one posterior per student: a linear-Gaussian trait-method growth model in information form.

Inputs

- `card`, `learned`  the parameters, each with its origin: literature priors, or what a fit put in their place
- `norms`            transforms of observables, and their standardisation in the norming sample
- `observations`     sorted arrays of many students' observables, and the parameters of equation (1)
- `parameters`       from a card to those parameters
- `items`            observables to those arrays

Equations

- `posterior`        (2) and (3) in numpy for all students at once, severity integrated out: the reference
- `kernel`           the same compiled; `loops`, `item_loops`
- `contributions`    (4), the exact sum behind each mean, grouped by sitting, indicator, source
- `robust`           Student-t errors: an outlier is pulled in; the one way in which everybody scores
- `severities`, `known_severity`  the raters' severities as they were found, and one student scored with them
- `streaming`        one student's evidence, to which sessions are added and from which they are taken out

Reports

- `levels`           probabilities of the four levels, and which name may be said
- `sufficiency`      when there is no estimate, and what would help in words; `advice`, `advice_loops` compute it
- `assess`           all of it for all students of one school
- `slopes`           their changes with a flat prior, for `growth`

Fitting, without labels

- `fitting`          EM over all of the following; `from_fit` makes the fitted part of a card of its result
- `enough`, `priors` the least data, what keeps its prior, and the priors
- `expectation`      E-step: expected moments of items, sittings, severities and states
- `maximisation`     M-step: parameters in closed form; `rescaling`, the scale of the states and mean changes
- `student_t`        what fitting needs of heavy tails: one step of pulling in, and the degrees of freedom
- `objective`        the penalised likelihood that no kept round lowers; `acceleration` extrapolates between rounds
- `bootstrap`        how much estimates would differ had other students been fitted

Parameters are arguments everywhere; nothing here reads a clock, a file or a database.
"""

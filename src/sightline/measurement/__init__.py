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
- `robust`           Student-t errors: an outlier pulls less
- `streaming`        one student's evidence, to which sessions are added and from which they are taken out

Reports

- `levels`           probabilities of the four levels, and which name may be said
- `sufficiency`      when there is no estimate, and what would help in words; `advice`, `advice_loops` compute it
- `assess`           all of it for all students of one school

Parameters are arguments everywhere; nothing here reads a clock, a file or a database.
"""

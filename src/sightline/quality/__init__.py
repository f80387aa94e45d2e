"""Is the measurement any good.

- `health`            what each indicator could observe in a school, and why it could not
- `matching`          what the other sources say of a skill, as evidence with a known error
- `corrected`         regression on such evidence, with cluster-robust errors
- `dif`               does an indicator act otherwise for groups of equal skill
- `invariance`        what to do about it: proposed by numbers, decided by people
- `monitor`           is a source broken in one class
- `raters`            a report for one rater: severity and halo
- `coverage`          do intervals hold the truth, and level probabilities come true, on simulation
- `reliability`       how much of what differs between students is skill
- `fit_checks`        model health: predicted distributions, left-out sessions, drift
- `verdicts`          what a check can conclude
- `drawing`           parts of figures as SVG
- `figures`, `fairness_figures`   each check as a figure

Only `health` is without numerical libraries; import the others where they are needed.
"""

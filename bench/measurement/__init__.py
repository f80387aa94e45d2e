"""The measurement model on simulated students whose skills are known, to see whether the machinery holds.

- `scenarios`  what is simulated, by name
- `world`      generator A: parameters of the model's own family, students, and what is observed of them
- `counted`    generator B: events counted, errors of other shapes, ratings in four categories
- `rivals`     what the model is compared with: fixed weights, equal thirds, boosting on ratings
- `fitted`     the product's own fitting and posterior, as the benchmark asks for them
- `scoring`    coverage, errors and calibration of one set of posteriors against the truth
- `schooling`  one scenario and seed: simulate, fit, score, beside an oracle and the rivals
- `changes`    growth: false alarms, power, false discoveries
- `suspects`   checks that must find something planted: DIF, a broken source
- `laws`       information form against brute force, and speed
- `marks`      the pass-mark table
- `figures`    lines and a waterfall as SVG; `drawings` which ones
- `page`       docs/measurement.md
- `run`        all of it, and its parts

A simulation shows that the machinery works on data that follow its assumptions, or break them in known ways. It
never shows that the product is valid for children.
"""

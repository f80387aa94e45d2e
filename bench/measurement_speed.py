"""How fast is the measurement core on one core? Students with 100 items each in 20 sittings, one rater a class.

    OMP_NUM_THREADS=1 python bench/measurement_speed.py [STUDENTS]

Prints a table; the best of five runs each, in seconds of the processor, because others share the machine. Pass marks:
15,000 students a second with the contributions to all seven levels; 5 ms for one student's update.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from uuid import UUID

import numpy as np

from sightline.measurement import kernel, posterior, robust, streaming
from sightline.measurement.card import N_SKILLS, N_SOURCES
from sightline.measurement.observations import Observations, Parameters

ITEMS, SITTINGS, CLASS = 100, 20, 25
RUNS = 5


def parameters_of(rng: np.random.Generator, indicators: int = 30) -> Parameters:
    """Twelve game, eleven talk and seven teacher indicators with loadings as in the literature."""
    among = np.full((N_SKILLS, N_SKILLS), 0.45) + 0.55 * np.eye(N_SKILLS)
    sigma = np.kron(np.diag([1.0, 0.0625]), among).astype(np.float64)
    return Parameters(
        skill=np.arange(indicators) % N_SKILLS,
        source=np.repeat(np.arange(N_SOURCES), [12, 11, indicators - 23]),
        c=np.zeros(indicators),
        lam=rng.uniform(0.3, 0.7, indicators),
        gam=rng.uniform(0.2, 0.4, indicators),
        s2=rng.uniform(0.5, 0.8, indicators),
        om2=np.array([0.07, 0.07, 0.04]),
        tau2=0.16,
        kap2=0.16,
        difficulty=np.zeros(0),
        sigma=sigma,
        mu_beta=np.zeros(N_SKILLS),
        nu=8.0,
    )


def observations_of(rng: np.random.Generator, parameters: Parameters, students: int) -> Observations:
    """Values are noise: what they are costs no time."""
    per_sitting, sittings, n = ITEMS // SITTINGS, students * SITTINGS, students * ITEMS
    source = np.repeat(rng.integers(0, N_SOURCES, sittings), per_sitting)
    first = np.searchsorted(parameters.source, np.arange(N_SOURCES + 1))
    indicator = first[source] + (rng.random(n) * np.diff(first)[source]).astype(np.intp)
    student = np.repeat(np.arange(students), ITEMS)
    return Observations(
        student=student,
        sitting=np.repeat(np.arange(sittings), per_sitting),
        indicator=indicator,
        time=np.repeat(rng.random(sittings), per_sitting),
        y=rng.normal(size=n),
        sampling_variance=rng.uniform(0, 0.2, n),
        rater=np.where(source == N_SOURCES - 1, student // CLASS, -1),
        task=np.full(n, -1),
        n_students=students,
        n_sittings=sittings,
        n_raters=students // CLASS + 1,
        n_tasks=0,
    )


def best(work: Callable[[], object], runs: int = RUNS) -> float:
    """Least processor seconds of so many runs."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main(students: int) -> None:
    rng = np.random.default_rng(1)
    parameters = parameters_of(rng)
    observations = observations_of(rng, parameters, students)
    start = time.process_time()
    kernel.solve(observations, parameters)
    first = time.process_time() - start

    def explained() -> object:
        return kernel.contributions(observations, parameters, kernel.solve(observations, parameters))

    print(f"{students} students, {ITEMS} items in {SITTINGS} sittings each; best of {RUNS} runs on one core\n")
    print("| what | processor seconds | students/s |\n|---|---|---|")
    rows: list[tuple[str, Callable[[], object]]] = [
        ("kernel: posterior", lambda: kernel.solve(observations, parameters)),
        ("kernel: posterior and contributions to 7 levels", explained),
        ("numpy reference: posterior", lambda: posterior.solve(observations, parameters)),
        ("kernel with Student-t errors", lambda: robust.solve_settled(observations, parameters, kernel)),
    ]
    for words, work in rows:
        seconds = best(work)
        print(f"| {words} | {seconds:.4f} | {students / seconds:,.0f} |")
    print(f"\nFirst call in this process (compiling when nothing was kept): {first:.2f} s")
    print("\n| one student, one further session of 8 items | microseconds |\n|---|---|")
    for words, work in updates(rng, parameters):
        print(f"| {words} | {best(lambda work=work: [work() for _ in range(200)]) / 200 * 1e6:.0f} |")  # type: ignore[misc]


def updates(rng: np.random.Generator, parameters: Parameters) -> list[tuple[str, Callable[[], object]]]:
    """The steps of one student's update after a session, each alone and all together."""
    prior, rater = streaming.prior_of(parameters), UUID(int=1)
    played = a_sitting(rng, rater=-1, indicators=12, first=0)
    rated = a_sitting(rng, rater=0, indicators=7, first=23)
    piece = streaming.evidence_of(played, parameters)
    history = streaming.evidence_of(rated, parameters, [rater])
    for _ in range(SITTINGS):
        history = history + piece
    severity, places = posterior.Severity(np.zeros(1), np.full((1, 1), 0.1)), np.zeros(1, dtype=np.intp)

    def all_three() -> object:
        after = history + streaming.evidence_of(played, parameters)
        return streaming.posterior_of(after, prior, severity, places)

    return [
        ("the session's evidence", lambda: streaming.evidence_of(played, parameters)),
        ("added to the student's", lambda: history + piece),
        ("posterior", lambda: streaming.posterior_of(history, prior, severity, places)),
        ("all three", all_three),
    ]


def a_sitting(rng: np.random.Generator, *, rater: int, indicators: int, first: int, n: int = 8) -> Observations:
    """One sitting of one student, of so many indicators from `first` on."""
    return Observations(
        student=np.zeros(n, dtype=np.intp),
        sitting=np.zeros(n, dtype=np.intp),
        indicator=first + rng.integers(0, indicators, n),
        time=np.full(n, 0.9),
        y=rng.normal(size=n),
        sampling_variance=np.zeros(n),
        rater=np.full(n, rater),
        task=np.full(n, -1),
        n_students=1,
        n_sittings=1,
        n_raters=1,
        n_tasks=0,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)

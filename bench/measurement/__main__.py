"""The simulation benchmark of the measurement core.

    python -m bench.measurement [--short] [--seeds N] [--jobs N] [SCENARIO ...]

Prints a line for each scenario and the pass-mark table. A full run, of all scenarios and seeds, is kept in
docs/measurement.md with its figures. Named scenarios are run alone, with the base. Ends with 1 when a mark is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench.measurement import page
from bench.measurement.marks import Verdict, table
from bench.measurement.run import SEEDS, full, short
from bench.measurement.scenarios import BASE, SCENARIOS


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.measurement", description=__doc__)
    parser.add_argument("--short", action="store_true", help="two seeds of a few scenarios, under a minute")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many seeds")
    parser.add_argument("--jobs", type=int, default=1, help="processes; the results are the same")
    parser.add_argument("scenario", nargs="*", help="names of scenarios; all without one")
    told = parser.parse_args(arguments)
    unknown = sorted(set(told.scenario) - {s.name for s in SCENARIOS})
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    wanted = [s for s in SCENARIOS if not told.scenario or s == BASE or s.name in told.scenario]
    seeds = range(SEEDS[0], SEEDS[0] + told.seeds)

    def say(line: str) -> None:
        print(line, flush=True)

    results = short(say) if told.short else full(say, seeds, wanted, told.jobs)
    rows = table(results)
    print("\n" + "\n".join(page.tables(results, rows, timed=True)))
    if not (told.short or told.scenario) and told.seeds == len(SEEDS):
        page.write(results, rows)
    return 1 if any(row.verdict is Verdict.FAIL for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

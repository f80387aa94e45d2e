"""The full simulation benchmark of the measurement core: five seeds, every scenario, docs/measurement.md.

    python -m campaigns.measurement [--jobs 2]

As `python -m bench.measurement`, in as many processes as there are cores. Ends with 1 when a mark is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from bench.measurement.__main__ import main as benchmark


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m campaigns.measurement", description=__doc__)
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes; the results are the same"
    )
    parser.add_argument(
        "--write", action="store_true", help="taken as in the other campaigns: a full run always writes"
    )
    told = parser.parse_args(arguments)
    return benchmark(["--jobs", str(told.jobs)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The command: `cargo xtask python-bench [--quick] [--json] [ROW...]`, which prepares an interpreter and starts this."""

from __future__ import annotations

import argparse
import sys
from importlib import metadata

from . import placement, report
from .rounds import Effort, Measurement
from .rows import ROWS

#: Ends with this if a target is missed, else with the other if a line has too few rounds: as `ringway bench --check`.
MISSED, UNMEASURED = 7, 8
PACKAGES = ("ringway", "iceoryx2", "pyzmq", "grpcio", "numpy", "uvloop")


def effort(quick: bool, tiny: bool, rounds: int | None) -> Effort:
    """How much is done."""
    if tiny:
        return Effort(rounds or 1, 2.0, 0.0002, 0.0002, 1)
    if quick:
        return Effort(rounds or 5, 4.0, 0.008, 0.02, 1)
    return Effort(rounds or 21, 20.0, 0.02, 0.2, 3)


def version(package: str) -> str:
    """Its version."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def main() -> int:
    """Measures the rows that were asked for. Without `--check`, success means that all ran, not that every target was met."""
    parser = argparse.ArgumentParser(prog="python-bench", description="Measures Ringway between two Python processes, beside what would be used instead.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows to measure; all when none is given")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--self-check", action="store_true", help="every way once: checks what arrives, and measures next to nothing; ends with 1 if a line fails")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds that have to count, for each line")
    parser.add_argument("--check", action="store_true", help=f"end with {MISSED} if a target is missed, else with {UNMEASURED} if a line has too few rounds")
    parser.add_argument("--list", action="store_true", help="list the rows, each by what it measures, and do nothing")
    parser.add_argument("--ringway", metavar="PATH", help="a release build of the command, for the rows that compare with Rust")
    words = parser.parse_args()
    unknown = set(words.rows) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; --list shows them all")
    rows = [row for row in ROWS if not words.rows or row.name in words.rows]
    if words.list:
        for row in rows:
            print(f"{row.name:<17}{row.about}; beside {', '.join(rival.name for rival in row.rivals)}")
        return 0
    cpus = placement.two_cores()
    if not words.json:
        print(placement.machine())
        versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        print(f"two processes, pinned to cpus {cpus[0]},{cpus[1]}; {versions}\n{report.HEADING}", flush=True)
    much = effort(words.quick, words.self_check, words.rounds)
    missed = incomplete = failed = 0
    for row in rows:
        outcome = Measurement(row, much, cpus, words.ringway).run()
        for verdict in report.verdicts(outcome, much.rounds):
            report.show(verdict, words.json)
            missed += verdict.met is False
            incomplete += not verdict.complete
            failed += verdict.tally.failure is not None and not verdict.tally.missing
    if not words.json:
        print(f"{missed} targets missed, {incomplete} lines with too few rounds, {failed} failed")
    if words.self_check:
        return int(failed > 0)
    if words.check:
        return MISSED if missed else UNMEASURED if incomplete else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())

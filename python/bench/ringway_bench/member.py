"""The hidden side of the benchmark: a process that does one piece of work, as told on its standard input."""

from __future__ import annotations

import ctypes
import gc
import json
import signal
import sys

from .kit import Kit
from .meter import Sample
from .placement import pin
from .way import Way

PR_SET_PDEATHSIG = 1


def answer(sample: Sample) -> None:
    """One line, now."""
    print(json.dumps(sample.to_json()), flush=True)


def main() -> None:
    """Runs until standard input ends."""
    # Nobody is left behind by a benchmark that is killed.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    spec = json.loads(sys.argv[1])
    pin(spec["cpu"])
    side = 0 if spec["side"] == "Lead" else 1
    work = Way(spec["way"]).make(Kit.inherit(spec["descriptors"]), side, spec["address"])
    # What collects cycles would stop either side at times of its own, and there are none to collect.
    gc.collect()
    gc.disable()
    answer(Sample())
    run = work.lead if side == 0 else work.follow
    for line in sys.stdin:
        order = json.loads(line)["Run"]
        answer(run(order["count"], order["pass"]))


if __name__ == "__main__":
    main()

"""The benchmark: what it makes of figures, and that every way still moves what it is given."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ringway_bench.crew import Batch
from ringway_bench.meter import Percentiles, Sample, median
from ringway_bench.report import Verdict
from ringway_bench.rounds import Tally
from ringway_bench.row import Rival
from ringway_bench.rows import ROWS

FOLDER = Path(__file__).resolve().parent.parent / "bench"


def batch(nanos: float) -> Batch:
    return Batch(10, Sample(nanos * 10, 20.0), 40.0)


def test_percentiles() -> None:
    found = Percentiles.of(list(range(1000, 0, -1)))
    assert found == Percentiles(500.0, 990.0, 999.0)
    assert Percentiles.of([]) is None


def test_the_ratio_is_the_median_of_the_rounds_own() -> None:
    tally = Tally(Rival("somebody", (), 2.0))
    assert median([]) != median([])
    for theirs, ours in ((300.0, 100.0), (1000.0, 500.0), (90.0, 90.0)):
        tally.count(batch(theirs), batch(ours), batch(theirs))
    assert tally.ratio == 2.0
    verdict = Verdict(ROWS[0], tally, None, 3)
    assert verdict.met and verdict.complete and verdict.word == "met"
    assert verdict.to_json()["ratio"] == 2.0


def test_a_target_that_is_not_met_is_a_miss_and_none_is_no_verdict() -> None:
    for target, word in ((2.1, "MISS"), (None, "")):
        tally = Tally(Rival("somebody", (), target))
        tally.count(batch(200.0), batch(100.0), batch(200.0))
        assert Verdict(ROWS[0], tally, None, 1).word == word
    nothing = Verdict(ROWS[0], Tally(Rival("somebody", (), 1.0)), None, 1)
    assert nothing.met is None and nothing.word == "unmeasured"
    assert "gave up: 0 of 1" in str(nothing.note())


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(FOLDER)}
    command = [sys.executable, "-P", "-m", "ringway_bench", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)


def test_rows_are_listed_and_an_unknown_one_is_refused() -> None:
    listed = run("--list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [row.name for row in ROWS]
    assert "no such row: nonsense" in run("nonsense").stderr


def lines(*rows: str) -> list[dict[str, Any]]:
    done = run("--self-check", "--json", *rows)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# These take seconds; the others are tried with RINGWAY_TEST_BENCH=1, and with `cargo xtask python-bench --self-check`, which has what is compared with.
FEW = ("one-way", "asyncio", "records", "pipe-64k")


@pytest.mark.parametrize("row", [row.name for row in ROWS if row.name in FEW or os.environ.get("RINGWAY_TEST_BENCH")])
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="it takes two processors")
def test_every_way_moves_what_it_is_given(row: str) -> None:
    for line in lines(row):
        note = line["note"] or ""
        assert "failed" not in note, line
        assert line["ways"] or note.startswith("not measured: no "), line

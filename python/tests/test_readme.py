"""The start in the README works as it is written there."""

import doctest
import re
import signal
import sys
from pathlib import Path

import pytest

from conftest import PATIENCE, be_patient, run_client, running

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_five_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tmp_path / "names"
    names.mkdir(mode=0o700)
    monkeypatch.setenv("RINGWAY_DIR", str(names))
    programs = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", README, re.DOTALL))
    assert set(programs) == {"service.py", "client.py"}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
    service = [sys.executable, str(tmp_path / "service.py")]
    client = [sys.executable, str(tmp_path / "client.py")]
    with running(service) as serving:
        assert serving.stdout is not None and serving.stdout.readline() == "listening\n"
        done = run_client(client)
        assert (done.stdout, done.stderr) == ("b'HELLO'\n", "")
        serving.send_signal(signal.SIGINT)
        assert serving.wait(PATIENCE) == -signal.SIGINT


def test_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)
    test = doctest.DocTestParser().get_doctest(README, {}, "README", "README.md", 0)
    assert len(test.examples) >= 4
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.failures == 0


def test_the_time_that_the_lock_is_held_is_that_of_the_source() -> None:
    source = (Path(__file__).parents[1] / "src/waits.rs").read_text()
    held = re.search(r"HELD: Duration = Duration::from_micros\((\d+)\)", source)
    assert held is not None and f"for up to {held[1]} µs" in README
    missed = re.search(r"MISSED: Duration = Duration::from_millis\((\d+)\)", source)
    assert missed is not None and f"noticed {missed[1]} ms later" in README

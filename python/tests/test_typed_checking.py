"""Type checkers see what the classes of messages are: the files in `checked` have errors where `# E` stands, and nowhere else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKED = Path(__file__).parent / "checked"


def wanted(name: str) -> list[int]:
    lines = (CHECKED / name).read_text().splitlines()
    found = [number for number, line in enumerate(lines, 1) if line.endswith("# E")]
    assert found
    return found


@pytest.mark.parametrize(("name", "plugin"), [("plain.py", False), ("plain.py", True), ("spelled.py", True)])
def test_mypy(name: str, plugin: bool, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\n" + "plugins = ringway.typed.mypy\n" * plugin)
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--cache-dir", str(tmp_path), "--no-error-summary", name]
    done = subprocess.run(command, cwd=CHECKED, capture_output=True, text=True)
    found = [int(line) for line in re.findall(rf"^{name}:(\d+): error", done.stdout, re.MULTILINE)]
    assert sorted(set(found)) == wanted(name), done.stdout + done.stderr


def test_pyright() -> None:
    pytest.importorskip("basedpyright")
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--level", "error", "plain.py", "spelled.py"]
    done = subprocess.run(command, cwd=CHECKED, capture_output=True, text=True)
    for name in ("plain.py", "spelled.py"):
        found = [int(line) for line in re.findall(rf"{name}:(\d+):\d+ - error", done.stdout)]
        assert sorted(set(found)) == wanted(name), done.stdout + done.stderr

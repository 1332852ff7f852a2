"""The examples of the documentation run."""

import doctest
import re
import types
from pathlib import Path

import pytest

import ringway
import ringway.asyncio
import ringway.multiprocessing
from conftest import be_patient

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory for names of this test's own."""
    directory = tmp_path / "names"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("RINGWAY_DIR", str(directory))


def test_examples_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    tests = doctest.DocTestFinder(exclude_empty=True).find(ringway, "ringway")
    found = {test.name for test in tests if test.examples}
    assert {"ringway", "ringway.Connection.recv", "ringway.pair", "ringway.Schema"} <= found
    be_patient(monkeypatch)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    for test in tests:
        runner.run(test)
    assert runner.failures == 0 and runner.tries > 30


@pytest.mark.parametrize("module", [ringway.asyncio, ringway.multiprocessing])
def test_examples_of_the_modules_above(module: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    tests = doctest.DocTestFinder(exclude_empty=True).find(module)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    with monkeypatch.context() as examples:
        be_patient(examples)
        for test in tests:
            runner.run(test)
    assert runner.failures == 0 and runner.tries >= 6
    for name in module.__all__:
        value = getattr(module, name)
        for member in vars(value) if isinstance(value, type) else ():
            assert member.startswith("_") or getattr(value, member).__doc__, f"{name}.{member}"
        theirs = getattr(value, "__module__", "").startswith("multiprocessing")
        assert isinstance(value, int) or theirs or value.__doc__, name


def test_everything_says_what_it_is() -> None:
    for name in ringway.__all__:
        value = getattr(ringway, name)
        if not isinstance(value, str):
            assert value.__doc__, name
        for member in dir(value):
            if not isinstance(value, type) or hasattr(value, "with_traceback"):
                continue
            told = getattr(value, member).__doc__
            assert member.startswith("_") or told, f"{name}.{member}"


def test_exceptions_have_the_names_of_the_library() -> None:
    rust = (ROOT.parent / "src").rglob("*.rs")
    outcomes = [file.read_text() for file in rust if file.name in ("outcome.rs", "error.rs")]
    names = {
        name
        for text in outcomes
        for kind in ("SendError", "RecvError", "ErrorKind")
        for body in re.findall(rf"pub enum {kind} \{{(.*?)\n\}}", text, re.DOTALL)
        for name in re.findall(r"^    ([A-Z]\w+)[ ,]", body, re.MULTILINE)
    }
    assert len(names) > 30
    # Ends a wait that Python then goes on with; tasks of tokio; a name that is the class of schemas; and a call that Python has not: a frame is copied before the next is waited for.
    names -= {"Interrupted", "Runtime", "Schema", "Unheld"}
    missing = {name for name in names if not issubclass(getattr(ringway, name, object), ringway.Error)}
    assert not missing


def test_each_option_has_a_row() -> None:
    with pytest.raises(TypeError, match="there are") as told:
        ringway.pair(nonsense=1)  # type: ignore[call-arg]
    known = str(told.value).partition("there are ")[2].split(", ")
    page = (ROOT.parent / "docs" / "python.md").read_text()
    table = page.partition("## Options\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", "".join(rows))) == sorted(known)

"""The examples of `ringway.typed` and of `docs/python.md` run."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path
from types import MemberDescriptorType

import pytest

import ringway.typed
from conftest import be_patient

DOCS = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture(autouse=True)
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory for names of this test's own, and time for handshakes."""
    be_patient(monkeypatch)
    directory = tmp_path / "names"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("RINGWAY_DIR", str(directory))


def test_examples_of_the_modules() -> None:
    pytest.importorskip("numpy")
    found = 0
    for module in pkgutil.iter_modules(ringway.typed.__path__, "ringway.typed."):
        if module.name == "ringway.typed.mypy":
            continue
        for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module.name)):
            result = doctest.DocTestRunner().run(test)
            assert result.failed == 0, test.name
            found += bool(test.examples)
    assert found >= 10


def test_sessions_of_the_page() -> None:
    pytest.importorskip("numpy")
    text = DOCS.read_text()
    sessions = re.findall(r"```python\n(>>> .*?)```", text, re.DOTALL)
    assert len(sessions) >= 4
    names: dict[str, object] = {}
    for number, session in enumerate(sessions):
        test = doctest.DocTestParser().get_doctest(session, names, f"session {number}", str(DOCS), 0)
        result = doctest.DocTestRunner().run(test, clear_globs=False)
        names = test.globs
        assert result.failed == 0, session


def test_everything_says_what_it_is() -> None:
    for name in ringway.typed.__all__:
        value = getattr(ringway.typed, name)
        assert value.__doc__, name
        for member in dir(value) if isinstance(value, type) and not hasattr(value, "with_traceback") else []:
            # What a slot is stands behind it in the text.
            slot = isinstance(getattr(value, member), MemberDescriptorType)
            assert slot or member.startswith("_") or getattr(value, member).__doc__, f"{name}.{member}"

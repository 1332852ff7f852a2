"""What is tested is what was installed."""

import os
from importlib.metadata import files, version
from pathlib import Path

import pytest

import ringway
from ringway import _ringway


def test_it_is_the_wheel_that_is_tested() -> None:
    installed = os.environ.get("RINGWAY_INSTALLED")
    if installed is None:
        pytest.skip("only `cargo verify --only python` installs a wheel")
    for module in (ringway, _ringway):
        assert module.__file__ is not None
        assert Path(module.__file__).is_relative_to(installed)
    assert (Path(installed) / "bin/python").exists()
    assert Path(_ringway.__file__ or "").name == "_ringway.abi3.so"


def test_it_has_the_version_of_the_library() -> None:
    assert ringway.__version__ == version("ringway")


def test_the_licences_are_in_the_wheel() -> None:
    if "RINGWAY_INSTALLED" not in os.environ:
        pytest.skip("only `cargo verify --only python` installs a wheel")
    texts = {file.name: file.read_text() for file in files("ringway") or [] if "licenses" in file.parts}
    assert sorted(texts) == ["LICENSE-APACHE", "LICENSE-MIT"]
    assert "WITHOUT WARRANTY OF ANY KIND" in texts["LICENSE-MIT"]

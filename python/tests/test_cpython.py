"""CPython's own tests of pipes, with ours in the place of its own, under each start method. They are taken from the interpreter's package `test`, where it has one."""

import functools
import multiprocessing
import multiprocessing.connection
import os
import unittest
import unittest.mock
from multiprocessing.context import BaseContext
from typing import Any

import pytest

import ringway.multiprocessing
from ringway.multiprocessing import Connection, Pipe

theirs: Any = pytest.importorskip(
    "test._test_multiprocessing", reason="this interpreter comes without its tests"
)

#: Those with a pipe in them; and of those, what does not apply, and why (docs/python.md has the list too).
CASES: dict[str, dict[str, str]] = {
    "_TestConnection": {
        "test_fd_transfer": "descriptors are sent through the socket that a pipe of multiprocessing is",
        "test_large_fd_transfer": "as test_fd_transfer",
        "test_missing_fd_transfer": "writes to the descriptor of an end by hand",
    },
    "_TestPoll": {},
    "_TestPicklingConnections": {},
    "_TestSubclassingProcess": {},
    "_TestFinalize": {},
    "_TestLogging": {},
    "TestWait": {},
    "TestIgnoreEINTR": {},
    "TestStartMethod": {
        "test_preload_resources": "runs a script, which takes its own pipe",
    },
    "TestForkAwareThreadLock": {},
    "TestCloseFds": {},
}

#: Those of processes that use a pipe. Not `test_recursion`: several processes send through one end.
PROCESS = ("test_parent_process_attributes", "test_parent_process")

#: Under each start method with `RINGWAY_TEST_ALL=1`, which takes three minutes; otherwise most under one.
ALL = bool(os.environ.get("RINGWAY_TEST_ALL"))
METHODS = ("fork", "spawn", "forkserver")
SHORT = ("_TestConnection", "_TestPicklingConnections")
FORK = (*SHORT, "_TestPoll", "_TestSubclassingProcess", "TestWait", "TestIgnoreEINTR")

#: `_TestLogging` gives one end to two children, one behind the other.
ALLOWED = ("ignore:a pipe goes on through its socket:RuntimeWarning",)


#: Those that fail where a machine is slow for a fifth of a second to one: a fault of ours fails them each time.
TIMED = ("test_connection", "test_dont_merge", "test_neg_timeout", "test_wait_integer")


def _patient(test: Any) -> Any:
    @functools.wraps(test)
    def tried(case: unittest.TestCase) -> None:
        for left in (3, 2, 1, 0):
            try:
                test(case)
                return
            except AssertionError:
                if not left:
                    raise

    return tried


def _pipe(_: BaseContext, duplex: bool = True) -> tuple[Connection, Connection]:
    return Pipe(duplex)


def _case(base: Any, method: str, skipped: dict[str, str], wait: Any) -> Any:
    mixins = (theirs.ProcessesMixin,) if issubclass(base, theirs.BaseTestCase) else ()

    class Case(base, *mixins, unittest.TestCase):  # type: ignore[misc] # pyright: ignore[reportUntypedBaseClass]
        pytestmark = pytest.mark.filterwarnings(*ALLOWED)
        Pipe = staticmethod(Pipe)

        @classmethod
        def setUpClass(cls) -> None:
            cls._method = multiprocessing.get_start_method(allow_none=True)
            multiprocessing.set_start_method(method, force=True)
            super().setUpClass()  # pyright: ignore[reportUnknownMemberType]

        @classmethod
        def tearDownClass(cls) -> None:
            super().tearDownClass()  # pyright: ignore[reportUnknownMemberType]
            multiprocessing.set_start_method(cls._method, force=True)

        def setUp(self) -> None:
            super().setUp()  # pyright: ignore[reportUnknownMemberType]
            if self._testMethodName in skipped:
                self.skipTest(skipped[self._testMethodName])
            ours: list[tuple[Any, str, Any]] = [
                (multiprocessing, "Pipe", Pipe),
                (BaseContext, "Pipe", _pipe),
                (multiprocessing.connection, "wait", wait),
            ]
            for where, name, what in ours:
                patch = unittest.mock.patch.object(where, name, what)
                patch.start()
                self.addCleanup(patch.stop)

    for name in TIMED:
        if hasattr(base, name):
            setattr(Case, name, _patient(getattr(base, name)))
    return Case


def _install() -> None:
    ours, original = ringway.multiprocessing.wait, multiprocessing.connection.wait
    for method in METHODS:
        for name, skipped in CASES.items():
            if not (ALL or name in SHORT or (method == "fork" and name in FORK)):
                continue
            waits = {"": ours}
            if name == "TestWait" and ALL:
                # Its own wait takes our ends by their descriptors.
                waits["_OriginalWait"] = original
            for suffix, wait in waits.items():
                made = _case(getattr(theirs, name), method, skipped, wait)
                short = name.lstrip("_").removeprefix("Test")
                made.__name__ = made.__qualname__ = f"Test{short}_{method}{suffix}"
                made.__module__ = __name__
                globals()[made.__name__] = made
        if not ALL:
            continue
        process = theirs._TestProcess
        every = [test for test in dir(process) if test.startswith("test") and test not in PROCESS]
        made = _case(process, method, {}, ours)
        for test in every:
            setattr(made, test, None)
        made.__name__ = made.__qualname__ = f"TestProcess_{method}"
        made.__module__ = __name__
        globals()[made.__name__] = made


_install()

"""Interpreters within the interpreter (`mod_wsgi`, `concurrent.interpreters`): the package says that it does not work there."""

import subprocess
import sys

import pytest

_WITHIN = """
import sys
if sys.version_info >= (3, 13):
    import _interpreters as interpreters
    made = interpreters.create("legacy")
else:
    import _xxsubinterpreters as interpreters
    made = interpreters.create(isolated=False)
if "first" in sys.argv:
    import ringway
interpreters.run_string(made, '''
import sys
sys.path[:] = %r
try:
    import ringway
except ImportError as error:
    print("subinterpreter" in str(error), flush=True)
else:
    print("it was imported", flush=True)
''' % sys.path)
import ringway
left, right = ringway.pair(handshake_timeout=20)
left.send(b"here")
print(right.recv())
"""


@pytest.mark.parametrize("main", ["first", "later"])
def test_an_interpreter_within_the_interpreter_is_refused(main: str) -> None:
    done = subprocess.run([sys.executable, "-c", _WITHIN, main], capture_output=True, text=True, timeout=60)
    if "No module named" in done.stderr and "interpreters" in done.stderr:
        pytest.skip("this interpreter has none within it")
    assert (done.returncode, done.stdout) == (0, "True\nb'here'\n"), done.stderr

"""The examples run."""

import signal
import subprocess
import sys
from pathlib import Path

from conftest import PATIENCE, run_client, running

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_a_service_and_its_client(place: str) -> None:
    service = [sys.executable, str(EXAMPLES / "service.py"), place]
    client = [sys.executable, str(EXAMPLES / "client.py"), place]
    with running(service) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline() == f"listening at {place}\n"
        for _ in range(2):
            done = run_client(client)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.splitlines()[-1] == "0 + 1 + 2 + 3 + 4 = 10"
        serving.send_signal(signal.SIGINT)
        assert serving.wait(PATIENCE) == 0
        assert serving.stdout.read() == "stopping\n"


def test_a_client_that_outlives_its_server(place: str) -> None:
    command = [sys.executable, str(EXAMPLES / "resume.py"), place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    *killed, last = done.stdout.splitlines()
    assert len(killed) == 4 and all(line.startswith("the ledger was killed: ") for line in killed)
    assert last == "5000 amounts are noted, each once"

"""The examples run."""

import signal
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_a_service_and_its_client(place: str) -> None:
    service = [sys.executable, str(EXAMPLES / "service.py"), place]
    client = [sys.executable, str(EXAMPLES / "client.py"), place]
    with subprocess.Popen(service, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == f"listening at {place}\n"
        for _ in range(2):
            done = subprocess.run(client, capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.splitlines()[-1] == "0 + 1 + 2 + 3 + 4 = 10"
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
        assert running.stdout.read() == "stopping\n"

"""Two ends of a typed connection in one process, and a Rust program at the other end."""

import os
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import ringway
from conftest import HANDSHAKE
from ringway.typed import Connection, Listener

ROOT = Path(__file__).parents[2]


@contextmanager
def typed(place: str, sends: Any, expects: Any, **options: Any) -> Generator[tuple[Connection[Any, Any], Connection[Any, Any]], None, None]:
    """Who sends what `sends` says, and who expects what `expects` says."""
    made: list[Any] = []
    options.setdefault("handshake_timeout", HANDSHAKE)

    def client() -> None:
        try:
            made.append(ringway.connect(place, sends=sends, expects=(), **options))
        except ringway.Error as error:
            made.append(error)

    listener: Listener[Any, Any] = cast(Any, ringway.listen)(place, sends=(), expects=expects, **options)
    with listener:
        thread = threading.Thread(target=client)
        thread.start()
        server: Connection[Any, Any] | None = None
        while server is None and listener.refusals == 0:
            server = listener.try_accept()
        thread.join()
    if isinstance(made[0], ringway.Error):
        raise made[0]
    assert server is not None
    with made[0], server:
        yield made[0], server


def rust_peer() -> str:
    """The path of `python/examples/peer.rs`, built."""
    if (built := os.environ.get("RINGWAY_PEER")) is not None:
        return built
    command = ["cargo", "build", "--release", "--package", "ringway-python", "--example", "peer"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return str(target / "release" / "examples" / "peer")


@contextmanager
def rust(role: str, place: str, *arguments: str) -> Generator[subprocess.Popen[str], None, None]:
    """A Rust program that listens."""
    process = subprocess.Popen([rust_peer(), role, place, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

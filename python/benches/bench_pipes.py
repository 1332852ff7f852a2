"""Round trips of objects through pipes between two pinned processes, side by side in one run: `python benches/bench_pipes.py [seconds]`.

busy: ringway.multiprocessing.Pipe() against multiprocessing.Pipe(). parked: the same with wait="park", where every receive sleeps.
"""

import multiprocessing
import os
import statistics
import sys
import time
from typing import Any

from ringway.multiprocessing import Pipe

ROUNDS = 6


def pin(number: int) -> None:
    """Keeps this process on a processor of its own: two on one could only take turns."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) > 1:
        os.sched_setaffinity(0, {processors[number]})


def echo(end: Any) -> None:
    pin(1)
    while (item := end.recv()) is not None:
        end.send(item)
    end.send(None)


def objects() -> dict[str, Any]:
    made: dict[str, Any] = {
        "small dict": {"id": 17, "name": "something", "values": [1, 2, 3]},
        "bytes 64": bytes(64),
        "bytes 4K": bytes(4 << 10),
        "bytes 64K": bytes(64 << 10),
        "list of bytes 64K": [bytes(64 << 10)],
        "bytes 1M": bytes(1 << 20),
        "bytes 64M": bytes(64 << 20),
        "list of bytes 64M": [bytes(64 << 20)],
    }
    try:
        import numpy

        made["array 64K"] = numpy.zeros(8 << 10)
        made["array 1M"] = numpy.zeros(128 << 10)
        made["array 64M"] = numpy.zeros(8 << 20)
    except ImportError:
        pass
    return made


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    context = multiprocessing.get_context("fork")
    pipes: dict[str, tuple[Any, Any]] = {"theirs": multiprocessing.Pipe(), "ours": Pipe(), "parked": Pipe(wait="park")}
    servers = [context.Process(target=echo, args=(other,)) for _, other in pipes.values()]
    for server in servers:
        server.start()
    pin(0)
    items = objects()
    for name, item in items.items():
        each: dict[str, list[float]] = {which: [] for which in pipes}
        for which, (end, _) in pipes.items():
            for _ in range(5):
                end.send(item)
                end.recv()
        for _ in range(ROUNDS):
            for which, (end, _) in pipes.items():
                until = time.perf_counter() + seconds / len(items) / ROUNDS / len(pipes)
                count, began = 0, time.perf_counter()
                while True:
                    end.send(item)
                    end.recv()
                    count += 1
                    if (now := time.perf_counter()) >= until:
                        break
                each[which].append((now - began) / count * 1e6)
        us = {which: statistics.median(took) for which, took in each.items()}
        busy, parked = us["theirs"] / us["ours"], us["theirs"] / us["parked"]
        print(
            f"{name:18} theirs {us['theirs']:10.1f} us, ours {us['ours']:10.1f} us, {busy:5.1f} times as fast;"
            f" parked {us['parked']:10.1f} us, {parked:5.2f} times",
            flush=True,
        )
    for (end, _), server in zip(pipes.values(), servers, strict=True):
        end.send(None)
        server.terminate()


if __name__ == "__main__":
    main()

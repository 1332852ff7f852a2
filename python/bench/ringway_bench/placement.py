"""Where the two processes run, and what machine this is."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def _siblings(cpu: int) -> set[int]:
    """Processors that share a core with `cpu`, itself included: "0,64" or "0-1"."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    found = {cpu}
    for part in path.read_text().strip().split(",") if path.exists() else ():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def two_cores() -> tuple[int, int]:
    """Two processors that are not threads of one core, as near as the numbering suggests."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise RuntimeError("it takes two processors, and only one is allowed")
    lead, rest = allowed[0], allowed[1:]
    shared = _siblings(lead)
    follow = next((cpu for cpu in rest if cpu not in shared), rest[0])
    return lead, follow


def pin(cpu: int) -> None:
    """Keeps this process on one processor."""
    os.sched_setaffinity(0, {cpu})


def machine() -> str:
    """One line on the machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    model = next(models, "processor of unknown model")
    allowed = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{model}, {allowed} processors allowed, Linux {platform.release()}, {python}, load {load:.2f}"

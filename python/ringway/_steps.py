"""What is made step by step in an event loop: connections, and resumed ones."""

from __future__ import annotations

import asyncio
from typing import Literal, Protocol, TypeVar

from ringway._watch import Readable

M = TypeVar("M", covariant=True)


class Steps(Protocol[M]):
    """What is made step by step, and waits for nobody."""

    @property
    def left(self) -> float | None: ...
    def close(self) -> None: ...
    def fileno(self) -> int: ...
    def step(self) -> M | Literal[False] | None: ...


async def made(steps: Steps[M]) -> M:
    """What they come to. However it ends, they are closed."""
    try:
        while True:
            reached = steps.step()
            if reached is None:
                await Readable(steps.fileno(), steps.left).wait()
            elif reached is False:
                await asyncio.sleep(0.001)
            else:
                return reached
    finally:
        steps.close()

"""Shared-memory IPC for Linux: messages between processes at the speed of a cache line, correct when a peer is killed or hostile."""

from ringway import _ringway
from ringway._ringway import *  # noqa: F403
from ringway._ringway import __version__

__all__ = [name for name in dir(_ringway) if not name.startswith("_")] + ["__version__"]

"""Ways to move messages: what their processes are told, by name, and how they are measured."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from .kit import Kit
from .work import Work


@dataclass(frozen=True)
class Way:
    """One way to do a row's work."""

    #: Names it in the table, and finds it: a module of `ways`, a colon, and its parameters, separated by commas.
    name: str
    #: Neither side ever sleeps: then both must have had their processors.
    spins: bool = False
    #: Its two measurements in a round may differ by so much.
    agreement: float = 1.10
    #: Messages that are checked before any clock runs.
    checked: int = 200
    #: The number of operations that are tried first to find a batch's.
    first: int = 64
    #: A module that it takes, and that may not be installed.
    needs: str | None = None
    #: What `ringway bench` of Rust does instead of Python.
    rust: Any = None

    def make(self, kit: Kit, side: int, address: str) -> Work:
        """Sets the work up in one of its two processes."""
        module, _, words = self.name.partition(":")
        made: Work = importlib.import_module(f".ways.{module}", __package__).make(kit, side, address, *words.split(",") if words else ())
        return made

"""Ringway: batches of typed records as NumPy arrays, every field filled in the ring, one frame for each, received into an array, two fields summed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from ringway import typed
from ringway.typed import f64, message, u32, u64

from ..kit import LEAD, Kit
from ..work import OneWay, Work, Wrong
from .ours import until_there


@message
class Fill:
    """A record of 32 bytes, of plain numbers: that of the same work in Rust."""

    order: u64
    nanos: u64
    price: f64
    quantity: u32
    venue: u32


class Records(OneWay):
    """One end of a typed connection. A message is the number of a batch."""

    def __init__(self, side: int, address: str, count: int) -> None:
        # Eight batches, as in Rust: a larger ring is in no near cache.
        capacity = 1 << (8 * 32 * count - 1).bit_length()
        options: dict[str, Any] = {"sends": Fill, "expects": Fill, "prefault": True, "capacity": capacity, "peer_capacity": capacity, "handshake_timeout": 30}
        self.connection: typed.Connection[Fill, Fill]
        if side == LEAD:
            with typed.listen(address, **options) as listener:
                self.connection = listener.accept(timeout=30)
        else:
            self.connection = until_there(lambda: typed.connect(address, **options))
        self.count = count
        self.records = typed.array(Fill, count)
        self.turn = 0

    def make(self, turn: int) -> Any:
        """Each batch is made in its turn."""
        return turn

    def pour(self, messages: Iterable[Any], count: int) -> None:
        fill_array, wanted = self.connection.fill_array, self.count

        def fill(records: Any) -> None:
            records["order"] = turn
            records["nanos"] = turn + 1
            records["price"] = turn + 0.5
            records["quantity"] = turn
            records["venue"] = 7

        for turn in range(self.turn, self.turn + count):
            fill_array(wanted, fill)
        self.turn += count

    def drain(self, count: int) -> Any:
        receive, records, turn, wanted = self.connection.recv_array, self.records, self.turn, self.count
        for _ in range(count):
            got = receive(wanted, out=records)
            sums = float(got["price"].sum()), int(got["quantity"].sum())
            if sums != ((turn + 0.5) * wanted, turn * wanted):
                raise Wrong(f"{sums} are the sums of batch {turn}")
            turn += 1
        self.turn = turn
        return 0

    def confirm(self) -> None:
        self.connection.send_array(self.records[:1], together=True)

    def await_confirmation(self) -> None:
        self.connection.recv_array(1)


class Checked(Records):
    """The same, and what is checked before is checked record by record."""

    def lead(self, count: int, how: str) -> Any:
        if how == "Check":
            for turn in range(count):
                self.records.view(np.uint8)[:] = self._image(turn)
                self.connection.send_array(self.records, together=True)
        return super().lead(0 if how == "Check" else count, how)

    def follow(self, count: int, how: str) -> Any:
        if how == "Check":
            for turn in range(count):
                got = self.connection.recv_array(self.count, out=self.records)
                if len(got) != self.count or not np.array_equal(got.view(np.uint8), self._image(turn)):
                    raise Wrong(f"batch {turn} is not what was sent")
        return super().follow(0 if how == "Check" else count, how)

    def _image(self, turn: int) -> Any:
        return np.random.default_rng(turn).integers(0, 256, 32 * self.count, np.uint8)


def make(kit: Kit, side: int, address: str, count: str) -> Work:
    """`count`: records in a batch."""
    return Checked(side, address, int(count))

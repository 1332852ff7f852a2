"""The descriptors that both processes of a pair hold: whatever a way by hand is built from, made once and inherited."""

from __future__ import annotations

import mmap
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

#: Bytes of the shared memory of a kit; only what a way touches is ever allocated.
AREA = 64 << 20

LEAD, FOLLOW = 0, 1


@dataclass(frozen=True)
class Kit:
    """The descriptors, in the order in which they are handed over: that of `ringway bench`, whose processes take them too."""

    area: int
    #: One eventfd for each side to wait on; reading blocks.
    bells: tuple[int, int]
    #: A connected stream socket for each side.
    sockets: tuple[int, int]
    #: Two pipes, each as reading end and writing end.
    pipes: tuple[int, int, int, int]

    @classmethod
    def make(cls) -> Kit:
        """A new set, which this process owns."""
        area = os.memfd_create("ringway-bench")
        os.truncate(area, AREA)
        bells = os.eventfd(0, os.EFD_CLOEXEC), os.eventfd(0, os.EFD_CLOEXEC)
        one, other = socket.socketpair()
        return cls(area, bells, (one.detach(), other.detach()), (*os.pipe(), *os.pipe()))

    @classmethod
    def inherit(cls, numbers: Sequence[int]) -> Kit:
        """That whose descriptors `numbers` named in the parent."""
        area, bell, other, socket0, socket1, *pipes = numbers
        read0, write0, read1, write1 = pipes
        return cls(area, (bell, other), (socket0, socket1), (read0, write0, read1, write1))

    def numbers(self) -> list[int]:
        """All descriptors."""
        return [self.area, *self.bells, *self.sockets, *self.pipes]

    def close(self) -> None:
        """Closes all of them."""
        for number in self.numbers():
            os.close(number)

    def memory(self, size: int) -> mmap.mmap:
        """The first bytes of the shared memory: what `multiprocessing.shared_memory` has under its `buf`."""
        return mmap.mmap(self.area, size)

"""How an end of a pipe goes from its socket to its ring.

The socket is given up when nothing passes through it any more. That comes first: if a signal's handler raises behind it, the next call does it once more, and nothing is left open. What follows is done by
stores, between which no handler comes, and no other thread, which goes the other way.
"""

# What is private is the package's.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ringway
    from ringway._early import Early
    from ringway._selected import Selected
    from ringway.multiprocessing import Connection


def open_out(end: Connection, early: Early, ring: ringway.Connection) -> None:
    """Sends through the ring from now on, both halves of which live until the end is closed: the other side hears by them that it is there."""
    sender = ring.sender
    gone = False
    while True:
        needed = end._readable and end._in is None
        if needed or gone:
            end._ring, end._out = ring, sender
            if not needed:
                end._early = None
            return
        early.close()
        gone = True


def open_in(end: Connection, early: Early) -> None:
    """Receives through the ring from now on, and has who selects be told by it."""
    if end._selected is not None:
        end._selected.flag()
    if not early.finish() or early.ring is None:
        raise EOFError
    # Another thread may look, and not have seen the word for it, which this one has taken.
    early.end_reading()
    receiver = early.ring.receiver
    switched: Selected | None = None
    gone = False
    while True:
        needed = end._writable and end._out is None
        selected = end._selected
        if selected is not None and selected is not switched:
            selected.switch(early.fileno(), receiver)
            switched = selected
        elif not needed and not gone:
            early.close()
            gone = True
        else:
            end._ring, end._in = early.ring, receiver
            if selected is None:
                end._quick_in = receiver
            if not needed:
                end._early = None
            return

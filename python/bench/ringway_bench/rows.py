"""The table of what is measured: each row's work, its rivals and its targets."""

from __future__ import annotations

from .row import Rival, Row
from .way import Way

SPIN = tuple(Way(f"spin:{how}", spins=True) for how in ("mapped", "viewed", "packed"))
#: What the kernel schedules moves more than what spins.
LOOSE = 1.25

ROWS = (
    Row(
        "round-trip",
        "64 bytes there and back, both sides never sleep; pipe, pyzmq and grpcio have no such manner and block",
        Way("ours:exchange,spin", spins=True),
        (
            Rival("spin by hand", SPIN, 1.0),
            Rival("iceoryx2", (Way("iceoryx", spins=True),), 4.0),
            Rival("Pipe", (Way("pipe:exchange", agreement=LOOSE),), 50.0),
            Rival("pyzmq", (Way("pyzmq", agreement=LOOSE),), 50.0),
            Rival("grpcio", (Way("grpcio", agreement=LOOSE),)),
        ),
    ),
    Row(
        "park",
        "64 bytes there and back, both sides asleep",
        Way("ours:exchange,park", agreement=LOOSE),
        (Rival("eventfd by hand", (Way("bell", agreement=LOOSE),), 1 / 1.15),),
    ),
    Row(
        "one-way",
        "64 bytes one after the other, a call for each; both sides never sleep",
        Way("ours:stream,spin", spins=True),
        (
            Rival("spin by hand", (Way("ring", spins=True),), 1.5),
            Rival("Pipe", (Way("pipe:stream", agreement=LOOSE),), 10.0),
        ),
        unit="M/s",
        each=False,
    ),
)

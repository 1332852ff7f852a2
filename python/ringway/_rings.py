"""Messages through the rings of a connection: of one frame, or of as many as they take."""

# What is private is the package's.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import struct
from time import monotonic
from typing import Any

import ringway
from ringway import _ringway
from ringway._message import PARTS, READONLY, sizes

#: Kinds of frames, besides those of messages that are one frame: the sizes of a message's parts, their bytes, and the end of what was not finished.
LONG, DATA, ABORT = 0x100, 0x200, 0x300

#: The longest frame.
MOST = 128 << 10
#: The kernel is asked whether the peer lives, by who sends, after so many seconds.
_CHECK = 0.001

_receive, _send = _ringway._pipe_poll, _ringway._pipe_send
#: How a connection ends.
ENDS = (ringway.Closed, ringway.PeerClosed, ringway.PeerDied)


class Outgoing:
    """Sends messages."""

    __slots__ = ("_checked", "_chunk", "_sender", "_torn")

    def __init__(self, sender: ringway.Sender) -> None:
        self._sender = sender
        self._chunk = min(MOST, sender.capacity // 8, sender.max_payload)
        self._checked = 0.0
        # A message was begun and not finished, because something was raised meanwhile.
        self._torn = False

    def send(self, kind: int, parts: list[Any]) -> None:
        """Sends a message, waiting for room."""
        now = monotonic()
        if check := now >= self._checked:
            self._checked = now + _CHECK
        if self._torn:
            _send(self._sender, b"", ABORT, check)
            self._torn = False
        if len(parts) == 1 and len(parts[0]) <= self._chunk:
            _send(self._sender, parts[0], kind, check)
        else:
            self._send_long(kind, parts, check)

    def _send_long(self, kind: int, parts: list[Any], check: bool) -> None:
        told = sizes(kind, parts)
        if kind != PARTS and told[0] <= self._chunk:
            _ringway._pipe_gather(self._sender, parts, kind, check)
            return
        head = struct.pack(f"!{len(told)}Q", *told)
        self._torn = True
        _ringway._pipe_long(self._sender, head, kind | LONG, parts, DATA, self._chunk, check)
        self._torn = False

    def close(self) -> None:
        """Says goodbye."""
        self._sender.close()


class Incoming:
    """Receives messages."""

    __slots__ = ("_kind", "_parts", "_receiver", "_taken", "receiver")

    def __init__(self, receiver: ringway.Receiver) -> None:
        self.receiver = receiver
        self._receiver = receiver.recv_kind
        # The message at hand, if a frame is not enough for it: what has come stays when a call is interrupted.
        self._kind = 0
        self._parts: list[Any] = []
        self._taken: list[Any] = []

    def recv(self) -> tuple[int, Any]:
        """The next message: its kind, and its bytes, or the list of its parts. Waits for it."""
        if not self._parts:
            kind, frame = self._receiver()
            if kind < LONG:
                return kind, frame
            self._begin(kind, frame)
        return self._recv_long()

    def _begin(self, kind: int, frame: bytes) -> None:
        if kind & ~0xFF == LONG and frame and len(frame) % 8 == 0:
            told = struct.unpack(f"!{len(frame) // 8}Q", frame)
            self._kind = kind & 0xFF
            # The pickle, which is the first, is `bytes`, and so are buffers that nobody writes to.
            self._parts = [
                _ringway._Part(size & ~READONLY, at > 0 and not size & READONLY)
                for at, size in enumerate(told)
            ]
        elif kind != ABORT:
            raise OSError("bad message: is the other end a Ringway pipe of this version?")

    def _recv_long(self) -> tuple[int, Any]:
        while True:
            if all(part.fill(self.receiver, DATA) for part in self._parts) and self._parts:
                taken = [part.take() for part in self._parts]
                self._parts = []
                return self._kind, taken if self._kind == PARTS else taken[0]
            # Its sender was interrupted, and goes on with the next message.
            self._parts = []
            kind, frame = self._receiver()
            if kind < LONG:
                return kind, frame
            self._begin(kind, frame)

    @property
    def amid(self) -> bool:
        """Whether a message has begun to come."""
        return bool(self._parts)

    def poll(self, timeout: float | None) -> bool:
        """Whether there is something to receive, an end too. Waits for it."""
        return bool(_receive(self.receiver, timeout))

    def close(self) -> None:
        """Says goodbye."""
        self.receiver.close()

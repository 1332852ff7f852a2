"""A frame that is not what it should be, or a value that no frame can hold."""

from __future__ import annotations

from ringway._ringway import Error


class Invalid(Error, ValueError):
    """Which message, which field, and what is wrong with it.

    Of a received frame the words are those of the Rust library. The frame is consumed; the connection goes on.
    """

    message: str
    """The message's name; empty where the frame's kind is not known."""
    path: str
    """The field, as ``legs[3].side``; empty where the message as a whole is wrong."""
    fault: str
    """What is wrong."""

    def __init__(self, fault: str, path: str = "", message: str = "") -> None:
        self.fault, self.path, self.message = fault, path, message
        places = [f"message `{message}`"] if message else []
        if path:
            places.append(f"field `{path}`")
        super().__init__(f"{', '.join(places)}: {fault}" if places else fault)

    def __reduce__(self) -> tuple[type[Invalid], tuple[str, str, str]]:
        return (Invalid, (self.fault, self.path, self.message))

    def within(self, name: str) -> Invalid:
        """The same, inside the field ``name``."""
        dot = "" if not self.path or self.path.startswith("[") else "."
        return Invalid(self.fault, f"{name}{dot}{self.path}", self.message)

    def at(self, index: int) -> Invalid:
        """The same, inside the element of that number."""
        return self.within(f"[{index}]")

    def of(self, message: str) -> Invalid:
        """The same, in the message of that name."""
        return Invalid(self.fault, self.path, message)

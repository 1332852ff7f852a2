"""What is said of a field besides its type: ``bid: f64 = field(since=2, default=1.0)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, overload


class Missing:
    """What stands where there is no default."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = Missing()


@dataclass(frozen=True)
class Said:
    """What was said of a field."""

    default: Any = MISSING
    since: int | None = None
    deprecated: str = ""
    doc: str = ""


@overload
def field(*, since: int | None = None, deprecated: str = "", doc: str = "") -> Any: ...
@overload
def field(*, default: Any, since: int | None = None, deprecated: str = "", doc: str = "") -> Any: ...
def field(*, default: Any = MISSING, since: int | None = None, deprecated: str = "", doc: str = "") -> Any:
    """Says more of a field than its type.

    ``since`` is the version of the message that added it (1 for the first); what came later needs a default, or the type ``Maybe``. ``default`` is its value where the sender
    does not know it, or says nothing. ``deprecated`` says what to use in its place. ``doc`` is what it means, for people.

    >>> from ringway.typed import f64, field, message, u64
    >>> @message
    ... class Quote:
    ...     price: f64 = field(doc="In euros.")
    ...     flags: u64 = field(since=2, default=1)
    >>> Quote(price=1.5)
    Quote(price=1.5, flags=1)
    """
    return Said(default, since, deprecated, doc)


def padding(*, since: int | None = None, init: Literal[False] = False) -> Any:
    """Says that a field only fills up the layout: ``_pad: Array[u8, 4] = padding()``. It is no argument of the class.

    The name of such a field begins with ``_``, and whatever its name says so is padding. The function is for type checkers; at run time the name is enough.
    """
    return Said(since=since)

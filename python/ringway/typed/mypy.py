"""A plugin for mypy, which takes `Text[16]`, `Bytes[16]` and `Array[f64, 4]` for what their values are.

.. code-block:: toml

    [tool.mypy]
    plugins = ["ringway.typed.mypy"]
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.plugin import AnalyzeTypeContext, Plugin
from mypy.types import AnyType, Type, TypeOfAny, UnboundType

_PLACE = "ringway.typed.spelling"


def _text(context: AnalyzeTypeContext) -> Type:
    return _one(context, "builtins.str")


def _bytes(context: AnalyzeTypeContext) -> Type:
    return _one(context, "builtins.bytes")


def _one(context: AnalyzeTypeContext, name: str) -> Type:
    if not context.type.args:
        return context.api.named_type(f"{_PLACE}.{context.type.name.rpartition('.')[2]}", [])
    if len(context.type.args) > 1:
        context.api.fail("one number is needed, as in Text[16]", context.context)
    return context.api.named_type(name, [])


def _array(context: AnalyzeTypeContext) -> Type:
    if not context.type.args:
        # The class itself, as in its own module.
        return context.api.named_type(f"{_PLACE}.Array", [])
    if len(context.type.args) != 2:
        context.api.fail("an array has a type and a number of elements: Array[f64, 4]", context.context)
        return AnyType(TypeOfAny.from_error)
    of = context.type.args[0]
    if isinstance(of, UnboundType) and of.name.rpartition(".")[2] == "u8":
        return context.api.named_type("builtins.bytes", [])
    return context.api.named_type("builtins.list", [context.api.analyze_type(of)])


class Spelling(Plugin):
    """See the module."""

    def get_type_analyze_hook(self, fullname: str) -> Callable[[AnalyzeTypeContext], Type] | None:
        return {f"{_PLACE}.Text": _text, f"{_PLACE}.Bytes": _bytes, f"{_PLACE}.Array": _array}.get(fullname)


def plugin(version: str) -> type[Plugin]:
    """What mypy asks for."""
    return Spelling

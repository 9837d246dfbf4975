"""Short vectors of float32 for compiled loops: as many numbers as the processor handles at once.

Numba leaves it to LLVM to find vectors in loops over scalars, which fails where an output might
overlap an input. These few operations say what is meant. Widths are literals; a width beyond the
processor's own becomes several instructions. Loads and stores are not checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

_INDEX = ir.IntType(32)
# A product and a sum may become one instruction that rounds once.
_FUSED = ("contract", "nsz")

Typed = tuple[Any, Callable[..., Any]] | None


class Vector(types.Type):
    """`width` numbers of float32 in one register."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"float32x{width}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        kind = ir.VectorType(ir.FloatType(), vector.width)
        super().__init__(manager, vector, kind)  # type: ignore[no-untyped-call]


@intrinsic(prefer_literal=True)
def zeros(_context: Any, width: Any) -> Typed:
    """Return a vector of zeros."""
    if not isinstance(width, types.IntegerLiteral):
        return None
    vector = Vector(width.literal_value)

    def generate(context: Any, _builder: Any, _signature: Any, _arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(vector), None)

    return vector(width), generate


@intrinsic(prefer_literal=True)
def load(_context: Any, width: Any, array: Any, index: Any) -> Typed:
    """Return `width` numbers of a flat float32 array, from an index on."""
    if not isinstance(width, types.IntegerLiteral):
        return None
    vector = Vector(width.literal_value)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, flat, index = arguments
        place = _address(context, builder, signature.args[1], flat, index)
        kind = context.get_value_type(vector).as_pointer()
        return builder.load(builder.bitcast(place, kind), align=4)

    return vector(width, array, types.intp), generate


@intrinsic
def store(_context: Any, vector: Any, array: Any, index: Any) -> Typed:
    """Write a vector to a flat float32 array, from an index on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        value, flat, index = arguments
        place = _address(context, builder, signature.args[1], flat, index)
        builder.store(value, builder.bitcast(place, value.type.as_pointer()), align=4)

    return types.void(vector, array, types.intp), generate


@intrinsic(prefer_literal=True)
def alternate(_context: Any, width: Any, even: Any, odd: Any) -> Typed:
    """Return the vector (even, odd, even, odd, ...)."""
    if not isinstance(width, types.IntegerLiteral):
        return None
    vector = Vector(width.literal_value)

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(vector)
        pair = ir.Constant(kind, ir.Undefined)
        for place, value in enumerate(arguments[1:]):
            pair = builder.insert_element(pair, value, ir.Constant(_INDEX, place))
        return _shuffle(builder, pair, [0, 1] * (kind.count // 2))

    return vector(width, types.float32, types.float32), generate


@intrinsic
def scale(_context: Any, factor: Any, vector: Any) -> Typed:
    """Return a number times a vector."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        factor, vector = arguments
        return builder.fmul(_spread(builder, factor, vector.type), vector)

    return vector(types.float32, vector), generate


@intrinsic
def add_scaled(_context: Any, total: Any, factor: Any, vector: Any) -> Typed:
    """Return a vector plus a number times another."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        total, factor, vector = arguments
        product = builder.fmul(_spread(builder, factor, vector.type), vector, flags=_FUSED)
        return builder.fadd(product, total, flags=_FUSED)

    return total(total, types.float32, vector), generate


@intrinsic
def add_product(_context: Any, total: Any, first: Any, second: Any) -> Typed:
    """Return a vector plus the products, number by number, of two others."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        total, first, second = arguments
        return builder.fadd(builder.fmul(first, second, flags=_FUSED), total, flags=_FUSED)

    return total(total, first, second), generate


@intrinsic
def as_float(_context: Any, value: Any) -> Typed:
    """Return a float32 as it is, and the float32 whose upper half a uint16 is (bfloat16)."""

    def generate(_context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (number,) = arguments
        if signature.args[0] == types.float32:
            return number
        bits = builder.shl(builder.zext(number, ir.IntType(32)), ir.Constant(_INDEX, 16))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(value), generate


@intrinsic
def prefetch(_context: Any, array: Any, index: Any) -> Typed:
    """Ask for the cache line of a flat array's element before it is needed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        flat, index = arguments
        place = _address(context, builder, signature.args[0], flat, index)
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INDEX, _INDEX, _INDEX])
        name = "llvm.prefetch.p0"
        function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
        # For reading, to be kept in all caches, data.
        hints = [ir.Constant(_INDEX, number) for number in (0, 3, 1)]
        builder.call(function, [builder.bitcast(place, byte), *hints])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


def _spread(builder: Any, value: Any, kind: Any) -> Any:
    single = ir.Constant(kind, ir.Undefined)
    single = builder.insert_element(single, value, ir.Constant(_INDEX, 0))
    return _shuffle(builder, single, [0] * kind.count)


def _shuffle(builder: Any, vector: Any, places: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_INDEX, len(places)), places)
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)

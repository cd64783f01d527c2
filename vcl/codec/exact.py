"""Sines, cosines and activations in whole numbers: the same on every machine, as no library's functions are.

What is written here is a part of the file format: a table that changed in one entry would change frames.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FRACTION_BITS = 15
"""Sines and cosines of an embedding or a wave are multiples of ``2 ** -FRACTION_BITS``."""

STEPS = 2**15
"""An activation is a whole number in ``[-STEPS, STEPS)``; entry ``n + STEPS`` of a table belongs to n."""

COLOUR_EXPONENT = 13
"""A colour before tanh is a multiple of ``2 ** -COLOUR_EXPONENT`` and saturates at ±4, well within level 0 or 255."""

_GOLDEN = (347922205179541, 2**49)
"""(√5 - 1) / 2 as binary64 numbers give it, whose last three bits are zero, as a quotient."""

_BITS = 64
_ONE = 1 << _BITS
_PI = 0x3243F6A8885A308D3
"""π in units of ``1 / _ONE``."""

_DECAY_BITS = 31
"""Of the exponentials in a table: a product of two fits into int64."""


def cosine(numerator: int, denominator: int) -> int:
    """cos(π · numerator / denominator) in units of 2⁻⁶⁴, off by less than 2⁻⁵⁶.

    Args:
        numerator: any whole number.
        denominator: 1 or more.
    """
    turn = numerator % (2 * denominator)
    turn = min(turn, 2 * denominator - turn)
    sign = 1
    if 2 * turn > denominator:
        turn, sign = denominator - turn, -1
    if 4 * turn > denominator:
        # The series of the sine is the shorter way there.
        angle = (denominator - 2 * turn) * _PI // (2 * denominator)
        return sign * _series(angle, angle, 1)
    return sign * _series(turn * _PI // denominator, _ONE, 0)


def sine(numerator: int, denominator: int) -> int:
    """sin(π · numerator / denominator), as ``cosine``."""
    return cosine(2 * numerator - denominator, 2 * denominator)


def _series(angle: int, first: int, power: int) -> int:
    """Taylor's series from its term of a power on, each second one, with alternating signs."""
    square, total, term = angle * angle >> _BITS, 0, first
    while term:
        total += term if power % 4 < 2 else -term
        power += 2
        term = (term * square >> _BITS) // (power * (power - 1))
    return total


def rounded(value: int, bits: int, divisor: int = 1) -> int:
    """⌊value · 2 ** (bits - 64) / divisor + 1/2⌋ of a value in units of 2⁻⁶⁴."""
    return ((value << bits + 1) + (divisor << _BITS)) // (divisor << _BITS + 1)


def powers(base: float, levels: int) -> list[tuple[int, int]]:
    """``base ** 0 .. base ** (levels - 1)`` as exact quotients of whole numbers."""
    numerator, denominator = float(base).as_integer_ratio()
    return [(numerator**level, denominator**level) for level in range(levels)]


def embedding(position: tuple[int, int], frequencies: Sequence[tuple[int, int]]) -> list[int]:
    """Sine and cosine in turn of π · position · frequency, in units of ``2 ** -FRACTION_BITS``.

    Args:
        position: a quotient of whole numbers, such as t / T of a frame.
        frequencies: ``powers``.
    """
    angles = [(position[0] * above, position[1] * below) for above, below in frequencies]
    return [rounded(wave(*angle), FRACTION_BITS) for angle in angles for wave in (sine, cosine)]


def session_position(session: int, sessions: int | None) -> tuple[int, int]:
    """The quotient that ``session_position_open`` or, with a number of sessions, ``..._fraction`` rounds."""
    if sessions is not None:
        return session + 1, sessions + 1
    return (session + 1) * _GOLDEN[0] % _GOLDEN[1], _GOLDEN[1]


def circle(count: int, bits: int = FRACTION_BITS, divisor: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cosine and sine of 2π · j / count for j in ``[0, count)``, divided, in units of ``2 ** -bits``."""
    cosines = [rounded(cosine(2 * j, count), bits, divisor) for j in range(count)]
    sines = [rounded(sine(2 * j, count), bits, divisor) for j in range(count)]
    return np.array(cosines, np.int64), np.array(sines, np.int64)


@lru_cache(maxsize=64)
def silu_table(exponent: int) -> NDArray[np.int16]:
    """SiLU of multiples of ``2 ** -exponent``, in the same unit; off by less than 0.501 units.

    Args:
        exponent: 0 or more.
    """
    count = np.arange(STEPS + 1)
    below = 2**_DECAY_BITS + _decay(exponent)
    positive = ((count << _DECAY_BITS + 1) + below) // (2 * below)
    negative = positive - count  # silu(-x) = silu(x) - x
    return np.concatenate((negative[:0:-1], positive[:-1])).astype(np.int16)


@lru_cache(maxsize=1)
def colour_table() -> NDArray[np.uint8]:
    """(tanh(x) + 1) / 2 of multiples x of ``2 ** -COLOUR_EXPONENT``, in levels of [0, 255], halves upwards."""
    decay = _decay(COLOUR_EXPONENT - 1)  # (tanh(x) + 1) / 2 = 1 / (1 + exp(-2x))
    below = 2**_DECAY_BITS + decay
    positive = ((255 << _DECAY_BITS + 1) + below) // (2 * below)
    negative = (255 * 2 * decay + below) // (2 * below)
    return np.concatenate((negative[:0:-1], positive[:-1])).astype(np.uint8)


def _decay(exponent: int) -> NDArray[np.int64]:
    """``exp(-n * 2 ** -exponent)`` for n in ``[0, STEPS]``, in units of ``2 ** -_DECAY_BITS``.

    A product of one factor per binary digit of n, each the square of the one before.
    """
    factor = _ONE - _falling(exponent)
    count = np.arange(STEPS + 1)
    decay = np.full(STEPS + 1, 2**_DECAY_BITS)
    for digit in range(STEPS.bit_length()):
        chosen = count >> digit & 1 == 1
        decay[chosen] = (decay[chosen] * rounded(factor, _DECAY_BITS) + 2 ** (_DECAY_BITS - 1)) >> _DECAY_BITS
        factor = factor * factor >> _BITS
    return decay


def _falling(exponent: int) -> int:
    """``1 - exp(-2 ** -exponent)`` in units of 2⁻⁶⁴, by Taylor's series."""
    term, total, power = _ONE >> exponent, 0, 1
    while term:
        total += term if power % 2 else -term
        power += 1
        term = (term >> exponent) // power
    return total

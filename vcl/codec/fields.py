"""Fields of a payload, little-endian: written one after the other, and read back with every length bounded."""

from __future__ import annotations

import struct

from vcl.errors import BitstreamError

LONGEST_TEXT = 1024
"""Bytes of a name or a setting."""


class FieldWriter:
    """Collects fields."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def number(self, form: str, *values: float) -> None:
        """Numbers in a format of ``struct``, without its byte order."""
        self._parts.append(struct.pack(f"<{form}", *values))

    def text(self, value: str) -> None:
        """UTF-8 behind its length, 16 bits."""
        encoded = value.encode()
        if len(encoded) > LONGEST_TEXT:
            raise BitstreamError(f"a text in a library must have at most {LONGEST_TEXT} bytes, got {len(encoded)}")
        self.number("H", len(encoded))
        self._parts.append(encoded)

    def block(self, value: bytes) -> None:
        """Bytes behind their length, 32 bits."""
        self.number("I", len(value))
        self._parts.append(value)

    def raw(self, value: bytes) -> None:
        """Bytes whose length the reader knows."""
        self._parts.append(value)

    def bytes(self) -> bytes:
        """The payload: every field in the order of the calls."""
        return b"".join(self._parts)


class FieldReader:
    """Reads what a ``FieldWriter`` wrote.

    Args:
        content: of the payload.
        name: of the payload, for messages.
    """

    def __init__(self, content: bytes, name: str) -> None:
        self._content, self._name, self._at = memoryview(content), name, 0

    def number(self, form: str) -> int:
        """A whole number in a format of ``struct``."""
        return int(self._unpacked(form))

    def real(self) -> float:
        """A float64; may be infinite or NaN."""
        return float(self._unpacked("d"))

    def at_most(self, form: str, largest: int, what: str, least: int = 0) -> int:
        """A whole number in a range.

        Raises:
            BitstreamError: it lies outside.
        """
        value = self.number(form)
        if not least <= value <= largest:
            raise BitstreamError(f"{what} of {self._name} must lie in {least}..{largest}, got {value}")
        return value

    def text(self) -> str:
        """UTF-8 behind its length."""
        length = self.at_most("H", LONGEST_TEXT, "the length of a text")
        try:
            return str(self.raw(length), "utf-8")
        except UnicodeDecodeError as error:
            raise BitstreamError(f"{self._name} has a text that is not UTF-8") from error

    def block(self) -> bytes:
        """Bytes behind their length."""
        return self.raw(self.number("I"))

    def raw(self, length: int) -> bytes:
        """The next ``length`` bytes; raises BitstreamError where there are fewer."""
        if length > len(self._content) - self._at:
            raise BitstreamError(
                f"{self._name} ends within a field: {length} bytes at {self._at} of {len(self._content)}"
            )
        self._at += length
        return bytes(self._content[self._at - length : self._at])

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.raw(len(self._content) - self._at)

    def end(self) -> None:
        """Refuse bytes behind the last field."""
        if self._at != len(self._content):
            raise BitstreamError(f"{self._name} has {len(self._content) - self._at} bytes behind its last field")

    def _unpacked(self, form: str) -> float:
        (value,) = struct.unpack(f"<{form}", self.raw(struct.calcsize(f"<{form}")))
        return value  # type: ignore[no-any-return]

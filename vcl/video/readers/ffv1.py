"""The checksums of FFV1, which FFmpeg looks at and then shows the frame before instead, without a word."""

import zlib

_FOOTER = 8
"""Bytes after the content of a slice: its length in three, an error status in one, the CRC-32 in four."""
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checksums_fit(packet: bytes) -> bool:
    """Tell whether each slice of a frame agrees with its checksum.

    Args:
        packet: a frame as it is stored, of a stream that has checksums.

    Source:
        RFC 9043, section 4.9: the CRC of a whole slice, footer included, is 0. It takes bits from the high end on, zlib
        from the low end on, so every byte is mirrored for it.
    """
    end = len(packet)
    while end >= _FOOTER:
        size = int.from_bytes(packet[end - _FOOTER : end - _FOOTER + 3], "big") + _FOOTER
        if size > end or zlib.crc32(packet[end - size : end].translate(_MIRRORED), 0xFFFFFFFF) != 0xFFFFFFFF:
            return False
        end -= size
    return end == 0

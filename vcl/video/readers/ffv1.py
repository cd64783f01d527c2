"""The checksums of FFV1: where one does not match, FFmpeg silently shows the frame before instead."""

import zlib

_FOOTER = 8
"""Bytes after the content of a slice: its length in three, an error status in one, the CRC-32 in four."""
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checksums_match(packet: bytes) -> bool:
    """Whether each slice of a frame agrees with its checksum.

    Args:
        packet: an encoded frame of a stream that has checksums.

    Source:
        RFC 9043, section 4.9: the CRC of a whole slice, footer included, is 0. It takes the highest bit first and zlib
        the lowest, so every byte is mirrored for zlib.
    """
    end = len(packet)
    while end >= _FOOTER:
        size = int.from_bytes(packet[end - _FOOTER : end - _FOOTER + 3], "big") + _FOOTER
        if size > end or zlib.crc32(packet[end - size : end].translate(_MIRRORED), 0xFFFFFFFF) != 0xFFFFFFFF:
            return False
        end -= size
    return end == 0

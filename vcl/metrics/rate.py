"""Rate: stored bits per pixel."""


def bits_per_pixel(stored_bytes: int, pixels: int) -> float:
    """Stored bits per decoded pixel.

    Args:
        stored_bytes: of the files that decoding needs.
        pixels: frames x height x width, over all videos; the three channels of a pixel count once.

    Returns:
        Bits per pixel.

    Raises:
        ValueError: there are no pixels, or the bytes are negative.
    """
    if pixels < 1:
        raise ValueError(f"pixels must be 1 or more, got {pixels}")
    if stored_bytes < 0:
        raise ValueError(f"stored bytes must be 0 or more, got {stored_bytes}")
    return 8 * stored_bytes / pixels

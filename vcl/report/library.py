"""What a library holds and what it costs, as numbers and as a table."""

from __future__ import annotations

from typing import Any

from vcl.codec.library import Library
from vcl.metrics.registry import PSNR
from vcl.wording import printable

_HEAD = ("", "video", "size", "frames", "rate", "PSNR", "masks", "weights", "side", "bytes", "bpp", "so far")
_LEFT_ALIGNED = ("video",)


def library_data(library: Library) -> dict[str, Any]:
    """A library as JSON has it: its network, and of each video what the table shows, unrounded, and bytes by layer."""
    architecture = library.architecture
    videos: list[dict[str, Any]] = []
    all_bytes = all_pixels = 0
    for session, (video, size) in enumerate(zip(library.videos, library.footprint().sessions, strict=True)):
        pixels = video.frames * video.size[0] * video.size[1]
        all_bytes, all_pixels = all_bytes + size.total, all_pixels + pixels
        videos.append(
            {
                "session": session,
                "name": video.name,
                "size": list(video.size),
                "frames": video.frames,
                "rate": str(video.rate),
                PSNR.name: video.psnr,
                **size.by_kind(),
                "bytes": size.total,
                "bpp": 8 * size.total / pixels,
                "bpp_so_far": 8 * all_bytes / all_pixels,
                "layers": size.layers,
            }
        )
    return {
        "path": str(library.path),
        "bytes": all_bytes,
        "network": architecture.backbone.name,
        "size": list(architecture.size),
        "state_kind": architecture.state_kind,
        "strict": library.is_strict,
        "recovered": library.recovered,
        "videos": videos,
    }


def library_text(library: Library) -> str:
    """A library as a table, with a line for each video and one for all."""
    data = library_data(library)
    rows: list[tuple[str, ...]] = [_HEAD]
    for video in data["videos"]:
        height, width = video["size"]
        quality = "" if video[PSNR.name] is None else f"{video[PSNR.name]:.2f}"
        numerator, _, denominator = video["rate"].partition("/")
        cells = (
            str(video["session"]),
            printable(video["name"]),
            f"{width}x{height}",
            str(video["frames"]),
            f"{int(numerator) / int(denominator or 1):g}",
            quality,
            *(f"{video[key]:,}" for key in ("mask", "weight", "side", "bytes")),
            *(f"{video[key]:.4f}" for key in ("bpp", "bpp_so_far")),
        )
        rows.append(cells)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if name in _LEFT_ALIGNED else cell.rjust(width)
            for cell, width, name in zip(row, widths, _HEAD, strict=True)
        ).rstrip()
        for row in rows
    ]
    height, width = data["size"]
    strict = "frames decode bit for bit on every machine" if data["strict"] else "no strict profile"
    return "\n".join([*lines, f"{data['bytes']:,} bytes, {data['network']} of {width}x{height}, {strict}"])

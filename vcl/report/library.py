"""What a library holds and what it costs, as numbers and as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vcl.codec.container import Container
from vcl.codec.library import KINDS, Library
from vcl.codec.payloads import MASK, WEIGHTS
from vcl.metrics.registry import PSNR
from vcl.wording import printable

_HEAD = ("", "video", "size", "frames", "rate", "PSNR", "masks", "weights", "side", "bytes", "bpp", "so far")
_LEFT_ALIGNED = ("video",)


@dataclass(frozen=True)
class SessionBytes:
    """Bytes that a session adds to a library.

    Args:
        masks: of its record of masks.
        weights: of its record of weights, with their steps.
        side: all others: its own numbers, hashes, its video, and the file's format.
    """

    masks: int
    weights: int
    side: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.masks + self.weights + self.side


def session_bytes(library: Library) -> list[SessionBytes]:
    """Bytes by session; their totals add up to the file's size, but for bytes behind its last whole commit.

    Raises:
        BitstreamError: the library cannot be read.
    """
    container = Container.open(library.path, KINDS)
    sections = [
        [section for section in container.sections if section.session == session]
        for session in range(len(library.videos))
    ]
    starts = [0, *(of_session[0].start for of_session in sections[1:])]
    footprints = []
    for of_session, start, end in zip(sections, starts, [*starts[1:], container.end], strict=True):
        masks, weights = (sum(s.length for s in of_session if s.kind == kind) for kind in (MASK, WEIGHTS))
        footprints.append(SessionBytes(masks, weights, end - start - masks - weights))
    return footprints


def library_data(library: Library) -> dict[str, Any]:
    """A library as JSON has it: its network, and of each video what the table shows, unrounded."""
    form = library.architecture
    videos: list[dict[str, Any]] = []
    all_bytes = all_pixels = 0
    for session, (video, size) in enumerate(zip(library.videos, session_bytes(library), strict=True)):
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
                "masks": size.masks,
                "weights": size.weights,
                "side": size.side,
                "bytes": size.total,
                "bpp": 8 * size.total / pixels,
                "bpp_so_far": 8 * all_bytes / all_pixels,
            }
        )
    return {
        "path": str(library.path),
        "bytes": all_bytes,
        "network": form.backbone.name,
        "size": list(form.size),
        "state_kind": form.state_kind,
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
            *(f"{video[key]:,}" for key in ("masks", "weights", "side", "bytes")),
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

"""What of the frames of a batch a network trains on: whole frames, all their patches, or some of their pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vcl.backbones import Backbone
from vcl.query import Query


class Sampler:
    """Takes from the frames of a batch what ``Backbone.sampling`` says.

    Args:
        network: in training.
        source: gives the generator of a step, which draws the pixels.
    """

    def __init__(self, network: Backbone, source: Callable[[], torch.Generator]) -> None:
        self.network = network
        self._source = source

    @property
    def parts_per_frame(self) -> int:
        """Rows of a batch for each of its frames."""
        if self.network.sampling != "patch":
            return 1
        (height, width), (patch_height, patch_width) = self.network.size, self.network.patch
        return (height // patch_height) * (width // patch_width)

    def parts(self, rows: Tensor, frames: Tensor, chosen: Tensor, own: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Queries and targets of a step.

        Args:
            rows: ``Query.tensor`` of the frames of the step.
            frames: ``(n, 3, H, W)`` uint8.
            chosen: those of the step.
            own: B of the step's frames, which are asked for; the others are for other ranks.

        Returns:
            ``Query.tensor`` and the target, uint8: of frames ``(B, 3, H, W)``, of patches ``(B·P, 3, h, w)``, those of
            a frame one after the other, and of pixels ``(B, 3, N)``.
        """
        if self.network.sampling == "pixel":
            return self._pixels(rows[own], frames, chosen[own], self._within(len(chosen))[own])
        if self.network.sampling == "patch":
            return self._patches(rows[own], frames[chosen[own]])
        return rows[own], frames[chosen[own]]

    def frames_seen(self, times: Sequence[int], lengths: Sequence[int]) -> list[list[int]] | None:
        """Frames that the network encodes for each frame of videos of some lengths; None where it is the target."""
        seen = [
            self.network.frames_seen(torch.tensor([t]), length)[0].tolist()
            for t, length in zip(times, lengths, strict=True)
        ]
        encodes_target = self.network.sampling != "pixel" or not self.network.frame_tensors
        of_itself = all(of_frame == [t] for of_frame, t in zip(seen, times, strict=True))
        return None if encodes_target and of_itself else seen

    def _within(self, frames: int) -> Tensor:
        """Where in each of N runs of a frame's pixels the one is that is trained on, ``(frames, N)`` in [0, 1)."""
        return torch.rand(frames, self.network.points, generator=self._source(), dtype=torch.float64)

    def _pixels(self, rows: Tensor, frames: Tensor, chosen: Tensor, within: Tensor) -> tuple[Tensor, Tensor]:
        """One pixel of each of N equal runs of a frame's pixels, line by line: spread over all of it."""
        count, pixels, width = self.network.points, frames.shape[2] * frames.shape[3], frames.shape[3]
        flat = ((torch.arange(count) + within) * (pixels / count)).long().clamp_(max=pixels - 1).to(frames.device)
        query = Query.of_tensor(rows)
        points = torch.stack((flat // width, flat % width), dim=2)
        query = Query(query.session, query.t, query.frames, points=points)
        return query.tensor(), frames.flatten(2)[chosen[:, None], :, flat].mT

    def _patches(self, rows: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        (height, width), parts = self.network.patch, self.parts_per_frame
        rows_of, columns_of = frames.shape[2] // height, frames.shape[3] // width
        cut = frames.view(*frames.shape[:2], rows_of, height, columns_of, width).permute(0, 2, 4, 1, 3, 5)
        corners = torch.cartesian_prod(
            torch.arange(0, frames.shape[2], height), torch.arange(0, frames.shape[3], width)
        ).view(parts, 2)
        windows = torch.cat((corners, torch.tensor([[height, width]]).expand(parts, 2)), dim=1).to(rows)
        return torch.cat((rows.repeat_interleave(parts, 0), windows.repeat(len(rows), 1)), dim=1), cut.flatten(0, 2)

"""Made-up runs as a page shows them: truth and a decoder in the place of the real ones, and no masks."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_run import NAMES, SIZE, T

from vcl.errors import VideoError

DARKER = (26, 5, 10, 4)
"""By how many levels of 255 frames are darker than the truth: frame 0 is the worst, then 2 and 1."""


class Stream:
    """Clips of four frames; counts what is decoded of them."""

    def __init__(self):
        draw = np.random.default_rng(0)
        pixels = [draw.integers(90, 200, (T, 3, *SIZE), dtype=np.uint8) for _ in NAMES]
        self.clips = [
            SimpleNamespace(name=name, sha256=name, frames=frames) for name, frames in zip(NAMES, pixels, strict=True)
        ]
        self.decoded = []
        self.is_gone = False

    def open(self, config, appended=()):
        if self.is_gone:
            raise VideoError("/videos: no such folder")
        return self.clips[:3]

    def decoder(self, folder, state, device):
        assert state == len(folder.matrix()["rows"]) - 1
        return SimpleNamespace(frames=lambda video: self.batches(video))

    def batches(self, video):
        for first in range(0, T, 2):
            self.decoded += [(video, first), (video, first + 1)]
            truth = torch.from_numpy(self.clips[video].frames[first : first + 2]) / 255
            yield truth - torch.tensor(DARKER[first : first + 2])[:, None, None, None] / 255


@pytest.fixture
def stream_of_run(monkeypatch):
    stream = Stream()
    monkeypatch.setattr("vcl.report.page.pictures.open_stream", stream.open)
    monkeypatch.setattr("vcl.report.page.pictures.Decoder.of_run", stream.decoder)
    monkeypatch.setattr("vcl.report.page.run_view.subnetworks_of", lambda folder: None)
    return stream

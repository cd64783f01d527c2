from collections import Counter

import pytest
import torch
from on_device import DEVICE
from small_strategy import strategy_of

from vcl.sessions.experience import video_stream
from vcl.sessions.loader import ResidentFrames
from vcl.sessions.schedule import WarmupCosine


class Drawn(WarmupCosine):
    """Notes every frame that is trained on."""

    def __init__(self):
        super().__init__(1e-3, 0.2, 0.1)
        self.seen = Counter()

    def before_update(self, strategy, **kwargs):
        super().before_update(strategy, **kwargs)
        self.seen.update(map(tuple, strategy.mb_x.tolist()))


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_every_frame_is_drawn_once_an_epoch_at_any_batch_size(tiny_config, clips, batch):
    drawn = Drawn()
    strategy = strategy_of("finetune", tiny_config("finetune"), clips, plugins=[drawn])
    strategy.train_mb_size = batch
    strategy.train(video_stream(clips).train_stream[0], eval_streams=[])
    assert drawn.seen == {(0.0, float(t), 5.0): 2 for t in range(5)}


def test_frames_of_joined_videos_are_drawn_once_each_without_repeating_the_shorter(clips):
    stream = video_stream(clips).train_stream
    joined = stream[0].dataset.concat(stream[1].dataset).concat(stream[2].dataset)
    loader = ResidentFrames(joined, clips, 4, torch.arange, DEVICE)
    x, y = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert len(loader) == 4
    assert x.tolist() == [[s, t, len(clip.frames)] for s, clip in enumerate(clips) for t in range(len(clip.frames))]
    assert torch.equal(y.cpu(), torch.cat([torch.from_numpy(clip.frames) for clip in clips]) / 255)


def test_the_device_loader_gives_what_the_stock_loader_gives(clips):
    dataset = video_stream(clips).train_stream[1].dataset
    ours = next(iter(ResidentFrames(dataset, clips, 4, torch.arange, DEVICE)))
    stock = next(iter(torch.utils.data.DataLoader(dataset, batch_size=4)))
    assert torch.equal(ours[0].cpu(), stock[0])
    assert torch.equal(ours[1].cpu(), stock[1])
    assert ours[1].is_contiguous()

"""Videos as an Avalanche benchmark: one experience per video, without class or task labels.

Task labels would switch Avalanche to a loader that repeats frames of shorter videos.
"""

from collections.abc import Sequence

from avalanche.benchmarks.scenarios.dataset_scenario import benchmark_from_datasets
from avalanche.benchmarks.scenarios.generic_scenario import CLScenario
from avalanche.benchmarks.utils.data import AvalancheDataset
from avalanche.benchmarks.utils.data_attribute import DataAttribute
from torch import Tensor
from torch.utils.data import Dataset

from vcl.metrics.quality import to_unit
from vcl.query import Query
from vcl.video.cache import Clip
from vcl.video.pixels import stored_frames


class FrameDataset(Dataset[tuple[Tensor, Tensor]]):
    """A video as pairs of ``Query.tensor``'s row, float64 ``(3,)``, and frame, float32 ``(3, H, W)`` in [0, 1].

    Stock loaders read it item by item; our own strategy gathers whole batches from ``Clip.frames`` instead.
    """

    def __init__(self, clip: Clip, session: int) -> None:
        self.clip = clip
        self.session = session

    def __len__(self) -> int:
        return len(self.clip.frames)

    def __getitem__(self, t: int) -> tuple[Tensor, Tensor]:
        row = Query.of_video(self.session, range(t, t + 1), len(self)).tensor()[0]
        return row, to_unit(stored_frames(self.clip.frames, t))


def video_stream(clips: Sequence[Clip]) -> CLScenario:
    """A benchmark with ``train_stream`` and ``test_stream``, one experience per clip, in order.

    Each data set carries the attributes ``session`` and ``t``, which survive when data sets are joined or cut, so that
    any mixture of frames can be gathered on the device.
    """
    sets = [_with_attributes(FrameDataset(clip, session)) for session, clip in enumerate(clips)]
    return benchmark_from_datasets(train=sets, test=sets)


def _with_attributes(frames: FrameDataset) -> AvalancheDataset:
    return AvalancheDataset(
        [frames],
        data_attributes=[
            DataAttribute([frames.session] * len(frames), "session"),
            DataAttribute(list(range(len(frames))), "t"),
        ],
    )

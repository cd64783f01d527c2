"""Nothing protects the past."""

from vcl.sessions.strategy import VideoStrategy


class Finetune(VideoStrategy):
    """One dense network, trained on each video in turn: the lower reference.

    Every session keeps its own head, which is not enough to keep its video.
    """

    state_kind = "shared_latest"

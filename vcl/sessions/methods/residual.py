"""One dense network, stored as what every session changed."""

from vcl.sessions.strategy import VideoStrategy


class Residual(VideoStrategy):
    """Each session trains the dense network of the session before, and stores the quantised difference.

    Forget-free by storing, not by masking: what decodes a video is the sum of all differences up to its session.

    Source:
        The residual weights of Maiya et al., CVPR 2023, arXiv:2212.14593 (NIRVANA), there between groups of frames of
        one video.
    """

    state_kind = "differences"

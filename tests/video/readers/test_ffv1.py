"""The checksums of FFV1."""

import av
import numpy as np
import pytest
from video_fixtures import encode, frames_of

from vcl.errors import VideoError


def test_a_frame_that_fails_its_checksum_is_refused(tmp_path, clip):
    path = encode(tmp_path / "clip.mkv", clip, "ffv1", "bgr0", level="3", slicecrc="1")
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        fifth = [bytes(packet) for packet in container.demux(video=0)][4]
    content[content.index(fifth) + len(fifth) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(VideoError, match="cut off or damaged: frame 4 disagrees with its checksum"):
        frames_of(path)
    assert np.array_equal(frames_of(path, allow_truncated=True), clip[:4])

"""Which of several tracks is the video."""

import av
import numpy as np
import pytest
from av.stream import Disposition
from video_fixtures import encode, frames_of

from vcl.datasets.prepare import prepare
from vcl.errors import VideoError
from vcl.video.transform import Transform


@pytest.fixture
def write_tracks(tmp_path):
    """Write a Matroska file of video tracks ``(frames, disposition)`` and perhaps a second of sound."""

    def write(name, tracks, sound=False):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            streams = []
            for frames, disposition in tracks:
                stream = container.add_stream("ffv1", rate=25)
                stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "bgr0"
                stream.disposition = disposition.value
                streams.append(stream)
            audio = container.add_stream("pcm_s16le", rate=8000, layout="mono") if sound else None
            for stream, (frames, _) in zip(streams, tracks, strict=True):
                for frame in frames:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
                container.mux(stream.encode())
            if audio:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
                silence.rate = 8000
                container.mux(audio.encode(silence))
                container.mux(audio.encode())
        return path

    return write


NONE, DEFAULT = Disposition(0), Disposition.default


def test_a_still_picture_before_the_video_is_not_the_video(write_tracks, clip, caplog):
    for still in (NONE, DEFAULT):
        path = write_tracks("clip.mkv", [(clip[:1, :, ::-1], still), (clip, NONE)], sound=True)
        assert np.array_equal(frames_of(path), clip)
    assert caplog.text == ""


def test_of_several_videos_the_default_is_taken_else_the_first_with_a_warning(write_tracks, clip, caplog):
    other = clip[:, ::-1]
    assert np.array_equal(frames_of(write_tracks("second.mkv", [(other, NONE), (clip, DEFAULT)])), clip)
    assert "second.mkv: has 2 videos, tracks 0 (64x48), 1 (64x48); takes 1" in caplog.text
    assert np.array_equal(frames_of(write_tracks("first.mkv", [(clip, DEFAULT), (other, DEFAULT)])), clip)
    assert "takes 0" in caplog.text


def test_a_video_with_sound_is_read_from_its_first_frame_on(write_tracks, clip):
    assert np.array_equal(frames_of(write_tracks("clip.mkv", [(clip, NONE)], sound=True)), clip)


def test_cover_art_and_a_still_picture_with_sound_are_no_videos(write_tracks, clip, tmp_path):
    message = r"a video file must have a video stream, found a still picture and sound only"
    with pytest.raises(VideoError, match=message):
        frames_of(write_tracks("song.mkv", [(clip[:1], NONE)], sound=True))
    with pytest.raises(VideoError, match=message):
        prepare("folder", tmp_path, tmp_path / "out", Transform(24, 32))

    def attach(stream):
        stream.disposition = Disposition.attached_pic.value

    encode(tmp_path / "cover.mp4", clip[:1], "png", "rgb24", configure=attach)
    with pytest.raises(VideoError, match=r"cover\.mp4: a video file must have a video stream, found cover art only"):
        frames_of(tmp_path / "cover.mp4")

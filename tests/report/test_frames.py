import numpy as np
import pytest
import torch
from fake_run import SIZE, T

from vcl.errors import VideoError
from vcl.report.figures.frames import (
    FramePanel,
    first_video,
    frames_figure,
    gain_for,
    latest_frames,
    saved_frame,
    side_by_side_figure,
)
from vcl.video.pixels import write_png


def shown(error, size=(18, 32), label="bear"):
    truth = torch.full((3, *size), 0.5)
    return FramePanel(label, truth, truth + error)


def test_the_middle_frame_of_every_video_is_decoded_from_one_state(masked, videos):
    panels = latest_frames(masked, 2)
    assert [panel.label for panel in panels] == ["bear", "camel", "swan"]
    for video, panel in enumerate(panels):
        assert torch.equal(panel.truth, torch.from_numpy(videos[video].frames[2].copy()) / 255)
    # The stand-in decodes darker by 0.05 a session since a video's own, rounded to the levels of a screen.
    assert [round(panel.error.mean().item() * 255) for panel in panels] == [38, 25, 13]


def test_decoded_frames_are_rounded_as_they_are_for_the_matrix(masked, videos):
    levels = latest_frames(masked, 2)[0].decoded * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)


def test_the_first_video_is_shown_as_it_was_and_as_it_is(masked, videos):
    first, now = first_video(masked, 2, latest_frames(masked, 2)[0])
    assert (first.label, now.label) == ("after its own session", "after session 2")
    assert first.psnr > now.psnr + 5
    assert torch.equal(first.truth, now.truth)


@pytest.fixture
def saved(masked, videos, monkeypatch):
    """A run that saved its middle frames; opening the videos again fails."""
    for session, clip in enumerate(videos):
        write_png(masked.frame_path(session, "true"), clip.frames[T // 2])
        write_png(masked.frame_path(session, "decoded"), np.full((3, *SIZE), 10 + session, np.uint8))

    def gone(config, appended):
        raise VideoError("the videos are gone")

    monkeypatch.setattr("vcl.report.figures.frames.open_stream", gone)
    return masked


def test_true_frames_are_those_that_the_run_saved(saved, videos):
    panels = latest_frames(saved, 2)
    assert [panel.label for panel in panels] == ["bear", "camel", "swan"]
    for video, panel in enumerate(panels):
        assert torch.equal(panel.truth, torch.from_numpy(videos[video].frames[2].copy()) / 255)
    assert [round(panel.error.mean().item() * 255) for panel in panels] == [38, 25, 13]


def test_a_video_after_its_own_session_is_the_frame_that_the_run_saved(saved):
    first, now = first_video(saved, 2, latest_frames(saved, 2)[0])
    assert first.decoded.mul(255).unique().tolist() == [10]
    assert now.error.mean() < first.error.mean()
    assert saved_frame(saved, 1, "camel").decoded.mul(255).unique().tolist() == [11]


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_a_saved_frame_that_is_damaged_is_named(saved, content):
    saved.frame_path(1, "true").write_bytes(content)
    with pytest.raises(VideoError, match=r"001_true\.png: the PNG cannot be read"):
        latest_frames(saved, 2)


def test_a_saved_frame_of_another_size_is_named(saved):
    write_png(saved.frame_path(1, "true"), np.zeros((3, 4, 4), np.uint8))
    with pytest.raises(
        VideoError, match=r"001_true\.png must have the size of the run's frames, \(18, 32\), got \(4, 4\)"
    ):
        latest_frames(saved, 2)


@pytest.mark.parametrize(("error", "gain"), [(0.001, 50), (0.03, 20), (0.09, 10), (0.15, 5), (0.3, 2), (0.6, 1)])
def test_the_gain_makes_errors_visible_and_keeps_them_on_the_scale(error, gain):
    assert gain_for([shown(error)]) == gain


def test_the_gain_is_one_for_all_frames_and_follows_the_worst():
    assert gain_for([shown(0.001), shown(0.15)]) == 5


def test_a_few_wild_pixels_do_not_set_the_gain():
    frame = shown(0.01)
    frame.decoded[:, 0, 0] = 1.0
    assert gain_for([frame]) == 50


def test_truth_decoded_and_error_stand_in_a_row():
    figure = frames_figure([shown(0.1, label="bear"), shown(0.05, label="camel")], "WSN", gain=5)
    panels = [axes for axes in figure.axes if axes.get_images()]
    assert len(panels) == 6
    assert [axes.get_title().strip() for axes in panels[:3]] == ["truth", "decoded", "error × 5"]
    assert [axes.texts[0].get_text() for axes in panels if axes.texts] == ["bear", "20.00 dB", "camel", "26.02 dB"]
    error = panels[2].get_images()[0]
    assert error.get_array().mean() == pytest.approx(25.5)
    assert error.get_clim() == (0, 51)
    assert "levels of 255" in figure.axes[-1].get_xlabel()


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 3)), (6, (6, 3)), (7, (4, 6)), (17, (6, 9))])
def test_many_frames_stand_in_blocks_side_by_side(count, shape):
    figure = frames_figure([shown(0.1) for _ in range(count)])
    panels = [axes for axes in figure.axes if axes.get_images()]
    assert len(panels) == 3 * count
    boxes = [axes.get_window_extent().bounds for axes in panels]
    assert (len({round(y) for _, y, _, _ in boxes}), len({round(x) for x, _, _, _ in boxes})) == shape


def test_large_frames_are_averaged_down():
    figure = frames_figure([shown(0.1, (720, 1280))])
    pictures = [axes.get_images()[0].get_array() for axes in figure.axes if axes.get_images()]
    assert [picture.shape[:2] for picture in pictures] == [(270, 480)] * 3
    assert pictures[2].mean() == pytest.approx(25.5)


def test_runs_stand_side_by_side_with_the_truth_first_and_a_row_a_video():
    runs = {"wsn": [shown(0.1), shown(0.01, label="swan")], "pfnr": [shown(0.02), shown(0.1, label="swan")]}
    axes = side_by_side_figure(runs).axes
    assert [ax.get_title().strip() for ax in axes[:3]] == ["truth", "wsn", "pfnr"]
    texts = [ax.texts[0].get_text() for ax in axes]
    assert texts == ["bear", "20.00 dB", "33.98 dB", "swan", "40.00 dB", "20.00 dB"]
    assert np.allclose(axes[2].images[0].get_array(), 0.52)

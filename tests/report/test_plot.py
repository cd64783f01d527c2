import pytest
from fake_run import TOGETHER, closed, epoch

from vcl.config import FinetuneConfig
from vcl.errors import VclError, VideoError
from vcl.report.figures.plot import plot_run

pytestmark = pytest.mark.process

ALL = ["curves", "shares", "budget", "matrix_psnr", "matrix_ssim", "frames", "first_video"]


@pytest.fixture
def unrendered(monkeypatch):
    """Figures are drawn, but files have a stand-in for the pixels."""
    monkeypatch.setattr("vcl.report.figures.style.figure_bytes", lambda figure, kind: kind.encode())


def names(paths):
    assert all(path.stat().st_size > 0 for path in paths)
    assert [path.suffix for path in paths] == [".png", ".pdf"] * (len(paths) // 2)
    return [path.stem for path in paths[::2]]


def test_a_finished_run_gets_all_its_figures_in_its_own_folder(masked, videos):
    paths = plot_run(masked)
    assert names(paths) == ALL
    assert all(path.stat().st_size > 1000 for path in paths)
    assert {path.parent for path in paths} == {masked.figures}


def test_figures_replace_the_ones_before(masked, videos, unrendered):
    for path in plot_run(masked):
        path.write_bytes(b"older")
    assert {path.read_bytes() for path in plot_run(masked)} == {b"png", b"pdf"}


def test_ms_ssim_is_drawn_where_it_is_defined(make_run, videos, unrendered):
    assert "matrix_ms_ssim" in names(plot_run(make_run(size=(180, 320))))


def test_a_method_without_masks_has_no_shares(dense, videos, unrendered):
    assert names(plot_run(dense)) == [name for name in ALL if name != "shares"]


def test_one_session_has_no_first_video_to_look_back_at(make_run, videos, unrendered):
    assert names(plot_run(make_run(done=1))) == ALL[:-1]


def test_a_first_session_that_is_still_going_has_curves_only(make_run, videos, unrendered):
    folder = make_run(done=0)
    folder.record(epoch(0, 0))
    assert names(plot_run(folder)) == ["curves"]
    folder.record({**epoch(0, 1), "video": "bear"})
    folder.record(closed(0, "bear"))
    assert names(plot_run(folder)) == ["curves", "shares"]


def test_frames_are_drawn_of_what_was_learned_only(make_run, videos, unrendered):
    waits = make_run("waits", FinetuneConfig(), TOGETHER, done=2, state_kind="shared_latest")
    assert names(plot_run(waits)) == ["curves", "budget"]
    learned = make_run("learned", FinetuneConfig(), TOGETHER, state_kind="shared_latest")
    assert names(plot_run(learned)) == ["curves", "budget", "matrix_psnr", "matrix_ssim", "frames"]


def test_a_run_with_nothing_to_draw_is_refused(make_run):
    with pytest.raises(VclError, match="run has nothing to draw yet: its first epoch is not over"):
        plot_run(make_run(done=0))


def test_without_the_videos_all_but_the_frames_is_drawn(masked, unrendered, monkeypatch, caplog):
    def gone(config, appended):
        raise VideoError("video bear is missing")

    monkeypatch.setattr("vcl.report.figures.frames.open_stream", gone)
    assert names(plot_run(masked)) == ALL[:5]
    assert "figures of frames are left out: video bear is missing" in caplog.text


def test_frames_are_not_compared_with_those_of_another_video(masked, videos, unrendered, caplog):
    del videos[0]
    assert names(plot_run(masked)) == ALL[:5]
    assert "began with the videos bear, camel, swan, but there are camel, swan" in caplog.text

import base64
import io
import json

import numpy as np
import pytest
from fake_run import PSNR
from PIL import Image
from report.page.page_runs import DARKER, stream_of_run  # noqa: F401

from vcl.errors import RunFolderError
from vcl.report.page.allowance import Allowance, share_out
from vcl.report.page.kept import Kept
from vcl.report.page.view import report_of
from vcl.report.page.webp import error_uri, frame_uri
from vcl.video.pixels import write_png


def picture(uri):
    assert uri.startswith("data:image/webp;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB"))


def test_every_frame_is_measured_and_some_are_shown(masked, stream_of_run):  # noqa: F811
    report = report_of([masked], frames=2)
    clips = report["runs"][0]["clips"]
    assert [(entry["video"], entry["clip"]) for entry in clips] == [(0, "bear"), (1, "camel"), (2, "swan")]
    assert clips[0]["psnr"] == [pytest.approx(20 * np.log10(255 / levels), abs=1e-3) for levels in DARKER]
    assert clips[0]["worst"] == [0, 2, 1]
    assert list(clips[0]["pictures"]) == ["0", "1", "2", "3"]  # The first and the last, and the worst ones.
    assert set(clips[0]["pictures"]) == set(report["clips"]["bear"]["pictures"])
    assert clips[0]["gain"] == 20  # The largest that keeps 7.5 levels, the median of the four, within the scale.
    assert sorted(stream_of_run.decoded) == [(video, t) for video in range(3) for t in range(4)]


def test_pictures_are_those_of_the_frames(masked, stream_of_run):  # noqa: F811
    report = report_of([masked], frames=2)
    shown = report["runs"][0]["clips"][1]["pictures"]["2"]
    truth = picture(report["clips"]["camel"]["pictures"]["2"]).astype(float)
    assert truth.shape == (18, 32, 3)
    assert abs(truth.mean() - stream_of_run.clips[1].frames[2].mean()) < 3
    assert abs((truth - picture(shown["decoded"])).mean() - 10) < 3
    # 10 levels amplified by 20 are four fifths of inferno: an orange.
    red, green, blue = picture(shown["error"]).reshape(-1, 3).mean(0)
    assert red > 220
    assert 100 < green < 200
    assert blue < 80


def test_a_page_that_is_written_again_decodes_only_what_decodes_otherwise(masked, stream_of_run):  # noqa: F811
    kept = Kept()
    first = report_of([masked], frames=2, kept=kept)
    stream_of_run.decoded.clear()
    assert report_of([masked], frames=2, kept=kept)["runs"] == first["runs"]
    assert stream_of_run.decoded == []
    matrix = masked.matrix()
    matrix["rows"][2]["sha256"][1] = "another"
    masked.write_matrix(matrix)
    report_of([masked], frames=2, kept=kept)
    assert {video for video, _ in stream_of_run.decoded} == {1}


def test_a_row_that_decodes_no_frame_changes_nothing(make_run, stream_of_run):  # noqa: F811
    run, kept = make_run(), Kept()
    matrix = run.matrix()
    for row in matrix["rows"]:
        row["state_sha256"] = ["n"] * 3
    run.write_matrix({**matrix, "rows": matrix["rows"][:1]})
    report_of([run], frames=2, kept=kept)
    stream_of_run.decoded.clear()
    matrix["rows"][1]["sha256"] = matrix["rows"][1]["psnr"] = [None] * 3
    matrix["rows"][1]["psnr"] = [None, 32.0, None]
    run.write_matrix({**matrix, "rows": matrix["rows"][:2]})
    report_of([run], frames=2, kept=kept)
    assert {video for video, _ in stream_of_run.decoded} == {1}


def test_runs_with_equal_numbers_are_decoded_each_as_they_may_have_another_precision(
    make_run,
    stream_of_run,  # noqa: F811
):
    report_of([make_run("a"), make_run("b")], frames=1)
    assert sorted(stream_of_run.decoded) == sorted((video, t) for video in range(3) for t in range(4) for _ in "ab")


def test_runs_of_one_stream_share_the_truth(make_run, stream_of_run):  # noqa: F811
    report = report_of([make_run("a"), make_run("b")], frames=1)
    assert list(report["clips"]) == ["bear", "camel", "swan"]
    assert [len(run["clips"]) for run in report["runs"]] == [3, 3]


def test_without_frames_nothing_is_decoded(masked, stream_of_run):  # noqa: F811
    report = report_of([masked], frames=0)
    assert (report["clips"], report["runs"][0]["clips"], stream_of_run.decoded) == ({}, [], [])


def test_without_videos_the_saved_middle_frames_are_shown(masked, stream_of_run, videos, caplog):  # noqa: F811
    stream_of_run.is_gone = True
    for video, clip in enumerate(videos):
        write_png(masked.frame_path(video, "true"), clip.frames[2])
    report = report_of([masked])
    entry = report["runs"][0]["clips"][2]
    assert (entry["psnr"], entry["worst"], list(entry["pictures"])) == (None, [], ["2"])
    assert list(report["clips"]["swan"]["pictures"]) == ["2"]
    (line,) = caplog.messages
    assert "at most the saved middle frames are shown" in line
    assert "/videos: no such folder" in line


def test_without_videos_and_saved_frames_there_are_no_pictures(masked, stream_of_run):  # noqa: F811
    stream_of_run.is_gone = True
    report = report_of([masked])
    assert (report["clips"], report["runs"][0]["clips"]) == ({}, [])


def test_numbers_that_are_not_those_that_were_sealed_are_refused(masked, stream_of_run, monkeypatch):  # noqa: F811
    def refuse(folder, state, device):
        raise RunFolderError("run: the numbers of session 1 must be those that were sealed")

    monkeypatch.setattr("vcl.report.page.pictures.Decoder.of_run", refuse)
    with pytest.raises(RunFolderError, match="must be those that were sealed"):
        report_of([masked])


@pytest.mark.parametrize(
    ("videos", "clips", "frames", "size", "expected"),
    [
        (3, 3, 40, (180, 320), (40, 3)),
        (10, 10, 40, (180, 320), (40, 3)),
        (10, 10, 100, (180, 320), (41, 3)),
        # Averaged down to 480 x 270, which takes 2.25 times as many pixels: 195 frames, of each video 19.
        (10, 10, 40, (720, 1280), (17, 2)),
        # Eight runs of one stream: a frame of each video takes 0.4 x 10 + 0.6 x 80 frames; 440 - 80 are six of these.
        (80, 10, 40, (180, 320), (6, 1)),
        (400, 400, 40, (180, 320), (1, 0)),
        (4000, 10, 40, (180, 320), (1, 0)),
        (10, 10, 0, (180, 320), (0, 0)),
    ],
)
def test_a_page_is_shared_out_among_its_videos(videos, clips, frames, size, expected):
    allowance = share_out(videos, clips, frames, size)
    assert (allowance.frames, allowance.worst) == expected


def test_pictures_keep_within_their_bytes_where_a_quality_allows():
    noise = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    best, worst = (len(base64.b64decode(frame_uri(noise, most).split(",")[1])) for most in (10**6, 10))
    between = (best + worst) // 2
    assert worst < len(base64.b64decode(frame_uri(noise, between).split(",")[1])) <= between < best


def test_errors_are_amplified_and_cut_at_the_end_of_the_scale():
    errors = np.array([[0, 0.1, 0.5]], dtype=np.float16).repeat(16, 0).repeat(16, 1)
    colours = picture(error_uri(errors, 5, 10**6))[8, 8::16]
    assert colours[0].max() < 30  # Black.
    assert colours[2].min() > 130  # The end of inferno, a light yellow.


def test_the_bytes_of_a_frame_are_those_of_its_three_pictures():
    allowance = Allowance(1, 0, 1000)
    assert allowance.truth_bytes + allowance.decoded_bytes + allowance.error_bytes == 1000


def test_a_page_of_many_videos_keeps_its_size(make_run, stream_of_run, monkeypatch):  # noqa: F811
    monkeypatch.setattr("vcl.report.page.allowance._MOST_BYTES", 12_000)
    runs = [make_run(f"run{number}", psnr=PSNR) for number in range(2)]
    report = report_of(runs, frames=1)
    assert len(json.dumps([run["clips"] for run in report["runs"]])) + len(json.dumps(report["clips"])) < 20_000

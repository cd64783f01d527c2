"""Classical codecs on a stream. No test here asserts a time."""

import csv
import io
import os
from dataclasses import replace

import av
import numpy as np
import pytest

from vcl.cli import main
from vcl.errors import ConfigError
from vcl.profiling import run_benchmark
from vcl.profiling.classical import CODECS, KEY_FRAMES, _bytes_of_settings
from vcl.report.classical import read_classical

X264, X265, AV1 = CODECS

pytestmark = pytest.mark.process


@pytest.fixture
def config(tiny_config, stream):
    """The three tiny clips at the smallest size that all encoders take."""
    return tiny_config(stream={**stream, "size": [64, 64]})


@pytest.mark.skipif(AV1.encoder not in av.codecs_available, reason="PyAV lacks SVT-AV1")
def test_every_codec_is_measured_over_its_ladder_for_every_kind_of_key_frames(config):
    table = run_benchmark("classical", config, 2)
    assert [(row.name, row.more["key_frames"], row.more["crf"]) for row in table.rows] == [
        (codec.encoder, kind, codec.best + step * codec.step)
        for codec in CODECS
        for kind in KEY_FRAMES
        for step in range(2)
    ]
    assert table.rows[0].ratio == 1
    for better, worse in zip(table.rows[::2], table.rows[1::2], strict=True):
        assert better.more["psnr"] > worse.more["psnr"] > 20
        assert better.more["bits_per_pixel"] == better.more["bytes"] * 8 / (15 * 64 * 64)
        assert better.more["bytes"] > worse.more["bytes"]
    for first in range(0, len(table.rows), 6):
        assert table.rows[first + 4].more["bytes"] > table.rows[first].more["bytes"]


@pytest.mark.skipif(AV1.encoder not in av.codecs_available, reason="PyAV lacks SVT-AV1")
@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="not Linux")
def test_the_process_is_scheduled_as_before(config):
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    run_benchmark("classical", config, 1, only=["libsvtav1", "default"])
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_bytes_and_psnr_are_those_of_a_file_without_a_container(config):
    config = replace(config, stream=replace(config.stream, videos=("clip2",)))
    (row,) = run_benchmark("classical", config, 1, only=["libx265", "default"]).rows

    from vcl.datasets.stream import open_stream

    (clip,) = open_stream(config.stream)
    file, options = io.BytesIO(), {"crf": "18", "preset": "medium", "x265-params": "log-level=none:info=0:pools=2"}
    with av.open(file, "w", format="hevc") as container:
        track = container.add_stream("libx265", rate=24, options=options)
        track.height, track.width, track.pix_fmt, track.codec_context.thread_count = 64, 64, "yuv420p", 2
        for frame in clip.frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.transpose(1, 2, 0)), "rgb24")
            container.mux(track.encode(picture.reformat(format="yuv420p", interpolation=0x46004)))
        container.mux(track.encode())
    assert row.more["bytes"] == len(file.getvalue())
    file.seek(0)
    with av.open(file, format="hevc") as container:
        pictures = [picture.reformat(format="rgb24", interpolation=0x46004) for picture in container.decode(video=0)]
    decoded = [picture.to_ndarray() for picture in pictures]
    errors = np.square(np.stack(decoded).transpose(0, 3, 1, 2) / 255 - clip.frames / 255).mean((1, 2, 3))
    assert row.more["psnr"] == pytest.approx(np.mean(-10 * np.log10(errors)), abs=1e-4)


def test_the_text_of_x264_about_itself_is_not_counted():
    settings, picture = b"\0\0\1\x06text", b"\0\0\1\x65data"
    assert _bytes_of_settings(X264, b"\0\0\0\1\x67set" + settings + picture) == len(settings)
    assert _bytes_of_settings(X264, picture) == 0
    assert _bytes_of_settings(X265, settings) == 0


def test_codecs_and_key_frames_can_be_left_out(config):
    rows = run_benchmark("classical", config, 1, only=["libx264", "all", "default"]).rows
    assert [(row.name, row.more["key_frames"]) for row in rows] == [("libx264", "default"), ("libx264", "all")]


@pytest.mark.parametrize(
    ("size", "rounds", "only", "message"),
    [
        ([64, 63], 1, [], r"stream.size must be even for 4:2:0, got \[64, 63\]"),
        ([64, 64], 10, [], "--rounds must be at most 9 for libx264, got 10"),
        (
            [64, 64],
            1,
            ["libvpx"],
            "--only must be one of libx264, libx265, libsvtav1, default, every second, all",
        ),
    ],
)
def test_what_no_codec_does_is_refused(size, rounds, only, message, tiny_config, stream):
    config = tiny_config("finetune", stream={**stream, "size": size}, backbone={"strides": [1]})
    with pytest.raises(ConfigError, match=message):
        run_benchmark("classical", config, rounds, only=only)


def test_a_pyav_without_an_encoder_is_named(config, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"libx265", "hevc"})
    with pytest.raises(ConfigError, match="needs a PyAV with libx264, and this one lacks it"):
        run_benchmark("classical", config, 1)


def test_what_the_command_prints_as_csv_is_what_a_comparison_reads(config, tmp_path, capsys):
    from vcl import config as configs

    path = tmp_path / "tiny.yaml"
    path.write_text(configs.to_yaml(config))
    words = ["bench", "classical", str(path), "--rounds", "1", "--only", "libx264", "--only", "all", "--csv"]
    assert main([*words, "--save", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    (tmp_path / "points.csv").write_text(text)
    (point,) = read_classical(tmp_path / "points.csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (point.encoder, point.key_frames, point.crf) == ("libx264", "all", 18)
    assert float(row["bits_per_pixel"]) == pytest.approx(8 * int(row["bytes"]) / (15 * 64 * 64), rel=1e-5)
    assert {file.suffix for file in (tmp_path / "out").iterdir()} == {".txt", ".json"}


def test_the_choice_of_codecs_goes_with_this_benchmark_only(tmp_path, capsys):
    assert main(["bench", "step", str(tmp_path / "any.yaml"), "--only", "libx264"]) == 2
    assert "--only goes with classical, got step" in capsys.readouterr().err

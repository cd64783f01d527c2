"""What the event files hold, read back with TensorBoard's own reader."""

import dataclasses
import io

import pytest
from fake_run import a_matrix, epoch
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from wandb_client import ERRORS, warnings_of

from vcl import config as configs
from vcl.config import TrainConfig, WandbConfig
from vcl.listeners.tensorboard import FOLDER
from vcl.listeners.tracking import log_figures, open_tracking
from vcl.rundir import SessionNotes

EVERYTHING = {"images": 0, "tensors": 0, "scalars": 0}
BOTH = {"track": ("wandb", "tensorboard")}
ALONE = {"track": ("tensorboard",)}


@pytest.fixture
def nothing_drawn(monkeypatch):
    """A small picture in the place of every figure, as drawing takes long."""
    content = io.BytesIO()
    Image.new("RGB", (3, 2)).save(content, "png")
    for name in ("matrix_figure", "frames_figure"):
        monkeypatch.setattr(f"vcl.listeners.tracking.{name}", lambda *_: None)
    monkeypatch.setattr("vcl.listeners.tracking.figure_bytes", lambda *_: content.getvalue())


def read(folder):
    events = EventAccumulator(str(folder.path / FOLDER), size_guidance=EVERYTHING)
    events.Reload()
    return events


def scalars(folder):
    events = read(folder)
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def texts(folder, tag):
    return [(one.step, one.tensor_proto.string_val[0].decode()) for one in read(folder).Tensors(tag)]


def picture(png):
    return Image.open(io.BytesIO(png)).convert("RGBA")


def event_file(folder):
    (path,) = (folder.path / FOLDER).iterdir()
    return path


def watch(make_run, **settings):
    """Open what tracks a run, and let it train two sessions."""
    folder = make_run("run", done=0, **settings)
    tracking = open_tracking(folder, folder.config())
    matrix = a_matrix(done=2)
    for s, row in enumerate(matrix["rows"]):
        for event in (epoch(s, 0, psnr=20.0 + s), epoch(s, 1, psnr=21.0 + s)):
            folder.record(event)
            tracking(event)
        folder.write_session(s, {}, SessionNotes("a", 1, 3, "shared_masked"))
        folder.write_matrix({**matrix, "rows": matrix["rows"][: s + 1]})
        folder.record({"kind": "row", **row})
        tracking({"kind": "row", **row})
    tracking({"kind": "end", "time": 1.0})
    return folder


def test_both_are_given_the_same_values_at_the_same_positions(make_run, client):
    folder = watch(make_run, **BOTH)
    events, numbers = read(folder), scalars(folder)
    count = 0
    for line in client.run.lines:
        axis = next(key for key in line if key in ("train/step", "matrix/session"))
        step = line.pop(axis)
        for name, value in line.items():
            if name == "matrix/table":
                (text,) = [text for at, text in texts(folder, name) if at == step]
                cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines()]
                assert cells[0] == value.columns
                assert cells[2:] == [[str(row[0]), *(f"{cell:.2f}" for cell in row[1:])] for row in value.data]
            elif name.startswith(("frames/", "matrix/figure")):
                (image,) = [image for image in events.Images(name) if image.step == step]
                assert picture(image.encoded_image_string).tobytes() == value.image.convert("RGBA").tobytes()
                assert (image.width, image.height) == value.image.size
            else:
                assert (step, pytest.approx(value)) in numbers[name]
                count += 1
    assert count == sum(map(len, numbers.values()))
    assert numbers["train/psnr"] == [(4, 20), (8, 21), (12, 21), (16, 22)]
    assert numbers["matrix/average"] == [(0, 30), (1, 29)]


def test_a_run_that_goes_on_repeats_no_point_and_keeps_its_pictures(make_run, nothing_drawn):
    folder = watch(make_run, **ALONE)
    tracking = open_tracking(folder, folder.config())
    tracking(epoch(1, 1, psnr=99.0))
    tracking(epoch(2, 0, psnr=22.0))
    tracking.close()
    assert scalars(folder)["train/psnr"] == [(4, 20), (8, 21), (12, 21), (16, 22), (20, 22)]
    assert {tag: [one.step for one in read(folder).Images(tag)] for tag in read(folder).Tags()["images"]} == {
        **{"matrix/figure": [0, 1], "frames/bear": [0], "frames/camel": [1]}
    }


@pytest.mark.parametrize("damage", ["cut", "zeros", "half a header", "emptied", "gone"])
def test_what_a_kill_or_a_power_cut_left_out_is_written_when_the_run_goes_on(make_run, nothing_drawn, damage):
    folder = watch(make_run, **ALONE)
    path, whole = event_file(folder), scalars(folder)
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        damaged = {"cut": content[:-9], "zeros": content[:-9] + bytes(9), "half a header": content + b"\x09\0\0"}
        path.write_bytes(damaged.get(damage, b""))
    open_tracking(folder, folder.config()).close()
    assert scalars(folder) == whole
    assert [one.step for one in read(folder).Images("matrix/figure")][-1] == 1


def test_a_record_of_another_process_that_comes_while_a_whole_file_is_read_stays(make_run, nothing_drawn, monkeypatch):
    from vcl.listeners import tensorboard

    folder, other = (make_run(name, done=0, **ALONE) for name in ("run", "other"))
    for run in (folder, other):
        open_tracking(run, run.config()).close()
    path, late, whole_records = event_file(folder), event_file(other).read_bytes(), tensorboard._whole_records

    def read_slowly(content):
        yield from whole_records(content)
        with path.open("ab") as file:
            file.write(late)

    monkeypatch.setattr(tensorboard, "_whole_records", read_slowly)
    before = path.stat().st_size
    open_tracking(folder, folder.config()).close()
    assert path.stat().st_size == before + len(late)


def test_the_config_is_there_as_text_again_only_where_it_has_changed(make_run, nothing_drawn):
    folder = watch(make_run, **ALONE)
    open_tracking(folder, folder.config()).close()
    ((step, text),) = texts(folder, "config")
    assert (step, [line[:4] for line in text.splitlines()]) == (0, ["    "] * text.count("\n"))
    assert "".join(line[4:] for line in text.splitlines(True)) == configs.to_yaml(folder.config())
    moved = dataclasses.replace(folder.config(), train=TrainConfig(checkpoint_seconds=5.0))
    open_tracking(folder, moved).close()
    assert [step for step, _ in texts(folder, "config")] == [0, 1]


def test_names_are_shown_as_they_are(make_run, nothing_drawn):
    folder = make_run(names=["caf\udce9", "a|b*<i>", "swan"], done=1, **ALONE)
    open_tracking(folder, folder.config()).close()
    ((_, text),) = texts(folder, "matrix/table")
    assert text.splitlines()[0] == r"| after session | caf\\udce9 | a\|b\*&lt;i&gt; | swan |"
    assert r"frames/caf\udce9" in read(folder).Tags()["images"]


def test_cells_of_a_grid_are_named_by_their_paths_below_it(make_run, tmp_path):
    for cell in ("pfnr/0", "pfnr/1", "wsn/0"):
        folder = make_run(f"grid/{cell}", done=0, **ALONE)
        open_tracking(folder, folder.config(), tmp_path / "grid").close()
    runs = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "grid")).Reload().Runs()
    assert set(runs) == {f"{cell}/tensorboard" for cell in ("pfnr/0", "pfnr/1", "wsn/0")}


def test_each_is_opened_where_the_config_names_it_and_says_how_to_look(make_run, client):
    folder = make_run("a b", done=0, **BOTH)
    tracking = open_tracking(folder, folder.config())
    tracking.close()
    offline, tensorboard = tracking.hints
    assert offline == f"W&B: logged offline; to send it: wandb sync '{folder.path}'"
    assert tensorboard == f"TensorBoard: tensorboard --logdir '{folder.path}'"
    for name, track, mode in (("neither", (), "offline"), ("disabled", ("wandb",), "disabled")):
        folder = make_run(name, done=1, track=track, wandb=WandbConfig(mode=mode))
        assert open_tracking(folder, folder.config()).hints == []
        assert not {FOLDER, "wandb", "wandb_id"} & {path.name for path in folder.path.iterdir()}


class FullDisk:
    """A file in the place of one whose disk is full."""

    def write(self, content):
        raise OSError(28, "No space left on device")

    def close(self):
        pass


def test_a_full_disk_is_warned_of_once_and_the_other_goes_on(make_run, client, caplog):
    folder = make_run(done=0, **BOTH)
    tracking = open_tracking(folder, folder.config())
    _, sink = tracking._sinks
    sink.close()
    sink._file = FullDisk()
    for event in (epoch(0, 0), epoch(0, 1)):
        tracking(event)
    tracking.close()
    line = "TensorBoard stopped, the run goes on without it: [Errno 28] No space left on device"
    assert warnings_of(caplog) == [line]
    assert len(client.run.lines) == 2


def test_a_client_that_fails_leaves_the_other(make_run, nothing_drawn, client, caplog):
    client.error = ERRORS[0]
    folder = watch(make_run, **BOTH)
    assert [line.split(",")[0] for line in warnings_of(caplog)] == ["W&B does not start"]
    assert len(scalars(folder)["train/psnr"]) == 4


def test_a_folder_that_cannot_be_made_does_not_stop_the_run(make_run, nothing_drawn, caplog):
    folder = make_run(done=1, **ALONE)
    (folder.path / FOLDER).write_text("in the way")
    assert open_tracking(folder, folder.config()).hints == []
    (line,) = warnings_of(caplog)
    assert line.startswith("TensorBoard does not start, the run goes on without it: [Errno 17] File exists")


def test_figures_are_added_to_a_finished_run_in_both(make_run, nothing_drawn, client, tmp_path):
    folder = make_run("grid/pfnr/0", done=2, **BOTH)
    open_tracking(folder, folder.config(), tmp_path / "grid").close()
    before = client.arguments
    figure = Figure(figsize=(2, 1))
    hints = log_figures(folder, folder.config(), {"statistics/spectra": figure}, {"statistics/slope": -1.5})
    assert [hint.split(":")[0] for hint in hints] == ["W&B", "TensorBoard"]
    assert {key: client.arguments[key] for key in ("id", "name", "group")} == {
        **{"id": before["id"], "name": "grid/pfnr/0", "group": "grid"}
    }
    line = client.run.lines[-1]
    assert (line["statistics/session"], line["statistics/slope"]) == (1, -1.5)
    assert client.run.finished
    assert scalars(folder)["statistics/slope"] == [(1, -1.5)]
    (image,) = read(folder).Images("statistics/spectra")
    assert (image.step, image.width, image.height) == (1, *line["statistics/spectra"].image.size)

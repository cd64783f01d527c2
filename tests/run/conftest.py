import pytest

from vcl.video.pixels import write_png


@pytest.fixture
def stream(tmp_path, clips):
    """The ``stream`` section of a config that reads the tiny clips from folders of PNGs."""
    for clip in clips:
        folder = tmp_path / "videos" / clip.name
        folder.mkdir(parents=True)
        for t, frame in enumerate(clip.frames):
            write_png(folder / f"{t}.png", frame)
    return {"benchmark": "folder", "root": str(tmp_path / "videos"), "cache": str(tmp_path / "cache")}

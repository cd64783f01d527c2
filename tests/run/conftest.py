import pytest

from vcl.video.pixels import write_png


@pytest.fixture(scope="session")
def stream(tmp_path_factory, clips):
    """The ``stream`` section of a config that reads the tiny clips from folders of PNGs."""
    root = tmp_path_factory.mktemp("stream")
    for clip in clips:
        folder = root / "videos" / clip.name
        folder.mkdir(parents=True)
        for t, frame in enumerate(clip.frames):
            write_png(folder / f"{t}.png", frame)
    return {"benchmark": "folder", "root": str(root / "videos"), "cache": str(root / "cache")}

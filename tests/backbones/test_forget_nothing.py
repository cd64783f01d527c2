"""Every network under the methods that share weights and forget nothing: three videos, each to the bit for ever."""

import pytest

from vcl.config.backbones import BACKBONES
from vcl.run import run_clips

CASES = [
    (backbone, method)
    for backbone, kind in BACKBONES.known.items()
    for method in ("wsn", "pfnr")
    if method == "wsn" or kind.operator_knob
]


@pytest.mark.parametrize(("backbone", "method"), CASES)
def test_every_video_decodes_after_each_later_session_as_it_did_when_it_was_sealed(
    backbone, method, tiny_config, clips, tmp_path
):
    config = tiny_config(method, backbone={"name": backbone}, train={"epochs": 2}, matrix={"upper": False})
    rows = run_clips(config, clips, tmp_path / "run").matrix()["rows"]
    for video in range(3):
        hashes = {row["sha256"][video] for row in rows[video:]}
        assert len(hashes) == 1
        assert None not in hashes
    assert len({row["sha256"][number] for number, row in enumerate(rows)}) == 3

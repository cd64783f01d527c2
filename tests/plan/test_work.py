"""What each session does, and what its method stores."""

import numpy as np
import pytest

from vcl.plan.work import work_of
from vcl.run import run_clips
from vcl.video.cache import Clip


@pytest.mark.parametrize("verify_frames", [1, 4, 5, 9])
@pytest.mark.parametrize("upper", [True, False])
def test_frames_that_are_decoded_for_their_hash_are_those_of_a_real_run(verify_frames, upper, tiny_config, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (13, 3, 32, 48), np.uint8)
    clips = [Clip("a", noise, ""), Clip("b", noise[:4], ""), Clip("c", noise[:6], "")]
    matrix = {"verify": "hash", "verify_frames": verify_frames, "upper": upper}
    config = tiny_config("single", train={"epochs": 1}, matrix=matrix)
    folder = run_clips(config, clips, tmp_path / "run")
    work = work_of(config, [13, 4, 6])
    assert [done.measured + done.sampled for done in work] == [row["decoded"] for row in folder.matrix()["rows"]]

from vcl.report.summary import summarise


def test_joint_training_waits_for_the_last_video_and_then_learns_all(ran):
    folder = ran("joint", {}, train={"epochs": 16, "batch": 1})
    first, last = folder.matrix()["rows"]
    assert first["psnr"] == [None, None]
    single = ran("single", {}, "single", train={"epochs": 16, "batch": 1}).matrix()["rows"][1]["psnr"]
    assert all(together > alone for together, alone in zip(last["psnr"], single, strict=True))
    found = summarise(folder)
    assert found.psnr == sum(last["psnr"]) / 2
    assert (found.backward_transfer, found.forgetting) == (None, None)

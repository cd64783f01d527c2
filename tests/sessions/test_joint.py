from vcl.report.summary import summarise


def test_joint_training_waits_for_the_last_video_and_then_learns_all(ran):
    folder = ran("joint", {}, train={"epochs": 16, "batch": 1})
    first, last = folder.matrix()["rows"]
    assert first["psnr"] == [None, None]
    in_turn = ran("finetune", {}, "in_turn", train={"epochs": 16, "batch": 1}).matrix()["rows"][1]["psnr"]
    assert last["psnr"][0] > in_turn[0] + 3
    found = summarise(folder)
    assert found.psnr == sum(last["psnr"]) / 2
    assert (found.backward_transfer, found.forgetting) == (None, None)

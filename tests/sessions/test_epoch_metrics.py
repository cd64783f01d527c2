import pytest
import torch
from on_device import DEVICE
from small_strategy import strategy_of

from vcl.query import Query
from vcl.sessions.epoch_metrics import EpochMeans, Evaluation, EventLogger
from vcl.sessions.experience import video_stream


def test_events_tell_of_frames_and_never_of_accuracy(tiny_config, clips):
    events = []
    evaluator = Evaluation([EpochMeans()], [EventLogger(events.append)])
    strategy = strategy_of("wsn", tiny_config("wsn"), clips, evaluator=evaluator)
    metrics = strategy.train(video_stream(clips).train_stream[0], eval_streams=[])
    assert set(metrics) == {"loss", "psnr"}
    epochs = [event for event in events if event["kind"] == "epoch"]
    assert [event["epoch"] for event in epochs] == [0, 1]
    assert set(epochs[0]) >= {"session", "video", "epoch", "epochs", "step", "steps", "loss", "psnr", "lr", "seconds"}


def test_epoch_means_are_means_over_frames_not_over_steps(tiny_config, clips):
    means = EpochMeans()
    strategy = strategy_of(
        "finetune",
        tiny_config("finetune"),
        clips,
        make_optimizer_of=lambda p: torch.optim.SGD(p, lr=0.0),
        evaluator=Evaluation([means], [EventLogger(lambda _: None)]),
    )
    strategy.train(video_stream(clips).train_stream[0], eval_streams=[])
    truth = torch.from_numpy(clips[0].frames).to(DEVICE) / 255
    with torch.no_grad():
        errors = ((strategy.model(Query.of_video(0, range(5), 5, DEVICE).tensor()) - truth) ** 2).mean((1, 2, 3))
    assert means.result()["loss"] == pytest.approx(float(errors.mean()), rel=1e-5)
    assert means.result()["psnr"] == pytest.approx(float((-10 * errors.log10()).mean()), rel=1e-5)

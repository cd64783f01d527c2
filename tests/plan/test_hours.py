"""From the seconds of parts to the hours of a run."""

from dataclasses import replace

from vcl.plan.hours import seconds_of
from vcl.plan.work import work_of


def test_seconds_by_hand(tiny_config, calibration):
    config = tiny_config("replay", method={"buffer": 5, "rehearse": 2}, matrix={"upper": False})
    work = work_of(config, [4, 2])
    assert [(done.steps, done.rehearsed, done.measured) for done in work] == [(3 * 2, 0, 4), (2 * 1, 2, 6)]
    later_step = 1.0 + (2.0 - 1.0) * 2 / 1
    training = (10 + 6 * 1.0 + 5 + 4 * 0.5) + (10 + 2 * later_step + 5 + 2 * 0.5)
    evaluation = (20 + 0.25 + 4 * 0.125) + (20 + 2 * 0.25 + 6 * 0.125)
    found = seconds_of(config, work, calibration)
    assert found == {"training": training, "evaluation": evaluation, "overhead": 100 + 2 * 7}
    often, always = (replace(config, train=replace(config.train, checkpoint_seconds=seconds)) for seconds in (2.0, 0.0))
    assert seconds_of(often, work, calibration)["training"] == training + (6 // 2) * 3 + (2 * 3 // 3) * 3
    slow_disk = replace(calibration, session=replace(calibration.session, write=4.0))
    assert seconds_of(often, work, slow_disk)["training"] == training + (6 // 4) * 3 + (2 * 3 // 4) * 3
    assert seconds_of(always, work, calibration)["training"] == training + 6 * (3 + 0.5) + 2 * 3


def test_the_twins_of_forward_transfer_are_counted_as_measuring(tiny_config, calibration):
    config = tiny_config("finetune", matrix={"transfer_epochs": 2, "upper": False})
    without = seconds_of(replace(config, matrix=replace(config.matrix, transfer_epochs=0)), [], calibration)
    assert seconds_of(config, [], calibration) == without
    work = work_of(config, [4, 2])
    plain = seconds_of(replace(config, matrix=replace(config.matrix, transfer_epochs=0)), work, calibration)
    found = seconds_of(config, work, calibration)
    twin = 10 + 2 * 1 * 1.0 + 2 * 0.125
    assert found["evaluation"] - plain["evaluation"] == (4 + 2) * 0.125 + twin

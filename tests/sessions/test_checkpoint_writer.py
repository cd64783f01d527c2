"""Copies of a state that a thread writes: what they hold, when they are made, and who gets the errors."""

import threading

import pytest
import torch
from on_device import DEVICE

from vcl.sessions.checkpoint_writer import CheckpointWriter


class SlowDisk:
    """A disk that writes when it is let, and remembers what it wrote."""

    def __init__(self):
        self.go = threading.Event()
        self.written = []

    def write(self, tensors):
        assert self.go.wait(timeout=60)
        self.written.append({name: tensor.tolist() for name, tensor in tensors.items()})


@pytest.fixture
def writer():
    writer = CheckpointWriter()
    yield writer
    writer.close()


@pytest.fixture
def state():
    return {"weight": torch.arange(6.0, device=DEVICE).view(2, 3), "step": torch.tensor(1)}


def test_what_is_written_is_the_state_of_the_moment_it_was_handed_over(writer, state):
    disk = SlowDisk()
    writer.start(state, disk.write)
    state["weight"].mul_(-1)
    state["step"].add_(1)
    assert writer.is_busy
    assert disk.written == []
    disk.go.set()
    writer.wait()
    assert not writer.is_busy
    assert disk.written == [{"weight": [[0, 1, 2], [3, 4, 5]], "step": 1}]


def test_a_second_write_begins_when_the_first_has_ended(writer, state):
    disk = SlowDisk()
    writer.start(state, disk.write)
    threading.Timer(0.05, disk.go.set).start()
    state["step"].add_(1)
    writer.start(state, disk.write)
    assert disk.written[0]["step"] == 1  # By now the second one may be there too.
    writer.wait()
    assert [tensors["step"] for tensors in disk.written] == [1, 2]


def test_memory_is_taken_once_and_again_only_for_what_has_changed_its_shape(writer, state):
    seen = []

    def write(tensors):
        seen.append({name: tensor.data_ptr() for name, tensor in tensors.items()})

    writer.reserve(state)
    for _ in range(2):
        writer.start(state, write)
    writer.start({"weight": state["weight"], "step": torch.zeros(100)}, write)
    writer.start({"weight": state["weight"]}, write)
    writer.wait()
    assert seen[0] == seen[1]
    assert {tensors["weight"] for tensors in seen} == {seen[0]["weight"]}
    assert seen[2]["step"] != seen[0]["step"]
    assert set(seen[3]) == {"weight"}


def test_copies_are_plain_whatever_the_order_of_the_original(writer):
    image = torch.randn(2, 3, 4, 5, device=DEVICE).to(memory_format=torch.channels_last).requires_grad_()
    found = []
    writer.start({"image": image}, lambda tensors: found.append(tensors["image"]))
    writer.wait()
    (copy,) = found
    assert copy.is_contiguous()
    assert not copy.requires_grad
    assert torch.equal(copy, image.detach().cpu())


@pytest.mark.parametrize("again", ["wait", "start"])
def test_an_error_of_the_thread_is_raised_where_training_can_see_it_and_once(writer, state, again):
    def fail(_):
        raise OSError(28, "No space left on device")

    writer.start(state, fail)
    writer.close()  # As where something else has gone wrong by then.
    with pytest.raises(OSError, match="No space left"):
        writer.wait() if again == "wait" else writer.start(state, fail)
    writer.wait()


@pytest.mark.gpu
def test_a_copy_lies_between_two_steps_of_its_stream_and_nobody_waits():
    writer, weight = CheckpointWriter(), torch.zeros(1 << 20, device="cuda")
    writer.reserve({"weight": weight})
    found = []
    weight.add_(0)  # Its kernel is loaded by the first call.
    torch.cuda._sleep(200_000_000)  # The first step, about a tenth of a second.
    weight.add_(1)
    step_is_done = torch.cuda.Event()
    step_is_done.record()
    writer.start({"weight": weight}, lambda tensors: found.append(tensors["weight"].unique().tolist()))
    weight.add_(1)
    assert not step_is_done.query()
    writer.wait()
    assert found == [[1.0]]

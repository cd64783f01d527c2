"""The device that every test trains and decodes on, which ``VCL_TEST_DEVICE`` names."""

import os

import pytest
import torch

from vcl.decode import Decoder
from vcl.device import choose_device
from vcl.errors import ConfigError

NAME = os.environ.get("VCL_TEST_DEVICE", "cpu")


def refuse_unknown_device(name=NAME):
    """Called when pytest starts.

    Raises:
        pytest.UsageError: this machine does not have the device; pytest shows that in one line.
    """
    try:
        torch.empty(0, device=choose_device(name))
    except (ConfigError, RuntimeError) as error:
        raise pytest.UsageError(f"VCL_TEST_DEVICE must be a device of this machine, got {name}") from error


def decoder_of(run, state=None):
    """A decoder of a run folder, on the device of the tests."""
    return Decoder.of_run(run, state, DEVICE)


try:
    DEVICE = choose_device(NAME)
except (ConfigError, RuntimeError):
    DEVICE = None  # No test will run.

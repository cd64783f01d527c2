"""For tests on a GPU."""

import warnings
from contextlib import contextmanager

import torch


@contextmanager
def never_waiting():
    """Whatever makes the host wait for the GPU is an error."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Synchronization debug mode")
            torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")

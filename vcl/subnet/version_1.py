"""Session files as they were before sessions could store more than a head."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def from_version_1(tensors: Mapping[str, Tensor], lengths: Sequence[int]) -> dict[str, Tensor]:
    """Tensors of a version 1 file by the names of today.

    Args:
        tensors: as they were stored.
        lengths: frames of each video up to this session's.
    """
    renamed: dict[str, Tensor] = {}
    for path, tensor in tensors.items():
        name = "session/head" if path == "head" else renamed_parameter(path)
        if path == "buffer/place" and tensor.dim() == 2 and tensor.shape[1] == 2:
            fraction, session = tensor.double().unbind(1)
            frames = torch.tensor(lengths, dtype=torch.float64)[session.long()]
            name, tensor = "buffer/query", torch.stack((session, (fraction * frames).round(), frames), dim=1)
        renamed[name] = tensor
    return renamed


def renamed_parameter(path: str) -> str:
    """A parameter's name of today; heads were a list."""
    return re.sub(r"(^|/)heads\.(\d+)(/|$)", r"\1session_parameters.\2.head\3", path)

"""The size of a file of tensors, known before it is written."""

import pytest
import torch

from vcl.rundir.tensors import file_bytes, tensor_bytes, write_tensors

DTYPES = [
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64),
]


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"weight/a": (), "weight/b": (0,), "buffer/frame": (3, 7)},
        {f"weight/layer.{number}": (10**number, 11) for number in range(5)},
        {'mask/with "quotes"\n\\ and ünïcode \u2028': (5,), "b": (1,), "weight/B": (2,), "weight/_": (1, 1, 1)},
    ],
)
def test_a_file_is_as_large_as_said_before(shapes, tmp_path):
    notes = {"video": 'ü "1"', "frames": 12}
    for dtype in DTYPES:
        # Types alternate, as the library sorts by type first.
        dtypes = [dtype if number % 2 else torch.float32 for number in range(len(shapes))]
        tensors = {name: torch.zeros(shape, dtype=d) for (name, shape), d in zip(shapes.items(), dtypes, strict=True)}
        write_tensors(tmp_path / "file", tensors, notes)
        planned = file_bytes({name: tensor.to("meta") for name, tensor in tensors.items()}, notes)
        assert planned == tensor_bytes(tmp_path / "file")
        assert sum(planned.values()) == (tmp_path / "file").stat().st_size

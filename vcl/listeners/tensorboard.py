"""A run on TensorBoard: one file of events in the folder ``tensorboard`` of the run.

A run that goes on adds to the file what it lacks. Records are written as they come, so that a server that is running
shows them; after a kill or a power cut, what follows the last whole record is cut off.
"""

from __future__ import annotations

import html
import re
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from vcl import config as configs
from vcl.config import RunConfig
from vcl.listeners.sink import AXES, Picture, Table, Value
from vcl.rundir import RunFolder

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

FOLDER = "tensorboard"
"""In the folder of a run; a cell of a grid is named by its path to there."""

_FILE = "events.out.tfevents.vcl"
"""TensorBoard reads files with ``tfevents`` in their names."""

_PNG_SIZE = struct.Struct(">16xII")
"""Width and height, which stand at one place in every PNG file."""


def open_tensorboard(folder: RunFolder, config: RunConfig, grid: Path | None = None) -> TensorboardSink:
    """Open the file of a run.

    Args:
        folder: the run.
        config: its config, which is written too.
        grid: not needed: TensorBoard names runs by their folders.
    """
    return TensorboardSink(folder.path, config)


class TensorboardSink:
    """Adds values to the file of a run; see ``Sink``.

    Args:
        path: of the run's folder.
        config: of the run.
    """

    title = "TensorBoard"

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.logged: dict[str, float] = {}
        self.hint: str | None = f"TensorBoard: tensorboard --logdir {quote(str(path))}"
        (path / FOLDER).mkdir(exist_ok=True)
        # Unbuffered: an error shows at once, and a record of another process stands before or behind one of ours.
        self._file = (path / FOLDER / _FILE).open("a+b", buffering=0)
        try:
            self._go_on(_indented(configs.to_yaml(config)))
        except BaseException:
            self._file.close()
            raise

    def write(self, axis: str, position: int, values: Mapping[str, Value]) -> None:
        """Write values at a position, which is their step."""
        self._append(step=position, summary=_summary(values))

    def close(self) -> None:
        """Close the file, which has every record already."""
        self._file.close()

    def _go_on(self, config: str) -> None:
        """Note what the file has, cut off what is damaged, and add the config where it is another than before."""
        self._file.seek(0)
        content = self._file.read()
        records, configs_so_far = list(_whole_records(content)), list[str]()
        for event, _ in records:
            for value in event.summary.value:
                self._note(value.tag, event.step)
                if value.tag == "config":
                    configs_so_far.append(value.tensor.string_val[0].decode())
        whole = records[-1][1] if records else 0
        if whole < len(content):  # Else nothing is cut off, as another process may have added a record by now.
            self._file.truncate(whole)
        if not records:
            self._append(file_version="brain.Event:2")
        if config not in configs_so_far[-1:]:
            self._append(step=len(configs_so_far), summary=_summary({"config": config}))

    def _note(self, tag: str, step: int) -> None:
        for axis in AXES.values():
            if tag.startswith(f"{axis.split('/')[0]}/"):
                self.logged[axis] = max(step, self.logged.get(axis, step))

    def _append(self, **fields: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        RecordWriter(self._file).write(Event(wall_time=time.time(), **fields).SerializeToString())


def _whole_records(content: bytes) -> Iterator[tuple[Event, int]]:
    """The events in a file from its beginning, each with the byte at which it ends, up to the first damaged one."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    position = 0
    while position + 12 <= len(content):
        length, checksum = struct.unpack_from("<QI", content, position)
        end = position + 12 + length + 4
        if checksum != masked_crc32c(content[position : position + 8]) or end > len(content):
            return
        record = content[position + 12 : end - 4]
        if struct.unpack_from("<I", content, end - 4)[0] != masked_crc32c(record):
            return
        yield Event.FromString(record), end
        position = end


def _summary(values: Mapping[str, Value | str]) -> Summary:
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    summary = Summary()
    for name, value in values.items():
        entry = summary.value.add(tag=name)
        if isinstance(value, Picture):
            width, height = _PNG_SIZE.unpack_from(value.png)
            picture = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=value.png)
            entry.image.CopyFrom(picture)
        elif isinstance(value, Table | str):
            text = value if isinstance(value, str) else _markdown(value)
            plugin = SummaryMetadata.PluginData(plugin_name="text")
            entry.metadata.CopyFrom(SummaryMetadata(plugin_data=plugin, data_class=DATA_CLASS_TENSOR))
            shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
            entry.tensor.CopyFrom(TensorProto(dtype=DT_STRING, string_val=[text.encode()], tensor_shape=shape))
        else:
            entry.simple_value = value
    return summary


def _markdown(table: Table) -> str:
    """A table in Markdown, numbers with two digits."""
    lines = [[_literal(column) for column in table.columns], ["---:"] * len(table.columns)]
    lines += [["" if cell is None else _number(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(cell: float) -> str:
    return str(cell) if isinstance(cell, int) else f"{cell:.2f}"


def _literal(name: str) -> str:
    """A name without what Markdown would take for its own marks."""
    return html.escape(re.sub(r"([\\`*_{}\[\]()#+.!|-])", r"\\\1", name), quote=False)


def _indented(text: str) -> str:
    """A text that Markdown shows as it is."""
    return "".join(f"    {line}\n" for line in text.splitlines())

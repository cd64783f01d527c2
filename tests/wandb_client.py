"""The W&B client: one that only remembers what it is given, and the files that the real one writes."""

import json
import struct
import time
from types import SimpleNamespace

import wandb
from google.protobuf.message import DecodeError
from wandb.proto import wandb_internal_pb2

ERRORS = [wandb.Error("no service"), OSError(28, "no space"), ValueError("a tag"), TypeError("x\ny"), RuntimeError()]
"""What the client was seen to raise, or might."""


class FakeRun:
    """In the place of ``wandb.Run``.

    Args:
        summary: what the server has of the run.
    """

    def __init__(self, folder, summary):
        self.dir, self.url, self.summary = str(folder / "files"), "https://wandb.example/run", summary
        self.lines, self.finished = [], False

    def define_metric(self, *_, **__):
        pass

    def log(self, line):
        self.lines.append(line)

    def finish(self):
        self.finished = True


class FakeClient(SimpleNamespace):
    """Starts ``FakeRun`` and remembers with what arguments; ``error`` is raised instead where there is one."""

    def __init__(self):
        super().__init__(arguments=None, run=None, summary={}, error=None)

    def init(self, **arguments):
        self.arguments = arguments
        if self.error is not None:
            raise self.error
        self.run = FakeRun(arguments["dir"], self.summary)
        return self.run


def with_key(lines, key):
    return [line for line in lines if key in line]


def warnings_of(caplog):
    return [record.message for record in caplog.records if record.name.startswith("vcl.")]


def offline_files(folder):
    return sorted((folder.path / "wandb").glob("offline-run-*/*.wandb"))


def records(path):
    """All messages of a .wandb file, once the client's service has written the last one."""
    for _ in range(200):
        try:
            messages = list(_messages(path.read_bytes()))
        except DecodeError:  # The service is just writing.
            messages = []
        if messages and messages[-1].WhichOneof("record_type") == "exit":
            return messages
        time.sleep(0.1)
    raise AssertionError(f"{path} was never finished")


def _messages(data):
    """Read a .wandb file: a header of 7 bytes, then LevelDB's log of blocks, each record a message."""
    position, message = 7, b""
    while position + 7 <= len(data):
        left_in_block = 32768 - position % 32768
        if left_in_block < 7:
            position += left_in_block
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        message += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            yield wandb_internal_pb2.Record.FromString(message)
            message = b""


def history(path):
    """Every logged line as a dict; pictures and tables as the JSON that describes them."""
    lines = []
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            line = {}
            for item in record.history.item:
                first, *rest = item.nested_key or [item.key]
                if rest:
                    line.setdefault(first, {})[rest[0]] = json.loads(item.value_json)
                else:
                    line[first] = json.loads(item.value_json)
            lines.append(line)
    return lines

"""Ranks that a benchmark starts: processes that stay from turn to turn, as starting one takes longer than a turn."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO

import torch
from torch import Tensor, distributed

from vcl import config as configs
from vcl.config import RunConfig
from vcl.config.plugins import plugins_loaded
from vcl.device import keep_freed_memory, prepare_device
from vcl.errors import VclError
from vcl.profiling.subjects import our_steps
from vcl.profiling.timing import Watch
from vcl.ranks import Ranks, joined

_ALL_REDUCES = 5
"""Bare ones in a turn, of which the median counts."""

_ENDED_BY_ANOTHER = 2
"""Exit status of a rank that ends without a word, because another one says why."""


@dataclass(frozen=True)
class Turn:
    """Training steps that some ranks take together.

    Args:
        ranks: how many.
        batch: frames of a step, of all ranks together.
        steps: that are timed.
    """

    ranks: int
    batch: int
    steps: int


@dataclass(frozen=True)
class Timing:
    """What ranks measured in a turn.

    Args:
        step: seconds of a step.
        cpu: processor seconds of a step, of one rank.
        averaging: of these, seconds in ``Ranks.average_``, where a rank also waits for slower ones.
        all_reduce: seconds of a bare all-reduce of the gradients' bytes; 0 for one rank.
        message: bytes of the gradients.
    """

    step: float
    cpu: float
    averaging: float
    all_reduce: float
    message: int


class RankProcesses:
    """As many processes as ranks at most, of which each turn takes the first ones; a context that ends them.

    Args:
        config: whose network, method and recipe is trained on noise.
        count: of the processes.
    """

    def __init__(self, config: RunConfig, count: int) -> None:
        self._config, self._count = config, count
        self._processes: list[subprocess.Popen[str]] = []
        self._errors: list[IO[str]] = []
        self._closing = ExitStack()

    def __enter__(self) -> RankProcesses:
        with self._closing:
            folder = self._closing.enter_context(tempfile.TemporaryDirectory())
            (Path(folder) / "config.yaml").write_text(configs.to_yaml(self._config))
            self._closing.callback(self._end)
            for rank in range(self._count):
                code = "from vcl.profiling.rank_processes import main; main()"
                command = [sys.executable, "-c", code, folder, str(rank)]
                errors = self._closing.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
                self._errors.append(errors)
                self._processes.append(
                    subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
                )
            self._closing = self._closing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def take(self, turn: Turn) -> Timing:
        """Let ranks take a turn; gives the ``slowest`` of their timings.

        Raises:
            VclError: a rank fails, with what it says last.
        """
        words = json.dumps({**asdict(turn), "port": _free_port()})
        timings, silent, pending = [], [], {}
        for rank, process in enumerate(self._processes[: turn.ranks]):
            stdin, stdout = _pipes(process)
            with suppress(BrokenPipeError):  # It has ended, which shows when it is to answer.
                stdin.write(words + "\n")
                stdin.flush()
            pending[stdout.fileno()] = rank
        while pending:
            for number in wait(list(pending)):
                assert isinstance(number, int)
                rank = pending.pop(number)
                if answer := _pipes(self._processes[rank])[1].readline():
                    timings.append(Timing(**json.loads(answer)))
                elif reason := self._reason(rank):
                    raise VclError(f"ranks must train to be timed, but rank {rank} {reason}")
                else:
                    silent.append(rank)
        if silent:
            raise VclError(f"ranks must train to be timed, but rank {silent[0]} ended without a word")
        return slowest(timings)

    def _reason(self, rank: int) -> str | None:
        """Why a rank has ended; None where another one says it."""
        status, errors = self._processes[rank].wait(), self._errors[rank]
        if status < 0:
            return f"was ended by signal {-status}"
        errors.seek(0)
        lines = errors.read().strip().splitlines()
        if status == _ENDED_BY_ANOTHER or not lines:
            return None
        return f"said: {lines[-1].removeprefix(f'rank {rank}: ')}"

    def _end(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            for pipe in _pipes(process):
                with suppress(BrokenPipeError):  # What a process that had ended was told is still in it.
                    pipe.close()
            process.wait()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def slowest(timings: Sequence[Timing]) -> Timing:
    """What a turn took: the longest of the ranks' steps, as they wait for each other, and means of what is in them."""
    return Timing(
        max(timing.step for timing in timings),
        statistics.fmean(timing.cpu for timing in timings),
        statistics.fmean(timing.averaging for timing in timings),
        max(timing.all_reduce for timing in timings),
        timings[0].message,
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def main() -> None:
    """A rank's process; its arguments are a folder with ``config.yaml`` and its rank. It reads turns line by line."""
    path, rank = Path(sys.argv[1]), int(sys.argv[2])
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # What libraries print is no answer.
        keep_freed_memory()
        try:
            with plugins_loaded():
                config = configs.load(path / "config.yaml")
                for line in sys.stdin:
                    print(json.dumps(asdict(_take(config, rank, **json.loads(line)))), file=answers, flush=True)
        except VclError as error:
            sys.exit(str(error))


def _take(config: RunConfig, rank: int, port: int, **turn: int) -> Timing:
    """Take part in a turn."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": turn["ranks"], "MASTER_PORT": port}
    environ = {"MASTER_ADDR": "127.0.0.1", **{name: str(number) for name, number in place.items()}}
    config = replace(config, train=replace(config.train, batch=turn["batch"]))
    with joined(environ) as ranks:
        return measure_turn(config, turn["steps"], prepare_device(config.train, ranks), ranks)


def measure_turn(config: RunConfig, steps: int, device: torch.device, ranks: Ranks) -> Timing:
    """As one of the ranks, train the first session's steps on noise, and average as many bytes apart from that."""
    clocked = _ClockedRanks(ranks.rank, ranks.world, ranks.local, device)
    watch = _StepWatch(clocked)
    our_steps(config, steps, device, before=0, ranks=clocked)(watch)
    message = max(clocked.messages)
    seconds = sum(clocked.seconds[watch.first : watch.last])
    all_reduce = _all_reduce(message, device, ranks) if ranks.world > 1 else 0.0
    return Timing(watch.wall / steps, watch.cpu / steps, seconds / steps, all_reduce, message)


@dataclass(frozen=True)
class _ClockedRanks(Ranks):
    """Ranks that note how many seconds averaging takes, and of how many bytes; it waits for the device around that."""

    device: torch.device | str = "cpu"
    seconds: list[float] = field(default_factory=list, compare=False)
    messages: list[int] = field(default_factory=list, compare=False)

    def average_(self, tensors: Sequence[Tensor]) -> None:
        self.messages.append(sum(tensor.numel() * tensor.element_size() for tensor in tensors))
        if self.world == 1:  # Its step may be in the recording of a CUDA graph, which cannot wait for the device.
            self.seconds.append(0.0)
            return
        watch = Watch(self.device)
        watch.start()
        super().average_(tensors)
        watch.stop()
        self.seconds.append(watch.wall)


class _StepWatch(Watch):
    """Knows which of the ranks' averages belong to the steps that it times: those from ``first`` to before ``last``."""

    def __init__(self, ranks: _ClockedRanks) -> None:
        super().__init__(ranks.device)
        self._ranks = ranks
        self.first = self.last = 0

    def start(self) -> None:
        self.first = len(self._ranks.seconds)
        super().start()

    def stop(self) -> None:
        super().stop()
        self.last = len(self._ranks.seconds)


def _all_reduce(message: int, device: torch.device, ranks: Ranks) -> float:
    """Seconds of a bare all-reduce of so many bytes, which all ranks begin at once."""
    numbers, seconds = torch.zeros(message // 4, device=device), []
    for _ in range(1 + _ALL_REDUCES):
        ranks.wait_for_all()
        watch = Watch(device)
        watch.start()
        distributed.all_reduce(numbers)
        watch.stop()
        seconds.append(watch.wall)
    return statistics.median(seconds[1:])

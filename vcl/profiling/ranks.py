"""Training in several ranks on this machine against one, and what that comes to at full size, by calculation."""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from vcl import backbones
from vcl.config import RunConfig
from vcl.config.rules import require
from vcl.device import choose_device, precision_of, prepare_device
from vcl.errors import ConfigError
from vcl.plan.network import macs_of, network_of
from vcl.profiling.rank_processes import RankProcesses, Timing, Turn
from vcl.profiling.table import Row, Table, setting_of
from vcl.profiling.timing import median_ratio
from vcl.ranks import Ranks

logger = logging.getLogger(__name__)

ROUNDS = 5

FULL_SIZE = (720, 1280)
"""Height and width of the frames that are calculated."""

CALCULATED = (2, 4, 8)
"""Ranks that are calculated."""

_SECONDS, _FEWEST, _MOST = 2.0, 2, 48
"""What a turn should take, and how many steps it has at least and at most."""


def measure(
    config: RunConfig,
    rounds: int,
    ranks: int | None = None,
    flops: float | None = None,
    bandwidth: float | None = None,
) -> Table:
    """Time the same steps in 1 to ``ranks`` processes in turns, and calculate 2, 4 and 8 of them at 720x1280.

    Several ranks share the frames of a step, and then have each as many as one rank alone. The processes only start
    once; each has the threads of the config, or an equal share of the machine's.

    Args:
        config: its network, method and recipe train on noise.
        rounds: how often each number of ranks is timed.
        ranks: how many at most; by default one for each CUDA device, or 2 on a CPU.
        flops: operations per second of a rank to calculate with; by default those of one rank here.
        bandwidth: bytes per second that a rank sends in an all-reduce, to calculate with; by default those measured.

    Raises:
        ConfigError: there are fewer devices than ranks, a step has fewer frames, or nothing is to be compared.
        VclError: a rank fails.
    """
    for name, rate in (("flops", flops), ("bandwidth", bandwidth)):
        require(rate is None or 0 < rate < math.inf, f"--{name}", "be positive and finite", rate)
    flop, gradients = _work_at_full_size(config)
    config, device, most = _prepared(backbones.resolved(config), ranks)
    require(most > 1 or bandwidth is not None, "--ranks", "be 2 or more, or --bandwidth be given", most)
    batch = config.train.batch
    steps, timings = _timings(config, most, rounds)
    one = timings[1, batch]
    flops = flops or flop_of(config) * batch / statistics.median(timing.step for timing in one)
    bandwidth = bandwidth or _bandwidth(most, timings[most, batch])
    rows = [measured_row(n, frames, batch, of_case, one) for (n, frames), of_case in timings.items()]
    rows += calculated_rows(Calculation(flop, gradients, flops, bandwidth), batch)
    setting = setting_of(
        config,
        device,
        rounds=rounds,
        steps=steps,
        messages_by="nccl" if device.type == "cuda" else "gloo",
        calculated="from operations of forward and backward, bytes of gradients and the two rates behind them",
        calculated_gflop_per_frame=f"{flop / 1e9:.4g}",
        calculated_mebibytes_of_gradients=f"{gradients / 2**20:.4g}",
        gflop_per_second=f"{flops / 1e9:.4g}",
        gbytes_per_second=f"{bandwidth / 1e9:.4g}",
    )
    return Table("ranks", f"one rank with {batch} frames a step", "milliseconds per step", tuple(rows), setting)


def _prepared(config: RunConfig, ranks: int | None) -> tuple[RunConfig, torch.device, int]:
    """The config with a rank's threads and precision, the device of the first rank, and how many ranks there are."""
    train = config.train
    on_cpu = choose_device(train.device).type == "cpu"
    devices = 0 if on_cpu else torch.cuda.device_count()
    most = (2 if on_cpu else devices) if ranks is None else ranks
    require(most >= 1, "--ranks", "be 1 or more", most)
    require(on_cpu or most <= devices, "--ranks", f"be at most {devices}, the CUDA devices of this machine", most)
    rule = f"be {most} or more, where as many ranks share the frames of a step"
    require(train.batch >= most, "train.batch", rule, train.batch)
    threads = train.threads or (max(1, torch.get_num_threads() // most) if on_cpu else None)
    device = choose_device(train.device, Ranks(0, most))
    train = replace(train, threads=threads, precision=precision_of(train.precision, device))
    return replace(config, train=train), prepare_device(train, Ranks(0, most)), most


def _work_at_full_size(config: RunConfig) -> tuple[int, int]:
    """Operations of a frame and bytes of gradients of the network for 720x1280."""
    try:
        full_size = backbones.resolved(replace(config, stream=replace(config.stream, size=FULL_SIZE)))
        return flop_of(full_size), gradient_bytes(full_size)
    except ConfigError as error:
        raise ConfigError(f"the network must also be one for 720x1280, which is calculated: {error}") from error


def flop_of(config: RunConfig) -> int:
    """Operations of a frame, forward and backward: three times those of decoding it, which is all that is counted."""
    return 6 * macs_of(config)


def gradient_bytes(config: RunConfig) -> int:
    """Bytes of a step's gradients, which are float32: of all that the first session trains."""
    network = network_of(config, 1)
    with torch.device("meta"):
        network.add_session(config.train.seed)
    return 4 * sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _timings(config: RunConfig, most: int, rounds: int) -> tuple[int, dict[tuple[int, int], list[Timing]]]:
    """Steps of a turn, and by ranks and frames of a step what each round took."""
    batch = config.train.batch
    cases = [(1, batch), *((n, frames) for n in range(2, most + 1) for frames in (batch, n * batch))]
    timings: dict[tuple[int, int], list[Timing]] = {case: [] for case in cases}
    with RankProcesses(config, most) as processes:
        logger.info("warming up")
        first = processes.take(Turn(most, batch, 1))
        steps = min(_MOST, max(_FEWEST, round(_SECONDS / first.step)))
        for number in range(rounds):
            logger.info("round %d of %d", number + 1, rounds)
            for n, frames in cases[:: -1 if number % 2 else 1]:
                timings[n, frames].append(processes.take(Turn(n, frames, steps)))
    return steps, timings


def _bandwidth(ranks: int, timings: Sequence[Timing]) -> float:
    seconds = statistics.median(timing.all_reduce for timing in timings)
    return sent(ranks, timings[0].message) / seconds


def sent(ranks: int, message: float) -> float:
    """Bytes that each rank sends, and receives, when a ring sums up a message: all but its own part of it, twice."""
    return 2 * (ranks - 1) / ranks * message


def measured_row(ranks: int, frames: int, batch: int, timings: Sequence[Timing], one: Sequence[Timing]) -> Row:
    """A line of the table.

    ``communication_ms`` is what averaging takes within a step, in which ranks also copy and wait for slower ones,
    ``compute_ms`` the rest of the step, ``all_reduce_ms`` the bare sum of as many bytes, and ``spread`` the longest
    less the shortest round, as a share of the median.

    Args:
        ranks: who shared a step.
        frames: of a step, of all ranks together.
        batch: frames of a step of one rank alone.
        timings: of each round.
        one: of one rank alone, of each round.
    """
    steps = [timing.step for timing in timings]
    step, averaging, all_reduce = (
        1e3 * statistics.median(getattr(timing, part) for timing in timings)
        for part in ("step", "averaging", "all_reduce")
    )
    ratio = median_ratio(steps, [timing.step for timing in one])
    more = {
        "spread": (max(steps) - min(steps)) / statistics.median(steps),
        "compute_ms": 1e3 * statistics.median(timing.step - timing.averaging for timing in timings),
        "communication_ms": averaging,
        "all_reduce_ms": all_reduce,
        "message_mebibytes": timings[0].message / 2**20,
    }
    cpu_ratio = median_ratio([timing.cpu for timing in timings], [timing.cpu for timing in one])
    return Row(
        _name(ranks, frames), step, ratio, cpu_ratio, more={**_scaling(ranks, frames, batch, step, ratio), **more}
    )


def _name(ranks: int, frames: int) -> str:
    return f"{ranks} {'rank' if ranks == 1 else 'ranks'} x {frames / ranks:.3g} frames"


def _scaling(ranks: int, frames: int, batch: int, step: float, ratio: float) -> Mapping[str, float]:
    """How training scales where a step takes so many ms, which are ``ratio`` of those of one rank with ``batch``."""
    speed_up = frames / batch / ratio
    return {"frames_per_second": 1e3 * frames / step, "speed_up": speed_up, "efficiency": speed_up / ranks}


@dataclass(frozen=True)
class Calculation:
    """A step by calculation: ranks compute at once and then sum up their gradients in a ring.

    What a rank does once a step, however many frames it has, such as ranking scores and the optimiser's work, is only
    counted in the rate of operations: where ranks share frames, the calculation flatters them.

    Args:
        flop: operations of a frame, forward and backward.
        gradients: bytes.
        flop_per_second: of a rank.
        bytes_per_second: that a rank sends.
    """

    flop: float
    gradients: int
    flop_per_second: float
    bytes_per_second: float

    def compute(self, ranks: int, frames: int) -> float:
        """Milliseconds of the rank that has the most of a step's frames."""
        return 1e3 * self.flop * -(-frames // ranks) / self.flop_per_second

    def communication(self, ranks: int) -> float:
        """Milliseconds."""
        return 1e3 * sent(ranks, self.gradients) / self.bytes_per_second


def calculated_rows(calculation: Calculation, batch: int) -> list[Row]:
    """One rank with ``batch`` frames in a step, and more that share as many or have as many each."""
    height, width = FULL_SIZE
    rows = []
    one = calculation.compute(1, batch)
    cases = [(n, frames) for n in CALCULATED for frames in (batch, n * batch) if frames >= n]
    for ranks, frames in [(1, batch), *cases]:
        compute, communication = calculation.compute(ranks, frames), calculation.communication(ranks)
        step = compute + communication
        more: dict[str, Any] = {
            **_scaling(ranks, frames, batch, step, step / one),
            "compute_ms": compute,
            "communication_ms": communication,
            "message_mebibytes": calculation.gradients / 2**20,
        }
        rows.append(Row(f"{height}x{width}, calculated: {_name(ranks, frames)}", step, step / one, more=more))
    return rows

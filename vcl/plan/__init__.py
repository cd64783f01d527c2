"""What a run will take, before it is run: parameters, work, bytes, memory and hours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vcl.config import RunConfig, WsnConfig
from vcl.datasets.stream import ordered
from vcl.plan.calibrate import Calibration, calibration_of
from vcl.plan.frames import frame_counts, to_decode
from vcl.plan.hours import seconds_of
from vcl.plan.machine import available_memory, disk_troubles, memory_troubles
from vcl.plan.memory import frame_bytes, more_frames, more_memory
from vcl.plan.stored import keeps_of, macs_of, network_of, session_files, stored_of
from vcl.plan.table import Plan
from vcl.plan.work import work_of
from vcl.video.cache import Clip, cache_folder


def plan(config: RunConfig, out: Path) -> Plan:
    """Say what a run will take on this machine; a short run on noise tells the times.

    Args:
        config: the run's. Its videos need not be here, where its benchmark or ``stream.frames`` says how long they are.
        out: the run folder to be; only looked at for the room there is.

    Raises:
        VclError: the run could not be made, or the length of a video is not known.
    """
    frames = _by_session(config, frame_counts(config.stream))
    network, keeps, macs = network_of(config, len(frames)), keeps_of(config), macs_of(config)
    work = work_of(config, list(frames.values()))
    files = session_files(config, list(frames), work)
    found, troubles = _calibrated(config, macs)
    memory = device = checkpoint = None
    if found is not None:
        memory, checkpoint = found.memory + more_memory(config, work, files, keeps, found), found.checkpoint
        if found.device_memory is not None:
            device = found.device_memory + more_frames(config, work)
        troubles += memory_troubles("the device", device, found.device_there)
    available = available_memory()
    folder = sum(sum(file.values()) for file in files) + (checkpoint or 0)
    cache = sum(frames[name] for name in to_decode(config.stream, frames)) * frame_bytes(config)
    troubles += memory_troubles("this machine", memory, available)
    needed = {out: folder + (checkpoint or 0)}
    if cache:
        needed[cache_folder(config.stream.cache)] = cache
    troubles += disk_troubles(needed)
    return Plan(
        method=config.method.name,
        frames=frames,
        size=config.stream.size,
        shared_parameters=sum(shape.numel() for shape in network.shapes().values()),
        networks=len(frames) if keeps == "per_session" else 1,
        head_parameters=len(frames) * sum(math.prod(tensor.shape) for tensor in network.session_tensors.values()),
        macs_a_frame=macs,
        steps=sum(done.steps for done in work),
        trained_on=sum(done.trained_on for done in work),
        measured=sum(done.measured for done in work),
        sampled=sum(done.sampled for done in work),
        stored=stored_of(files, keeps),
        at_most=isinstance(config.method, WsnConfig) and not config.method.reinit,
        memory_bytes=memory,
        available_bytes=available,
        device_memory_bytes=device,
        run_folder_bytes=folder,
        checkpoint_bytes=checkpoint,
        cache_bytes=cache,
        hours={} if found is None else {part: s / 3600 for part, s in seconds_of(config, work, found).items()},
        calibration_seconds=None if found is None else round(found.took, 1),
        warnings=tuple(troubles),
    )


def _calibrated(config: RunConfig, macs: int) -> tuple[Calibration | None, list[str]]:
    """What a short run took, or None and the warning that it could not be made."""
    try:
        return calibration_of(config, macs), []
    except MemoryError as error:
        return None, [f"memory: {error}; not even two short sessions may fit into this machine"]


def _by_session(config: RunConfig, frames: Mapping[str, int]) -> dict[str, int]:
    """Videos in the order of their sessions; from easy to hard is not known without them."""
    if config.stream.order == "easy_to_hard":
        return dict(frames)
    nothing = [Clip(name, np.broadcast_to(np.uint8(0), (count, 3, 1, 1)), "") for name, count in frames.items()]
    return {clip.name: len(clip.frames) for clip in ordered(nothing, config.stream)}


__all__ = ["Plan", "plan"]

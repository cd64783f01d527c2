"""What a run will take, before it is run: parameters, work, bytes, memory and hours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vcl import backbones
from vcl.config import RunConfig
from vcl.datasets.stream import ordered
from vcl.plan.calibrate import calibration_of
from vcl.plan.calibration import Calibration
from vcl.plan.frames import frame_counts, to_decode
from vcl.plan.hours import seconds_of
from vcl.plan.machine import available_memory, disk_warnings, memory_warnings
from vcl.plan.memory import frame_bytes, more_frames, more_memory
from vcl.plan.network import macs_of, network_of, state_kind_of
from vcl.plan.stored import session_files, total_bytes
from vcl.plan.table import Disk, Memory, NetworkSize, Plan, Stored, Time, Work, shown_bytes
from vcl.plan.work import SessionWork, work_of
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
    lengths, kind = list(frames.values()), state_kind_of(config)
    config = backbones.sized(config, max(lengths))
    network, work = _network_size(config, lengths), work_of(config, lengths)
    calibration, warnings = _calibrated(config, network.macs_a_frame)
    if calibration is not None and calibration.undescribed:
        work = _with_undescribed(work, calibration)
        warnings.append(_undescribed_warning(config, calibration))
    files = session_files(config, list(frames), work)
    memory = Memory(available_bytes=available_memory())
    checkpoint = None
    if calibration is not None:
        checkpoint, peak = calibration.checkpoint, calibration.memory
        device = None if peak.device is None else peak.device + more_frames(config, work)
        more = more_memory(config, work, files, kind, calibration)
        memory = replace(memory, memory_bytes=peak.process + more, device_memory_bytes=device)
        warnings += memory_warnings("the device", device, peak.device_free)
    warnings += memory_warnings("this machine", memory.memory_bytes, memory.available_bytes)
    cached = sum(frames[name] for name in to_decode(config.stream, frames)) * frame_bytes(config)
    folder = sum(sum(file.values()) for file in files) + (checkpoint or 0)
    needed = {out: folder + (checkpoint or 0)}
    if cached:
        needed[cache_folder(config.stream.cache)] = cached
    return Plan(
        method=config.method.name,
        frames=frames,
        size=config.stream.size,
        network=network,
        work=_total(work),
        stored=Stored(total_bytes(files, kind), at_most=config.method.masks_overlap),
        memory=memory,
        disk=Disk(folder, checkpoint, cached),
        time=_time(config, work, calibration),
        warnings=(*warnings, *disk_warnings(needed)),
    )


def _network_size(config: RunConfig, lengths: Sequence[int]) -> NetworkSize:
    sessions, layout = len(lengths), network_of(config, len(lengths)).layout()
    shared, per_session = (
        sum(math.prod(shape) for shape in shapes.values()) for shapes in (layout.weights, layout.session)
    )
    return NetworkSize(
        shared_parameters=shared,
        networks=sessions if state_kind_of(config) in ("per_session", "differences") else 1,
        head_parameters=sessions * per_session,
        frame_parameters=sum(map(layout.frame_numbers, lengths)),
        macs_a_frame=macs_of(config),
    )


def _total(work: Sequence[SessionWork]) -> Work:
    """Of all sessions together."""
    return Work(
        steps=sum(session.steps for session in work),
        trained_on=sum(session.trained_on for session in work),
        measured=sum(session.measured for session in work),
        sampled=sum(session.sampled for session in work),
    )


def _time(config: RunConfig, work: Sequence[SessionWork], calibration: Calibration | None) -> Time:
    if calibration is None:
        return Time()
    seconds = seconds_of(config, work, calibration)
    return Time({part: taken / 3600 for part, taken in seconds.items()}, round(calibration.seconds, 1))


def _calibrated(config: RunConfig, macs: int) -> tuple[Calibration | None, list[str]]:
    """What a short run took, or None and the warning that it could not be made."""
    try:
        return calibration_of(config, macs), []
    except MemoryError as error:
        return None, [f"memory: {error}; not even two short sessions may fit into this machine"]


def _with_undescribed(work: Sequence[SessionWork], calibration: Calibration) -> list[SessionWork]:
    """Sessions that also store what the method did not say it would, as large as the short run did."""
    state = calibration.undescribed_tensors()
    return [replace(session, state={**state, **session.state}) for session in work]


def _undescribed_warning(config: RunConfig, calibration: Calibration) -> str:
    tensors = calibration.undescribed_tensors().values()
    size = shown_bytes(sum(tensor.numel() * tensor.element_size() for tensor in tensors))
    unknown = f"no plugin of {config.method.name} has a session_spec for {len(tensors)} of the tensors that it stores"
    return f"stored: {unknown}; they are taken to stay at {size}, as after two short sessions"


def _by_session(config: RunConfig, frames: Mapping[str, int]) -> dict[str, int]:
    """Videos in the order of their sessions; from easy to hard is not known without them."""
    if config.stream.order == "easy_to_hard":
        return dict(frames)
    empty = [Clip(name, np.broadcast_to(np.uint8(0), (count, 3, 1, 1)), "") for name, count in frames.items()]
    return {clip.name: len(clip.frames) for clip in ordered(empty, config.stream)}


__all__ = ["Plan", "plan"]

"""What a run will take, before it is run: parameters, work, bytes, memory and hours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vcl.config import EsmerConfig, IcarlConfig, RunConfig, WsnConfig
from vcl.plan.calibrate import Calibration, calibration_of
from vcl.plan.frames import frame_counts
from vcl.plan.machine import available_memory, free_disk
from vcl.plan.stored import keeps_of, macs_of, network_of, session_files, stored_of
from vcl.plan.table import Plan, shown_bytes
from vcl.plan.work import SessionWork, work_of
from vcl.video.cache import Clip, default_cache_dir
from vcl.video.stream import ordered


def plan(config: RunConfig, out: Path) -> Plan:
    """Say what a run will take on this machine; a run on noise for up to a minute tells the times.

    Args:
        config: the run's. Its videos need not be here, where its benchmark or ``stream.frames`` says how long they are.
        out: the run folder to be; only looked at for the room there is.

    Raises:
        VclError: the run could not be made, or the length of a video is not known.
    """
    frames = _by_session(config, frame_counts(config.stream))
    network, lengths, keeps = network_of(config, len(frames)), list(frames.values()), keeps_of(config)
    work = work_of(config, lengths)
    files = session_files(config, list(frames), work)
    macs, troubles = macs_of(config), list[str]()
    try:
        found: Calibration | None = calibration_of(config, macs)
    except MemoryError as error:
        found = None
        troubles.append(f"memory: {error}; not even two short sessions may fit into this machine")
    memory = None if found is None else found.memory + _more_memory(config, work, files, found)
    device = (
        None
        if found is None or found.device_memory is None
        else found.device_memory + _more_frames(config, work, found)
    )
    checkpoint = None if found is None else found.checkpoint
    folder = sum(sum(file.values()) for file in files) + (checkpoint or 0)
    cache = sum(lengths) * _frame_bytes(config)
    available = available_memory()
    if memory is not None and available is not None and memory > available:
        needs = f"the run needs {shown_bytes(memory)} and this machine has {shown_bytes(available)}"
        troubles.append(f"memory: {needs}; try a lower train.batch or stream.size")
    cache_folder = Path(config.stream.cache).expanduser() if config.stream.cache else default_cache_dir()
    troubles += _disk_troubles({out: folder + (checkpoint or 0), cache_folder: cache})
    return Plan(
        method=config.method.name,
        frames=frames,
        size=config.stream.size,
        shared_parameters=sum(shape.numel() for shape in network.shapes().values()),
        networks=len(frames) if keeps == "each" else 1,
        head_parameters=len(frames) * math.prod(network.head_shape),
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


def seconds_of(config: RunConfig, work: Sequence[SessionWork], found: Calibration) -> dict[str, float]:
    """Seconds of a run by part.

    Args:
        config: the run's.
        work: of its sessions.
        found: what a part takes.
    """
    training = evaluation = 0.0
    for session, done in enumerate(work):
        step = _step(session, done, found)
        pause = max(config.train.checkpoint_seconds, step)
        steps = done.steps * step
        training += found.begin + steps + int(steps / pause) * found.save + found.end + found.end_frame * done.frames
        if done.measured:
            evaluation += found.row + found.row_session * (session + 1)
            evaluation += found.frame * done.measured + found.sampled_frame * done.sampled
        if k := config.matrix.transfer_epochs:
            evaluation += found.frame * done.frames
        if k and session:
            a_pass = math.ceil(done.frames / config.train.batch)
            evaluation += found.begin + k * a_pass * found.first_step + found.frame * done.frames
    return {"training": training, "evaluation": evaluation, "around": found.start + found.seal * len(work)}


def _step(session: int, done: SessionWork, found: Calibration) -> float:
    """Seconds of a step, which grow with what it rehearses."""
    if session == 0:
        return found.first_step
    share = done.rehearsed / found.rehearsed if found.rehearsed else 1.0
    return found.first_step + (found.later_step - found.first_step) * share


def _by_session(config: RunConfig, frames: Mapping[str, int]) -> dict[str, int]:
    """Videos in the order of their sessions; from easy to hard is not known without them."""
    if config.stream.order == "easy_to_hard":
        return dict(frames)
    nothing = [Clip(name, np.broadcast_to(np.uint8(0), (count, 3, 1, 1)), "") for name, count in frames.items()]
    return {clip.name: len(clip.frames) for clip in ordered(nothing, config.stream)}


def _frame_bytes(config: RunConfig) -> int:
    return 3 * config.stream.size[0] * config.stream.size[1]


def _more_frames(config: RunConfig, work: Sequence[SessionWork], found: Calibration) -> int:
    """Bytes by which the frames that are held together in a run exceed those of its calibration."""
    return _frame_bytes(config) * (max(done.held + done.kept for done in work) - found.frames)


def _more_memory(
    config: RunConfig, work: Sequence[SessionWork], files: Sequence[Mapping[str, int]], found: Calibration
) -> int:
    """Bytes that a run holds and its calibration does not: frames, and what closed sessions leave, twice."""
    longest = max(done.frames for done in work) * _frame_bytes(config)
    again = {IcarlConfig: 2, EsmerConfig: 1}.get(type(config.method), 0)  # Whole videos, when a session ends.
    floats = 16 if config.matrix.transfer_epochs else 0  # Decoded and true, and their difference, of 4 bytes each.
    kept = 0
    if keeps_of(config) != "latest":
        kinds = ("mask",) if keeps_of(config) == "masks" else ("weight", "head")
        kept = 2 * sum(file.get(kind, 0) for file in files[2:] for kind in kinds)
    return max(_more_frames(config, work, found) + longest * (again + floats) + kept, 0)


def _disk_troubles(needs: Mapping[Path, int]) -> list[str]:
    """A warning for every disk on which there is no room for what is to be written there."""
    disks: dict[int, tuple[int, list[Path], int]] = {}
    for path, size in needs.items():
        disk, free = free_disk(path)
        wanted, paths, _ = disks.get(disk, (0, [], free))
        disks[disk] = wanted + size, [*paths, path], free
    return [
        f"disk: {' and '.join(map(str, paths))} may need {shown_bytes(wanted)} and {shown_bytes(free)} are free"
        for wanted, paths, free in disks.values()
        if wanted > free
    ]


__all__ = ["Plan", "plan", "seconds_of"]

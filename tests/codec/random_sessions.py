"""Sessions whose masks and numbers are drawn, as a training would have sealed them, and small libraries of them."""

from dataclasses import replace
from fractions import Fraction

import torch

from vcl.codec.container_writer import append, create
from vcl.codec.encode import Draws
from vcl.codec.library_records import first_records, session_records
from vcl.codec.payloads import Architecture, Video
from vcl.codec.strict_frames import strict_record
from vcl.config import NervConfig
from vcl.layers.masked import WeightRule
from vcl.layers.quantise import along, dequantised, quantised_rows, row_steps
from vcl.subnet.ledger import Ledger

SIZE = (8, 12)
NETWORK = NervConfig(levels=3, stem_width=5, channels=4, strides=(2,), operator_block=1)
NOTES = {"vcl": "0", "config": "method: tiny"}
TWO = [{"seed": 1, "frames": 3}, {"seed": 2, "frames": 5, "unit": ["weight", "row", "kernel"]}]
"""What ``session_appends`` takes for two sessions."""


def architecture_of(kind="shared_masked", size=SIZE, sessions=0, **knobs):
    """Of a small network with an operator."""
    return Architecture(kind, replace(NETWORK, **knobs), size, sessions)


def seal_random(ledger, seed, frames=3, unit="weight", share=0.4, bits=5):
    """Seal a session whose masks, weights and own numbers are drawn.

    Args:
        ledger: of the sessions before; the session is added.
        seed: of the draw.
        frames: of its video.
        unit: what a bit of a mask stands for, or several of them in turn.
        share: of the units in a mask.
        bits: of a weight; None leaves float32.

    Returns:
        The record.
    """
    source = torch.Generator().manual_seed(seed)
    layout, number = ledger.layout, len(ledger)
    units = [unit] if isinstance(unit, str) else unit
    values, masks, steps = {}, {}, {}
    for place, (name, shape) in enumerate(ledger.shapes.items()):
        dim = layout.rows.get(name, 0)
        channels = (dim, 1 - dim if dim < 2 else dim - 1)
        mask_shape = WeightRule(share, units[place % len(units)]).mask_shape(shape, channels)
        masks[name] = torch.rand(mask_shape, generator=source) < share
        values[name] = torch.randn(shape, generator=source) / 4
        if bits is not None:
            used = masks[name].expand(shape) if ledger.state_kind == "shared_masked" else None
            step = steps[f"weight/{name}"] = row_steps(values[name], bits, dim, used)
            values[name] = dequantised(values[name], along(step, len(shape), dim), bits)
    own, frame = {}, {}
    stacked = ledger.state_kind == "shared_latest"
    for name, shape in layout.session.items():
        each = [torch.randn(shape, generator=source) for _ in range(number + 1 if stacked else 1)]
        if bits is not None:
            pairs = [quantised_rows(tensor) for tensor in each]
            each = [tensor for tensor, _ in pairs]
            of_all = [step for _, step in pairs]
            steps[f"session/{name}"] = torch.stack(of_all) if stacked else of_all[0]
        own[name] = torch.stack(each) if stacked else each[0]
    for name, shape in layout.frame.items():
        frame[name] = torch.randn((frames, *shape), generator=source)
        if bits is not None:
            flat, steps[f"frame/{name}"] = quantised_rows(frame[name].flatten())
            frame[name] = flat.view(frame[name].shape)
    return ledger.seal(values, masks, own, frame, steps)


def video_of(number, ledger, frames, size):
    """A session's video, with the hash of its numbers."""
    state = ledger.subnetwork(number).sha256()
    return Video(f"video {number}", frames, size, Fraction(30000, 1001), "ab" * 32, state, 31.5)


def session_appends(architecture, sessions, strict=True, seed=1, bounds=None):
    """What each session adds to a library: a list of records for each.

    Args:
        architecture: of the library.
        sessions: for each, what ``seal_random`` takes beside the ledger.
        strict: with frame hashes.
        seed: of the draws.
        bounds: of first weights, by name.
    """
    ledger = Ledger(architecture.network().layout(), architecture.state_kind)
    for knobs in sessions:
        seal_random(ledger, **knobs)
    before, appends = Ledger(ledger.layout, ledger.state_kind), []
    for number, (record, knobs) in enumerate(zip(ledger.records(), sessions, strict=True)):
        frames = knobs.get("frames", 3)
        video = video_of(number, ledger, frames, architecture.size)
        records = session_records(record, before, video, Draws(seed, number, bounds or {}))
        if strict:
            records += strict_record(architecture, ledger.subnetwork(number), number, frames)
        before.append(record)
        appends.append(records if number else [*first_records(architecture, NOTES), *records])
    return appends


def write_library(path, appends):
    """Write a library with a commit for each session, and give its path."""
    for number, records in enumerate(appends):
        (append if number else create)(path, records)
    return path

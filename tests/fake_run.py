"""What a run leaves in its folder, made up: three sessions with numbers that are easy to follow by hand."""

import torch

from vcl.codec.footprint import Footprint, SessionBytes
from vcl.report.stored import keep_footprint
from vcl.rundir import SessionNotes

NAMES = ("bear", "camel", "swan", "dog", "goat", "car", "cow")
SIZE = (18, 32)
T = 4

PSNR = [[30.0, 9.0, 8.0], [26.0, 32.0, 7.0], [28.0, 31.0, 35.0]]
"""Average 31.33, backward transfer -1.5, forgetting 1.5, all worked by hand."""

TOGETHER = [[None] * 3, [None] * 3, [28.0, 31.0, 35.0]]
"""Videos that are learned at once, when the last has arrived."""


def epoch(session, number, epochs=2, steps=8, psnr=20.0, loss=0.1):
    step = steps * (number + 1) // epochs
    progress = {"session": session, "epoch": number, "epochs": epochs, "step": step, "steps": steps}
    return {"kind": "epoch", **progress, "loss": loss, "psnr": psnr, "lr": 5e-4, "seconds": 10.0 * (number + 1)}


def closed(session, video, layers=True, seconds=25.0):
    # c = 0.3 of 1000 weights; three sessions that share 90, as independent masks would.
    share = {"name": "stem.0", "total": 1000, "used": 300, "reused": 90 * (session > 0)}
    share |= {"new": 300 - share["reused"], "free": (700, 490, 280)[min(session, 2)]}
    shares = [share, {**share, "name": "blocks.1.operator.low"}] if layers else []
    return {
        "kind": "session",
        "session": session,
        "video": video,
        "seconds": seconds,
        "layers": shares,
        "state_sha256": "ab",
    }


def probe(session, psnr, scratch):
    return {"kind": "probe", "session": session, "epoch": 1, "psnr": psnr, "scratch": scratch}


def a_matrix(psnr=PSNR, done=None, size=SIZE, names=None):
    count = len(psnr[0])
    rows = [
        {
            "session": s,
            "psnr": row,
            "ssim": [None if cell is None else cell / 40 for cell in row],
            "ms_ssim": [None if cell is None or min(size) <= 160 else cell / 38 for cell in row],
            "sha256": ["ab" if j <= s else None for j in range(count)],
            "seconds": 1.0,
        }
        for s, row in enumerate(psnr[:done])
    ]
    return {"videos": list(names or NAMES[:count]), "frames": [T] * count, "size": list(size), "rows": rows}


def fill(folder, matrix, state_kind="shared_masked", scale=1):
    """Write what a run writes: session files of 400, 300, 200... bytes of weights, events, matrix; and its footprint.

    No network has these tensors, so that the run cannot be exported: the footprint says what its library would take.
    """
    names = matrix["videos"]
    start = {"kind": "start", "time": 0.0, "videos": names, "sha256": names, "sessions": len(names), "resumed": False}
    folder.record(start)
    for s, row in enumerate(matrix["rows"]):
        for number in range(2):
            folder.record(epoch(s, number, psnr=20.0 + number + s, loss=0.1 / (1 + number + s)))
        folder.record(closed(s, names[s], layers=state_kind == "shared_masked"))
        heads = torch.zeros(s + 1, 9) if state_kind == "shared_latest" else torch.zeros(9)
        tensors = {"weight/stem": torch.zeros((100 - 25 * s) * scale), "session/head": heads}
        if state_kind == "shared_masked":
            tensors["mask/stem"] = torch.zeros(13, dtype=torch.uint8)
        folder.write_session(s, tensors, SessionNotes(names[s], T, len(names), state_kind))
        folder.record({"kind": "row", **row})
    if matrix["rows"]:
        keep_footprint(folder, footprint(matrix, state_kind, scale))
        folder.write_matrix(matrix)


def footprint(matrix, state_kind="shared_masked", scale=1):
    """Weights of 400, 300, 200... bytes, masks of 13, and side data of 36 a session and of 500 once."""
    sessions, last = [], len(matrix["rows"]) - 1
    for s, name in enumerate(matrix["videos"][: last + 1]):
        overwritten = state_kind == "shared_latest" and s < last
        weight, mask = 0 if overwritten else 4 * (100 - 25 * s) * scale, 13 if state_kind == "shared_masked" else 0
        sessions.append(
            SessionBytes(name, weight, mask, 36 + 500 * (s == 0), {"stem": {"weight": weight, "mask": mask}})
        )
    return Footprint(tuple(sessions))

"""Reports as a page is made of, with numbers and pictures that are made up: one run, and several."""

import base64
import io
import itertools

import numpy as np
from PIL import Image

HOSTILE = "</script><img src=x onerror=alert(1)>"
SIZE = (54, 96)
FRAMES = 40
METRICS = [
    {"name": "psnr", "label": "PSNR", "unit": "dB", "digits": 2, "higher_is_better": True},
    {"name": "ssim", "label": "SSIM", "unit": "", "digits": 4, "higher_is_better": True},
    {"name": "ms_ssim", "label": "MS-SSIM", "unit": "", "digits": 4, "higher_is_better": True},
]
HELP = {
    "matrix": "A row is the state after a session, a column a video. Where nothing is forgotten, a column keeps the "
    "value of the diagonal. In brackets: a video still to come, which says only how alike two videos look.",
    "average": "Mean over the videos, after the last session.",
    "backward_transfer": "Mean change of earlier videos since they were learned; 0 where nothing is forgotten.",
    "forgetting": "Mean drop of earlier videos from their best value; 0 where nothing is forgotten.",
    "forward_transfer": "PSNR after the first epochs, minus that of the same network trained on that video alone.",
    "stored_bytes": "Bytes of the library that the run exports to.",
}


def single_report() -> dict:
    """One finished run of three sessions, with a hostile name, statistics, masks and frames."""
    videos = ["bunny", HOSTILE, "kite-surf"]
    return _report("PFNR on three clips", [_run("pfnr c30", videos, statistics=True)], None)


def several_reports() -> dict:
    """Two seeds of a method that keeps all, one that forgets, and one that is not finished, with a hostile name."""
    videos = ["bunny", "camel", "kite-surf"]
    runs = [
        _run("pfnr seed 0", videos),
        _run("pfnr seed 1", videos, shift=0.2, seed=1),
        _run("finetune", videos, shift=-1, forgets=True),
        _run(HOSTILE, videos, shift=-3, measured=2),
    ]
    return _report("Three methods on three clips", runs, _comparison(videos))


def _report(title, runs, comparison):
    names = runs[0]["videos"]
    clips = {f"clip{index}": {"name": name, "pictures": _truth(index)} for index, name in enumerate(names)}
    return {
        "title": title,
        "written": "2026-11-28T01:02:03Z",
        "version": "0.1.0",
        "live": True,
        "metrics": METRICS,
        "help": HELP,
        "runs": runs,
        "clips": clips,
        "comparison": comparison,
    }


def _run(name, videos, shift=0.0, seed=0, forgets=False, measured=3, statistics=False):
    matrix = [_row(session, videos, shift, forgets) for session in range(measured)]
    last = matrix[-1]
    learned = range(measured)
    drops = [last["psnr"][video] - matrix[video]["psnr"][video] for video in range(measured - 1)]
    return {
        "name": name,
        "title": "Finetuning" if forgets else "PFNR, c = 0.3, operator in block 1",
        "method": "finetune" if forgets else "pfnr",
        "finished": measured == len(videos),
        "planned": len(videos),
        "measured": measured,
        "videos": videos,
        "frames": [FRAMES] * len(videos),
        "size": list(SIZE),
        "numbers": {
            "average": {"psnr": float(np.mean(last["psnr"][:measured])), "ssim": 0.8612, "ms_ssim": None},
            "backward_transfer": float(np.mean(drops)),
            "forgetting": -float(np.mean(drops)),
            "forward_transfer": None,
            "stored_bytes": 1_234_567,
            "stored": {"weight": 1_100_000, "mask": 120_000, "side": 14_567, "buffer": 0},
            "bits_per_pixel": 1.587,
            "seconds": 754.0,
            "updates_per_frame": 36,
            "decode_fps": 84.2,
        },
        "matrix": matrix,
        "proof": [_proof(video, matrix, forgets) for video in learned],
        "forgets": forgets,
        "training": _training(measured, shift),
        "capacity": None if forgets else _capacity(measured),
        "subnetworks": None if forgets else _subnetworks(measured),
        "clips": [_clip(video, shift, seed) for video in learned],
        "statistics": _statistics(measured) if statistics else None,
        "provenance": _provenance(name, seed),
    }


def _row(session, videos, shift, forgets):
    psnr = []
    for video in range(len(videos)):
        value = 31.4 - 1.3 * video + shift
        if video > session:
            value = 10.2 + video + 0.3 * session
        elif forgets:
            value -= 7.5 * (session - video)
        psnr.append(round(value, 3))
    changes = [session if forgets and video < session else 0 for video in range(len(videos))]
    return {
        "session": session,
        "psnr": psnr,
        "ssim": [round(0.3 + value / 50, 4) for value in psnr],
        "ms_ssim": [None] * len(videos),
        "sha256": [f"{video}{change}" * 32 if video <= session else None for video, change in enumerate(changes)],
        "state_sha256": ["ab" * 32 if video <= session else None for video in range(len(videos))],
        "machine": "AMD EPYC, 1 thread",
    }


def _proof(video, matrix, forgets):
    kinds = itertools.cycle(["frames", "numbers"])
    checks = [
        {"session": row["session"], "kind": next(kinds), "equal": not forgets, "machine": row["machine"]}
        for row in matrix[video + 1 :]
    ]
    return {"video": video, "session": video, "sealed": matrix[video]["sha256"][video], "checks": checks}


def _training(sessions, shift):
    epochs, steps = 20, 12
    session, epoch = (grid.ravel() for grid in np.meshgrid(range(sessions), range(epochs), indexing="ij"))
    psnr = 31 - 1.3 * session + shift - 18 * np.exp(-epoch / 5)
    return {
        "session": session.tolist(),
        "epoch": epoch.tolist(),
        "step": ((epoch + 1) * steps).tolist(),
        "seconds": (epoch * 0.6).tolist(),
        "loss": (0.4 * np.exp(-epoch / 7) + 0.02 * session + 0.02).tolist(),
        "psnr": psnr.tolist(),
        "lr": (1e-3 * (1 - epoch / epochs)).tolist(),
    }


def _capacity(sessions):
    def layer(name, total, new):
        entries = []
        for session in range(sessions):
            before = round(total * min(1, new * session))
            fresh = min(round(total * new), total - before)
            reused = round(before * 0.4)
            rest = {"reused": reused, "new": fresh, "other": before - reused, "free": total - before - fresh}
            entries.append({"session": session, **rest})
        return {"name": name, "total": total, "sessions": entries}

    return [layer("all layers", 350_000, 0.2), layer("stem.0", 12_000, 0.3), layer("blocks.0.conv", 90_000, 0.15)]


def _subnetworks(sessions):
    overlap = [[1.0 if s == k else round(0.31 + 0.02 * (s + k), 3) for k in range(sessions)] for s in range(sessions)]
    age = [[0.0] * sessions for _ in range(sessions)]
    for session in range(sessions):
        earlier = 0.25
        age[session][:session] = [earlier] * session
        age[session][session] = 1 - earlier * session
    return {"overlap": overlap, "age": age}


def _clip(video, shift, seed):
    t = np.arange(FRAMES)
    psnr = 31.4 - 1.3 * video + shift + 1.6 * np.sin(t / 5 + video) - 0.8 * (t % 7 == 3)
    worst = [int(frame) for frame in np.argsort(psnr)[:3]]
    frames = sorted({0, 10, 20, 30, 39} | {7, 33, *worst})
    pictures = {str(frame): _decoded(video, frame, seed) for frame in frames}
    return {
        "video": video,
        "clip": f"clip{video}",
        "gain": 5,
        "psnr": psnr.tolist(),
        "worst": worst,
        "pictures": pictures,
    }


def _truth(video):
    return {str(frame): _picture(_frame(video, frame)) for frame in range(FRAMES)}


def _decoded(video, frame, seed):
    truth = _frame(video, frame)
    rough = np.asarray(Image.fromarray(truth).resize((24 + 4 * seed, 14)).resize(SIZE[::-1]))
    error = np.clip(5 * np.abs(truth.astype(int) - rough), 0, 255).astype(np.uint8)
    return {"decoded": _picture(rough), "error": _picture(error)}


def _frame(video, frame):
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    sky = np.stack([90 + 60 * video + 0 * x, 130 + y, 220 - 2 * y], axis=-1)
    ball = (x - 15 - 1.6 * frame) ** 2 + (y - 27 - 12 * np.sin(frame / 6 + video)) ** 2 < 90
    sky[ball] = [235, 200 - 50 * video, 80]
    sky[y > 44] = [60, 110, 60 + 20 * video]
    return np.clip(sky, 0, 255).astype(np.uint8)


def _picture(pixels):
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "WEBP", quality=80)
        return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _statistics(sessions):
    frequency = np.linspace(0, 1, 12)
    layers = ["stem", "block 0", "block 1", "block 2", "head"]

    def curve(slope):
        return [(-slope * frequency * (1 + 0.1 * session)).tolist() for session in range(sessions)]

    def spectrum(name, slope, **group):
        return {"name": name, **group, "frequency": frequency.tolist(), "log_amplitude": curve(slope)}

    return {
        "layers": [
            {"name": name, "variance": [0.2 + 0.3 * index + 0.05 * session for session in range(sessions)]}
            for index, name in enumerate(layers)
        ],
        "spectra": [
            spectrum("block 1, with the operator", 3, group="block 1"),
            spectrum("block 1, without it", 5, group="block 1"),
            spectrum("block 2", 4, group="block 2"),
        ],
        "frames": [spectrum("truth", 6), spectrum("decoded", 7), spectrum("residual", 1)],
    }


def _provenance(name, seed):
    return {
        "command": f"vcl run experiments/demo/pfnr.yaml --out 'runs/{name}' train.seed={seed} method.capacity=0.3",
        "started": "2026-11-28T00:40:03Z",
        "ended": "2026-11-28T00:53:03Z",
        "seed": seed,
        "commit": "0b60bd3c0de" + "0" * 29,
        "differences": [["train.epochs", "25", "36"], ["stream.size", "[54, 96]", "[720, 1280]"]],
        "config": [["stream.size", "[54, 96]"], ["train.epochs", "25"], ["train.seed", str(seed)]],
        "machine": [["cpu", "AMD EPYC"], ["threads", "1"]],
        "versions": [["torch", "2.15.0"], ["vcl", "0.1.0"]],
    }


def _comparison(videos):
    def row(name, method, runs, psnr, std, stored, bpp):
        text = f"{psnr:.2f} ± {std:.2f}" if std is not None else f"{psnr:.2f}"
        cells = {
            "psnr": {"mean": psnr, "std": std, "text": text},
            "forgetting": {"mean": 0.0 if method == "pfnr" else 11.25, "std": None, "text": "0.00"},
            "stored_bytes": {"mean": stored, "std": None, "text": f"{stored:,}"},
            "bits_per_pixel": None if bpp is None else {"mean": bpp, "std": None, "text": f"{bpp:.3f}"},
        }
        cells["forgetting"]["text"] = f"{cells['forgetting']['mean']:.2f}"
        return {"name": name, "method": method, "runs": runs, "cells": cells}

    def column(key, label, digits, better, thousands=False):
        return {"key": key, "label": label, "digits": digits, "better": better, "thousands": thousands}

    return {
        "columns": [
            column("psnr", "PSNR (dB)", 2, "high"),
            column("forgetting", "Forgetting (dB)", 2, "low"),
            column("stored_bytes", "Stored bytes", 0, "low", True),
            column("bits_per_pixel", "Bits per pixel", 3, "low"),
        ],
        "rows": [
            row("pfnr", "pfnr", [0, 1], 30.2, 0.14, 1_234_567, 1.587),
            row("finetune", "finetune", [2], 21.6, None, 1_100_000, 1.414),
            row(HOSTILE, "wsn", [3], 27.75, None, 1_950_000, None),
        ],
        "notes": [f"{HOSTILE} is not finished: 2 of 3 sessions."],
        "by_session": [
            {"name": "pfnr", "psnr": [31.5, 30.2, 28.9], "std": [0.14, 0.14, 0.14]},
            {"name": "finetune", "psnr": [15.4, 21.6, 27.8], "std": None},
            {"name": HOSTILE, "psnr": [28.4, 27.1, None], "std": None},
        ],
        "videos": videos,
        "by_capacity": [{"name": "pfnr", "capacity": [0.1, 0.3], "psnr": [27.5, 30.2], "spread": [0.0, 0.14]}],
        "published": {
            "rows": [
                {
                    "run": "pfnr",
                    "paper": "Kang et al., ICLR 2024",
                    "source": "table 2",
                    "what": "mean of 3 videos",
                    "ours": 30.2,
                    "theirs": 31.7,
                    "difference": -1.5,
                    "not_comparable": ["size 54x96, paper 720x1280", "36 epochs, paper 150"],
                }
            ],
            "note": "Numbers of other papers were measured under other conditions; those that differ are named.",
        },
    }

"""Runs whose sealed weights are integers times a step."""

import math

import pytest
import torch

from vcl.decode import SealedSessions
from vcl.layers.quantise import OWN_BITS, largest_integer
from vcl.run import run_clips
from vcl.subnet.mask_context import mask_context


class Stopped(Exception):
    """In the place of a power cut."""


REPEATED = ("wsn", "replay", "ewc")
"""They store as pfnr and finetune do."""

METHODS = [
    pytest.param(name, marks=pytest.mark.slow if name in REPEATED else [])
    for name in ("pfnr", "wsn", "packnet", "single", "residual", "finetune", "replay", "esmer", "ewc")
]


def rows(folder):
    """What a run measured, and the hashes of what it stored."""
    keys = ("psnr", "sha256", "state_sha256")
    return [[row[key] for key in keys] for row in folder.matrix()["rows"]]


@pytest.mark.parametrize("method", METHODS)
def test_every_stored_number_is_an_integer_times_the_step_of_its_row(method, tiny_config, clips, tmp_path):
    config = tiny_config(method, method={"bits": 5}, train={"epochs": 4})
    sealed = SealedSessions(run_clips(config, clips, tmp_path / "run"))
    layout = sealed.ledger.layout
    before = {name: torch.zeros(shape) for name, shape in layout.weights.items()}
    owned = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in layout.weights.items()}
    for session, record in enumerate(sealed.ledger.records()):
        if not record.values:
            continue  # A later session has overwritten them.
        weights = sealed.ledger.subnetwork(session).weights
        for name, value in weights.items():
            dim = layout.rows[name]
            step = record.steps[f"weight/{name}"].view([-1 if d == dim else 1 for d in range(value.dim())])
            own = sealed.ledger.mask(session, name) & ~owned[name]
            owned[name] |= own if method in ("pfnr", "wsn", "packnet") else False
            integers = ((value - before[name]) / step).round()
            if method == "residual":
                assert torch.equal(before[name] + integers * step, value)
                before[name] = value
            else:
                assert torch.equal((integers * step)[own], value[own])
                assert int(integers[own].abs().max()) <= largest_integer(8)
        head = sealed.ledger.session_tensors(session)["head"]
        step = record.steps["session/head"]
        step = step[session] if step.dim() > 1 else step
        assert torch.equal((head / step[:, None]).round() * step[:, None], head)
        assert int((head / step[:, None]).abs().max().round()) <= largest_integer(OWN_BITS)


@pytest.mark.parametrize(
    "method", [pytest.param("finetune", marks=pytest.mark.slow), "pfnr", "packnet", "replay", "esmer", "residual"]
)
def test_a_run_that_is_stopped_between_sealing_and_storing_ends_as_if_it_had_not(method, tiny_config, clips, tmp_path):
    config = tiny_config(method, method={"bits": 6}, train={"epochs": 3})

    def stop(event):
        if event["kind"] == "session" and event["session"] == 1:
            raise Stopped

    whole = run_clips(config, clips, tmp_path / "whole")
    with pytest.raises(Stopped):
        run_clips(config, clips, tmp_path / "stopped", lambda _: [stop])
    stopped = run_clips(config, clips, tmp_path / "stopped")
    assert rows(stopped) == rows(whole)
    costs = [[event["quantisation"] for event in folder.events("session")] for folder in (whole, stopped)]
    assert costs[1][-1] == costs[0][-1]
    assert all(cost == costs[0][1] for cost in costs[1][1:-1])


@pytest.mark.parametrize("method", ["wsn", "packnet", "esmer", "residual"])
def test_a_run_that_is_stopped_while_it_trains_with_integers_goes_on_to_the_same_bits(
    method, tiny_config, clips, tmp_path
):
    knobs = {"mask_rate": 1.0} if method == "wsn" else {}
    config = tiny_config(
        method,
        method={"bits": 5, "quantised_share": 0.4, **knobs},
        train={"epochs": 5, "checkpoint_seconds": 0},
    )

    def stop(event):
        if event["kind"] == "epoch" and event["session"] == 1 and event["epoch"] == event["epochs"] - 2:
            raise Stopped

    whole = run_clips(config, clips[:2], tmp_path / "whole")
    with pytest.raises(Stopped):
        run_clips(config, clips[:2], tmp_path / "stopped", lambda _: [stop])
    assert rows(run_clips(config, clips[:2], tmp_path / "stopped")) == rows(whole)


def test_training_with_the_integers_loses_less_than_rounding_at_the_end(tiny_config, clips, tmp_path):
    psnr, cost = {}, {}
    for share in (0.0, 0.4):
        config = tiny_config("single", method={"bits": 4, "quantised_share": share}, train={"epochs": 40})
        folder = run_clips(config, clips[:1], tmp_path / str(share))
        (event,) = folder.events("session")
        psnr[share] = event["quantisation"]["psnr"]
        # The matrix has frames of 8 bits.
        assert event["quantisation"]["psnr"] == pytest.approx(folder.matrix()["rows"][0]["psnr"][0], abs=0.02)
        cost[share] = event["quantisation"]["float_psnr"] - event["quantisation"]["psnr"]
        assert set(event["quantisation"]["bits"].values()) == {4}
    assert psnr[0.4] > psnr[0.0]
    assert cost[0.0] > 0  # Rounding alone.


def test_a_price_on_masks_makes_them_follow_the_first_scores(tiny_config, clips, tmp_path):
    bits = {}
    for rate in (0.0, 100.0):
        config = tiny_config("wsn", method={"mask_rate": rate}, train={"epochs": 10, "score_rate": 1})
        sealed = SealedSessions(run_clips(config, clips[:1], tmp_path / str(rate)))
        bits[rate] = 0.0
        for name, shape in sealed.ledger.shapes.items():
            context = mask_context(torch.zeros(shape, dtype=torch.bool), shape, False, config.train.seed, "score", name)
            mask = sealed.ledger.mask(0, name).numpy().ravel()
            for one in set(context):
                share = mask[context == one].mean()
                if 0 < share < 1:
                    count = (context == one).sum()
                    bits[rate] -= count * (share * math.log2(share) + (1 - share) * math.log2(1 - share))
    assert bits[100.0] < 0.9 * bits[0.0]

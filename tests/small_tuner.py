"""Small TUNER networks, what they give along an axis, and its spectrum."""

import torch

from vcl.backbones import build
from vcl.config.backbones import TunerConfig
from vcl.layers.masked import WeightRule
from vcl.query import Query

NYQUIST = 128
"""Turns in a period of 4 that the 128 pixels of a side of 2 can show."""

SMALL = TunerConfig(width=24)


def made(config=SMALL, size=(12, 20), sessions=1, capacity=None):
    network = build(config, size, sessions, WeightRule(capacity))
    network.reset_parameters(0)
    for _ in range(sessions):
        network.add_session(0)
    return network


@torch.no_grad()
def along(network, axis, samples, start=-2.0, length=4.0):
    """Colours ``(samples, 3)`` along one axis of the coordinates, the others fixed."""
    places = torch.full((1, samples, 3), 0.3)
    places[..., axis] = start + length * torch.arange(samples) / samples
    own = {name: tensor.detach()[None] for name, tensor in network.session_dicts()[0].items()}
    return network.colours(places, own, {})[0]


def beyond(network, axis, turns):
    """Share of the energy, but for the mean, of frequencies over so many turns in the period."""
    energy = torch.fft.rfft(along(network, axis, 1024), dim=0)[1:].abs().square().sum(1)
    return float(energy[turns:].sum() / energy.sum())


def trained(config, steps=60, after_half=lambda network: None):
    """On a picture with sharp edges, which ask for every frequency."""
    network = made(config, (128, 128))
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    source = torch.Generator().manual_seed(0)
    for step in range(steps):
        if step == steps // 2:
            after_half(network)
        points = torch.rand(1, 512, 2, generator=source, dtype=torch.float64).mul(128).floor()
        black = ((points // 16).sum(-1) % 2).float()[:, None].expand(1, 3, -1)
        query = Query(torch.zeros(1), torch.zeros(1), torch.ones(1), points=points)
        output = network.ask(query)
        loss = (output.frames - black).square().mean() + (network.loss_terms(output, None) or 0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network, float(loss.detach())

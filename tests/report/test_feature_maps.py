"""What the layers of a network give: every backbone is watched, and the paths of a block sum to its output."""

import pytest
import torch
from small_backbones import SMALL
from torch import nn
from torch.nn import functional as F

from vcl import backbones
from vcl import config as configs
from vcl.layers.fourier import FourierOperator
from vcl.layers.light import LightBlock, LightUp
from vcl.layers.temporal import ScaleUp
from vcl.layers.upsample import UpsampleBlock
from vcl.metrics.spectrum import map_variance, radial_amplitude
from vcl.query import Query
from vcl.report.feature_maps import CONVOLUTION, OPERATOR, SUM, Curve, FeatureMaps, block_paths

WITHOUT_MAPS = ("nerf", "siren", "tuner")
WITHOUT_BLOCKS = (*WITHOUT_MAPS, "liif", "videoinr")


def a_network(name, **knobs):
    """An untrained one for frames of 32 x 48, and a way to decode frames of a video of eight."""
    config = configs.from_dict({"backbone": {"name": name, **SMALL[name], **knobs}}).backbone
    network = backbones.build(config, (32, 48), 1)
    network.reset_parameters(0)
    network.add_session(0)
    own = {name: tensor.detach() for name, tensor in network.session_dicts()[0].items()}

    @torch.inference_mode()
    def decode(*frames):
        query = Query.of_video(0, torch.tensor(frames, dtype=torch.float64), 8, torch.device("cpu"), None, None)
        session = {name: tensor.repeat(len(frames), *[1] * tensor.dim()) for name, tensor in own.items()}
        rows = {name: (2,) if name in network.key_frames else () for name in network.frame_tensors}
        frame = {name: torch.rand(len(frames), *rows[name], *shape) for name, shape in network.frame_tensors.items()}
        return network.answer(query, session, frame)

    return network, decode


@pytest.mark.parametrize("name", SMALL)
def test_every_backbone_can_be_watched_and_gives_the_same_frames(name):
    has_blocks = name not in WITHOUT_BLOCKS
    network, decode = a_network(name, **({"operator_block": 1} if has_blocks else {}))
    torch.manual_seed(1)
    alone = decode(0, 5).frames
    with FeatureMaps(network) as maps:
        torch.manual_seed(1)
        assert torch.equal(decode(0, 5).frames, alone)
        numbers = maps.take()
    assert not any(module._forward_hooks for module in network.modules())
    assert bool(numbers.variance) == (name not in WITHOUT_MAPS)
    assert all(variance > 0 for variance in numbers.variance.values())
    groups = {curve.group: [] for curve in numbers.amplitude}
    for curve in numbers.amplitude:
        groups[curve.group].append(curve.path)
    if has_blocks:
        assert groups.pop("block 1") == [SUM, CONVOLUTION, OPERATOR]
    assert all(paths == [""] for paths in groups.values())


def test_numbers_are_means_over_the_frames_since_the_last_call():
    network, decode = a_network("nerv")
    with FeatureMaps(network) as maps:
        decode(0, 1)
        decode(5)
        together = maps.take()
        singly = []
        for t in (0, 1, 5):
            decode(t)
            singly.append(maps.take())
        assert not maps.take().variance
    for name, variance in together.variance.items():
        assert variance == pytest.approx(sum(numbers.variance[name] for numbers in singly) / 3)
    curve = Curve("block 2")
    _, amplitude = together.amplitude[curve]
    assert amplitude == pytest.approx(sum(numbers.amplitude[curve][1] for numbers in singly) / 3)


def test_a_last_block_whose_forward_is_never_called_is_seen_activated_and_its_spectrum_is_not():
    network, decode = a_network("nerv", operator_block=1)
    given = []
    network.blocks[1].conv.register_forward_hook(lambda module, inputs, output: given.append(output))
    with FeatureMaps(network) as maps:
        decode(3)
        numbers = maps.take()
    raw = F.pixel_shuffle(given[0], 2)
    assert numbers.variance["blocks.1"] == pytest.approx(map_variance(F.silu(raw)).item())
    assert numbers.amplitude[Curve("block 2")][1] == pytest.approx(radial_amplitude(raw)[0])


def blocks():
    operator, x = FourierOperator(3, 2, (6, 8)), torch.rand(1, 3, 6, 8)
    convolution = nn.Conv2d(3, 8, 3, padding=1)
    block = UpsampleBlock(convolution, operator, 2)
    yield block, convolution, x, block.raw(x)
    light = LightUp(3, 2, 2)
    yield LightBlock(light, operator, "silu"), light, x, light(x) + operator(x, (12, 16))
    transposed = nn.ConvTranspose2d(3, 2, 2, stride=2)
    yield ScaleUp(transposed, operator, 2), transposed, x, ScaleUp(transposed, operator, 2)(x)


@torch.no_grad()
def test_the_two_paths_of_a_block_sum_to_its_output_before_activation():
    for block, convolution, x, output in blocks():
        maps = block_paths(block, {OPERATOR: block.operator(x, (12, 16)), CONVOLUTION: convolution(x)})
        assert torch.equal(maps[SUM], output)
        assert torch.equal(maps[CONVOLUTION] + maps[OPERATOR], output)
        assert next(iter(maps)) == SUM


def test_an_operator_on_its_own_is_named_so():
    network, decode = a_network("nerv", operator_block=2, operator_path="only")
    with FeatureMaps(network) as maps:
        decode(0)
        assert list(maps.take().amplitude) == [Curve("block 1"), Curve("block 2", OPERATOR)]

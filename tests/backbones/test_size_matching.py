import pytest

from vcl import backbones
from vcl import config as configs
from vcl.errors import ConfigError


@pytest.mark.parametrize("factor", [0.2, 0.3, 1.0, 2.5])
def test_a_matched_network_takes_the_bytes_that_it_is_given(factor):
    size = ["stream.size=[180,320]", "backbone.stem_width=96", "backbone.channels=48", "backbone.strides=[5,2,2]"]
    size += ["backbone.lower_width=32", "method.name=single_matched"]
    asked = int(factor * 5_000_000)
    network = backbones.of_run(configs.load(None, [*size, f"method.session_bytes={asked}"]), 1)
    network.add_session(0)
    stored = 4 * sum(parameter.numel() for parameter in network.parameters())
    assert 0.985 * asked < stored <= asked


def test_a_network_that_cannot_be_small_enough_is_refused(tiny_config):
    with pytest.raises(ConfigError, match=r"method.session_bytes must hold the smallest network of this kind, got 10"):
        backbones.of_run(tiny_config("single_matched", method={"session_bytes": 10}), 1)


def test_a_matched_network_whose_first_block_narrows_is_found(tiny_config):
    config = tiny_config("single_matched", method={"session_bytes": 30_000}, backbone={"expansion": 0.4})
    network = backbones.of_run(config, 1)
    assert 20_000 < 4 * sum(shape.numel() for shape in network.shapes().values()) <= 30_000

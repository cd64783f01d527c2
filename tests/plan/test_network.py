"""How large a network is and what a frame costs, without its numbers."""

from vcl.plan.network import macs_of


def test_operations_of_a_tiny_network_by_hand(tiny_config):
    stem = 24 * 16 + 16 * 768
    block_1 = (8 * 12) * 9 * 8 * 32
    operator = 2 * (4 * 6) * 4 * 8 * 8
    block_2 = (16 * 24) * 9 * 8 * 24
    head_before_the_shuffle = (16 * 24) * 24 * 12
    assert macs_of(tiny_config("wsn")) == stem + block_1 + block_2 + head_before_the_shuffle
    assert macs_of(tiny_config()) == macs_of(tiny_config("wsn")) + operator

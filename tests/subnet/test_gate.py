import pytest
import torch
from never_waiting import never_waiting

from vcl.layers.masked import MaskedWeight
from vcl.subnet.gate import Gate, restore_by_bits, restore_by_where
from vcl.subnet.ledger import Ledger, as_bits

# 1.5, -0, a NaN with a payload, another, the smallest number and infinity.
BITS = torch.tensor([0x3FC00000, -(2**31), 0x7F812345, -0x3EDCBB, 1, 0x7F800000], dtype=torch.int32)


@pytest.mark.parametrize("by_bits", [True, False])
def test_sealed_weights_come_back_to_the_bit_and_free_ones_stay(by_bits):
    sealed = torch.tensor([True, False] * 18).view(6, 6)
    was, now = BITS.repeat(6).view(6, 6), BITS.repeat_interleave(6).view(6, 6)
    value = now.clone().view(torch.float32)
    if by_bits:
        restore_by_bits(value, ~as_bits(sealed), was * sealed)
    else:
        restore_by_where(value, sealed, was)
    expected = [[was[i, j] if sealed[i, j] else now[i, j] for j in range(6)] for i in range(6)]
    assert value.view(torch.int32).tolist() == torch.tensor(expected).tolist()


@pytest.mark.gpu
def test_a_gate_on_a_gpu_restores_the_same_bits_and_never_waits_for_the_device():
    shape = torch.Size((64, 1000))
    source = torch.Generator().manual_seed(0)
    values = torch.randint(-(2**31), 2**31, shape, generator=source).to(torch.int32).view(torch.float32)
    sealed = torch.rand(shape, generator=source) < 0.3
    ledger = Ledger({"layer": shape}, "shared_masked")
    ledger.seal({"layer": values}, {"layer": sealed}, {})
    weight = MaskedWeight(torch.nn.Parameter(torch.zeros(shape, device="cuda")))
    gate = Gate({"layer": weight}, ledger)
    with never_waiting():
        gate.restore()
    restored = weight.value.detach().cpu().view(torch.int32)
    assert torch.equal(restored, values.view(torch.int32) * sealed)

import torch

from vcl.layers.modulation import modulated


def test_each_channel_gets_the_mean_and_the_deviation_that_it_is_told():
    x = 5 + 3 * torch.randn(2, 3, 40, 50, generator=torch.Generator().manual_seed(0))
    told = torch.tensor([[1.0, -2.0, 0.0, 7.0, 0.0, -1.0], [4.0, 0.5, 3.0, 0.0, 1.0, 2.0]])
    found = modulated(x, told)
    torch.testing.assert_close(found.mean((2, 3)), told[:, 3:], rtol=0, atol=1e-4)
    torch.testing.assert_close(found.std((2, 3), correction=0), told[:, :3].abs(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found[0, 1], modulated(x[:1, 1:2], torch.tensor([[-2.0, 0.0]]))[0, 0])
    torch.testing.assert_close(modulated(x, told, around=1), modulated(x, told + torch.tensor([1.0] * 3 + [0.0] * 3)))

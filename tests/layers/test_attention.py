import torch
from torch import nn

from vcl.layers.attention import SelfAttention, TokenBlock


def drawn(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_attention_is_that_of_pytorch():
    ours, theirs = SelfAttention(8, 2, 4), nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.parts.weight)
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)
    tokens = drawn((3, 5, 8))
    torch.testing.assert_close(ours(tokens), theirs(tokens, tokens, tokens, need_weights=False)[0])


def test_heads_may_be_wider_or_narrower_than_a_token():
    assert SelfAttention(6, 2, 5)(drawn((2, 4, 6))).shape == (2, 4, 6)


def test_a_block_adds_attention_and_then_two_layers_of_each_token():
    block, tokens = TokenBlock(6, 2, 3, 4), drawn((2, 5, 6))
    attended = tokens + block.attention(tokens)
    by_token = block.narrow(nn.GELU()(block.wide(attended[:, 2])))
    torch.testing.assert_close(block(tokens)[:, 2], attended[:, 2] + by_token)


def test_tokens_may_come_in_any_order():
    block, tokens, order = TokenBlock(6, 2, 3, 4), drawn((2, 5, 6)), torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(block(tokens)[:, order], block(tokens[:, order]))

"""Attention among the tokens of a row."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """``(B, N, width)`` to the same shape: each token takes from all tokens of its row, whatever their order.

    Args:
        width: of a token.
        heads: weighings of the tokens, side by side.
        head_width: numbers that each head compares, and that it takes.

    Source:
        Vaswani et al., NeurIPS 2017, arXiv:1706.03762. Differs: no bias before the weighing.
    """

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, head_width**-0.5
        self.parts = nn.Linear(width, 3 * heads * head_width, bias=False)
        self.out = nn.Linear(heads * head_width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Softmax of the products of queries and keys, over √``head_width``; then the sums of values, and a layer."""
        query, key, value = self.parts(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        taken = ((query * self.scale) @ key.mT).softmax(dim=-1) @ value
        out: Tensor = self.out(taken.transpose(1, 2).flatten(2))
        return out


class TokenBlock(nn.Module):
    """``(B, N, width)`` to the same shape: attention, then two layers for each token, both added to what they take.

    Args:
        width: of a token.
        heads: as of ``SelfAttention``.
        head_width: as of ``SelfAttention``.
        hidden_width: between the two layers, where GELU is.

    Source:
        Li et al., ECCV 2022, arXiv:2207.08132, where the transformer has no norms.
    """

    def __init__(self, width: int, heads: int, head_width: int, hidden_width: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, head_width)
        self.wide, self.narrow = nn.Linear(width, hidden_width), nn.Linear(hidden_width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Both residual steps."""
        tokens = tokens + self.attention(tokens)
        further: Tensor = self.narrow(F.gelu(self.wide(tokens)))
        return tokens + further

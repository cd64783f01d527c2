"""What a mask should be, by other means."""

import torch


def first_of_the_largest(score, keep, signed):
    """The mask by a full sort, which has NaN as the largest and leaves equal numbers in their order."""
    rank = (score if signed else score.abs()).flatten()
    chosen = torch.zeros(score.numel(), dtype=torch.bool, device=score.device)
    chosen[rank.sort(descending=True, stable=True).indices[:keep]] = True
    return chosen.view(score.shape)

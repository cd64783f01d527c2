"""Several processes that train one run together, one device each, as ``torchrun`` starts them.

Every rank has the whole network and takes its part of the frames of each step; gradients are averaged, so that all go
on with the same bits. What reaches one process alone, such as a signal, is agreed on; rank 0 alone writes.
"""

from vcl.ranks.group import ALONE, Agreement, Ranks
from vcl.ranks.join import joined

__all__ = ["ALONE", "Agreement", "Ranks", "joined"]

"""Real processes that train one run together."""

import socket

import pytest
from warm_process import VCL, WarmProcess


def start_ranks(words, world=2, code=VCL):
    """Start ``vcl WORDS``, or other code, as so many ranks, as a launcher does; gives them by rank."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    meeting = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": str(world)}
    ranks = []
    for rank in range(world):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**meeting, "RANK": str(rank), "LOCAL_RANK": str(rank)}.items():
                patch.setenv(name, value)
            ranks.append(WarmProcess(code, words))
    return ranks


def ended(ranks):
    """The exit status of each rank, and all that they said."""
    said = "".join(rank.communicate()[1] for rank in ranks)
    return [rank.poll() for rank in ranks], said

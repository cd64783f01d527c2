"""What sessions share: overlap of their masks and age of their weights, by hand."""

import pytest
import torch

from vcl.report.subnetworks import age, overlap, subnetworks_of

# Ten weights in two layers: session 0 uses 4 of them, session 1 uses 5 and shares 2, session 2 shares 1 with either
# of them, one of which is in both.
LAYERS = [
    [torch.tensor(bits, dtype=torch.bool) for bits in ([1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 1, 0], [0, 0, 0, 1, 0, 1])],
    [torch.tensor(bits, dtype=torch.bool).view(2, 2) for bits in ([1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1])],
]


def test_overlap_is_the_share_of_a_mask_that_lies_in_another():
    assert overlap(LAYERS) == [[1, 2 / 4, 1 / 4], [2 / 5, 1, 2 / 5], [1 / 4, 2 / 4, 1]]


def test_each_weight_in_use_belongs_to_the_session_that_used_it_first():
    assert age(LAYERS) == [[1, 0, 0], [2 / 5, 3 / 5, 0], [1 / 4, 1 / 4, 2 / 4]]


def test_masks_of_a_run_overlap_in_full_with_themselves_and_ages_sum_to_one(finished_run):
    folder = finished_run("pfnr")[1]
    found = subnetworks_of(folder)
    shared, ages = found.overlap, found.age
    sessions = folder.sessions()
    assert [shared[s][s] for s in range(sessions)] == [1] * sessions
    assert [sum(row) for row in ages] == pytest.approx([1] * sessions)
    assert ages[0] == [1] + [0] * (sessions - 1)
    new = folder.events("session")[1]["layers"]
    assert ages[1][1] == pytest.approx(sum(layer["new"] for layer in new) / sum(layer["used"] for layer in new))
    assert shared[1][0] == ages[1][0]  # All that the second session did not add, the first had.


def test_a_method_without_masks_has_neither(dense):
    assert subnetworks_of(dense) is None


def test_before_the_first_session_there_is_neither(make_run):
    assert subnetworks_of(make_run(done=0)) is None

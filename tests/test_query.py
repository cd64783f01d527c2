import torch

from vcl.query import Query


def test_a_query_keeps_what_was_asked_and_leaves_the_normalisation_of_time_to_the_network():
    query = Query.of_video(3, range(1, 3), 4)
    assert query.session.tolist() == [3, 3]
    assert query.t.tolist() == [1, 2]
    assert query.frames.tolist() == [4, 4]
    assert query.fraction.tolist() == [0.25, 0.5]


def test_a_query_survives_the_batches_of_a_stock_loader():
    windowed = Query.of_video(2, torch.tensor([0.5]), 8, window=(1, 2, 3, 4))
    assert windowed.tensor().tolist() == [[2, 0.5, 8, 1, 2, 3, 4]]
    for query in (windowed, Query.of_video(2, range(8), 8)):
        again = Query.of_tensor(query.tensor())
        assert torch.equal(again.tensor(), query.tensor())
        assert (again.window is None) == (query.window is None)

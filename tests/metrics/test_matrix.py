import pytest

from vcl.errors import VclError
from vcl.metrics.matrix import SessionMatrix, forward_transfer

# Three sessions. Video 0: 30 -> 26 -> 28; video 1: 32 -> 31; video 2: 35. Above the diagonal: still to come.
ROWS = [[30.0, 9.0, 8.0], [26.0, 32.0, 7.0], [28.0, 31.0, 35.0]]


def test_the_average_is_the_mean_of_the_last_row():
    assert SessionMatrix.of(ROWS).average() == pytest.approx((28 + 31 + 35) / 3)


def test_backward_transfer_compares_the_last_row_with_the_diagonal():
    assert SessionMatrix.of(ROWS).backward_transfer() == pytest.approx(((28 - 30) + (31 - 32)) / 2)


def test_forgetting_compares_the_last_row_with_the_best_that_each_video_ever_was():
    rows = [[30.0, None], [33.0, 32.0]]
    assert SessionMatrix.of(rows).forgetting() == 0.0
    assert SessionMatrix.of(rows).backward_transfer() == pytest.approx(3.0)
    assert SessionMatrix.of(ROWS).forgetting() == pytest.approx(((30 - 28) + (32 - 31)) / 2)


def test_the_best_of_a_video_does_not_count_before_its_own_session():
    rows = [[30.0, 50.0, None], [30.0, 32.0, None], [30.0, 31.0, 35.0]]
    assert SessionMatrix.of(rows).forgetting() == pytest.approx((0 + 1) / 2)


def test_a_video_that_got_better_does_not_make_up_for_one_that_was_forgotten():
    rows = [[30.0, None, None], [30.0, 32.0, None], [34.0, 28.0, 35.0]]
    assert SessionMatrix.of(rows).backward_transfer() == pytest.approx(0.0)
    assert SessionMatrix.of(rows).forgetting() == pytest.approx((0 + 4) / 2)


def test_nothing_forgotten_reads_as_a_plus_zero():
    matrix = SessionMatrix.of([[30.0, None], [30.0, 32.0]])
    assert f"{matrix.forgetting():.2f} {matrix.backward_transfer():.2f}" == "0.00 0.00"


def test_a_run_that_is_still_going_is_judged_by_the_rows_it_has():
    matrix = SessionMatrix.of(ROWS[:2])
    assert matrix.last == (26.0, 32.0)
    assert matrix.average() == pytest.approx(29.0)
    assert matrix.backward_transfer() == pytest.approx(-4.0)
    assert matrix.forgetting() == pytest.approx(4.0)


def test_one_session_says_nothing_of_forgetting():
    matrix = SessionMatrix.of(ROWS[:1])
    assert matrix.average() == 30.0
    assert matrix.backward_transfer() is None
    assert matrix.forgetting() is None


@pytest.mark.parametrize("rows", [[], [[None, None]], [[None, None], [None, None]]])
def test_a_metric_that_is_undefined_has_no_numbers(rows):
    matrix = SessionMatrix.of(rows)
    assert not matrix.defined
    assert (matrix.average(), matrix.backward_transfer(), matrix.forgetting()) == (None, None, None)


def test_videos_to_come_may_be_empty_and_change_nothing():
    empty = [[cell if j <= s else None for j, cell in enumerate(row)] for s, row in enumerate(ROWS)]
    full, lower = SessionMatrix.of(ROWS), SessionMatrix.of(empty)
    assert (full.average(), full.backward_transfer(), full.forgetting()) == (
        lower.average(),
        lower.backward_transfer(),
        lower.forgetting(),
    )


def test_an_empty_cell_of_the_diagonal_is_refused_and_named():
    with pytest.raises(VclError, match=r"every cell of its diagonal, got none at \[1, 1\]"):
        SessionMatrix.of([[30.0, 9.0], [30.0, None]])


def test_nothing_is_told_of_a_last_row_that_was_not_measured_whole():
    matrix = SessionMatrix.of([[30.0, 9.0], [None, 32.0]])
    assert (matrix.last, matrix.average(), matrix.backward_transfer(), matrix.forgetting()) == ((), None, None, None)


def test_rows_that_were_verified_by_hash_do_not_stand_in_the_way_of_a_whole_last_row():
    matrix = SessionMatrix.of([[30.0, None, None], [None, 32.0, None], [29.0, 32.0, 31.0]])
    assert matrix.average() == pytest.approx((29 + 32 + 31) / 3)
    assert matrix.backward_transfer() == pytest.approx((29 - 30 + 0) / 2)
    assert matrix.forgetting() == pytest.approx((1 + 0) / 2)


@pytest.mark.parametrize("rows", [[[30.0], [29.0, 31.0]], [[30.0], [29.0]], [[30.0, 9.0], [29.0]]])
def test_a_matrix_of_the_wrong_shape_is_refused(rows):
    with pytest.raises(VclError, match="row 1 of a session matrix must have a cell for every video"):
        SessionMatrix.of(rows)


def test_forward_transfer_is_the_mean_lead_over_training_from_scratch():
    assert forward_transfer({1: 25.0, 2: 27.0}, {1: 24.0, 2: 24.5}) == pytest.approx((1.0 + 2.5) / 2)


def test_forward_transfer_leaves_out_session_0_and_sessions_without_a_twin():
    assert forward_transfer({0: 40.0, 1: 25.0, 2: 27.0}, {0: 10.0, 1: 24.0}) == pytest.approx(1.0)
    assert forward_transfer({0: 40.0, 1: 25.0}, {0: 10.0}) is None


def test_rows_of_sessions_that_only_waited_say_nothing_of_forgetting():
    matrix = SessionMatrix.of([[None, None], [30.0, 32.0]])
    assert (matrix.average(), matrix.backward_transfer(), matrix.forgetting()) == (31.0, None, None)

import pytest

from vcl.sessions.schedule import share_of_rate


def test_learning_rate_rises_from_a_tenth_and_falls_to_nothing():
    assert share_of_rate(0, 0.2, 0.1) == pytest.approx(0.1)
    assert share_of_rate(0.1, 0.2, 0.1) == pytest.approx(0.55)
    assert share_of_rate(0.2, 0.2, 0.1) == pytest.approx(1)
    assert share_of_rate(0.6, 0.2, 0.1) == pytest.approx(0.5)
    assert share_of_rate(0.999999, 0.2, 0.1) == pytest.approx(0, abs=1e-9)
    assert share_of_rate(0, 0, 0.1) == pytest.approx(1)

import math

import pytest
import torch

from vcl.layers.encoding import (
    FrameEncoding,
    OctaveEncoding,
    PlaceTimeEncoding,
    PositionalEncoding,
    session_position_fraction,
    session_position_open,
    time_position,
)


def test_waves_are_sines_and_cosines_in_turn():
    found = PositionalEncoding(3, 2.0)(torch.tensor([0.0, 0.25]))
    angles = [math.pi * 0.25 * 2**level for level in range(3)]
    by_hand = [part for angle in angles for part in (math.sin(angle), math.cos(angle))]
    assert found[0].tolist() == [0, 1, 0, 1, 0, 1]
    assert found[1].tolist() == pytest.approx(by_hand, abs=1e-6)


def test_highest_wave_is_exact_to_float32():
    found = PositionalEncoding(40, 1.25)(torch.tensor([131 / 132], dtype=torch.float64))
    assert float(found[0, -2]) == pytest.approx(math.sin(math.pi * 131 / 132 * 1.25**39), abs=1e-6)


def test_places_of_a_thousand_sessions_are_apart_and_need_no_number_of_sessions():
    places = session_position_open(torch.arange(1000)).sort().values
    assert float(places[0]) > 0
    assert float(places[-1]) < 1
    assert float(places.diff().min()) > 0.0003


def test_parity_place_is_the_published_fraction():
    assert session_position_fraction(torch.tensor([0, 1, 2]), 3).tolist() == [0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("kind", "positions"),
    [("from_zero", [0, 0.25, 0.5, 0.75]), ("to_one", [0.25, 0.5, 0.75, 1]), ("both_ends", [0, 1 / 3, 2 / 3, 1])],
)
def test_a_frame_has_one_of_three_positions_in_its_video(kind, positions):
    t = torch.arange(4)
    assert time_position(t, torch.full_like(t, 4), kind).tolist() == pytest.approx(positions)
    assert time_position(torch.tensor([0]), torch.tensor([1]), kind).tolist() == [float(kind == "to_one")]


def test_a_frame_is_its_time_and_where_asked_its_session():
    session, t, frames = torch.tensor([0, 3]), torch.tensor([1.0, 4.0]), torch.tensor([5.0, 5.0])
    alone, both = (FrameEncoding(3, 2.0, "both_ends", sessions) for sessions in (False, True))
    assert (alone.width, both.width) == (6, 12)
    assert torch.equal(alone.of_frames(session, t, frames), alone(torch.tensor([0.25, 1.0])))
    found = both.of_frames(session, t, frames)
    assert torch.equal(found[:, :6], alone.of_frames(session, t, frames))
    assert torch.equal(found[:, 6:], both(session_position_open(session)))


def test_waves_of_a_place_are_those_of_the_published_formula():
    time, place = torch.tensor([0.25, 0.5]), torch.tensor([[0.125, 0.375], [0.9, 0.1]])
    found = PlaceTimeEncoding(3, 2.0)(time, place)
    for row in range(2):
        (y, x), t, waves = place[row].tolist(), float(time[row]), []
        for b in (1, 2, 4):
            turns = 2 * math.pi * b
            angle = (turns + math.sin(turns * x) / b + math.sin(turns * y) / b) * t
            waves += [math.cos(angle), math.sin(angle)]
        assert found[row].tolist() == pytest.approx(waves, abs=1e-6)


def test_places_do_not_matter_at_time_zero():
    found = PlaceTimeEncoding(3, 2.0)(torch.zeros(2), torch.tensor([[0.125, 0.375], [0.9, 0.1]]))
    assert found.tolist() == [[1, 0] * 3] * 2


def test_each_coordinate_turns_half_a_turn_once_twice_and_so_on():
    of_half, of_whole = OctaveEncoding(3)(torch.tensor([[0.5], [1.0]])).tolist()
    expected = [math.sin(math.pi / 2), 0, 0, 0, -1, 1]
    torch.testing.assert_close(torch.tensor(of_half), torch.tensor(expected), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.tensor(of_whole), torch.tensor([0.0, 0, 0, -1, 1, 1]), atol=1e-5, rtol=0)


def test_coordinates_stand_side_by_side():
    points = torch.tensor([[[0.1, -0.4, 0.7], [0.0, 0.2, 1.0]]])
    encoded = OctaveEncoding(4)(points)
    assert encoded.shape == (1, 2, 24)
    for axis in range(3):
        alone = OctaveEncoding(4)(points[..., axis : axis + 1])
        here = slice(4 * axis, 4 * axis + 4)
        torch.testing.assert_close(encoded[..., :12][..., here], alone[..., :4])
        torch.testing.assert_close(encoded[..., 12:][..., here], alone[..., 4:])

import torch

from vcl.layers.seams import assembled, blurred_seams


def test_patches_lie_line_by_line():
    patches = [torch.full((1, 1, 2, 3), float(number)) for number in range(6)]
    frame = assembled(patches, 3)
    assert frame.shape == (1, 1, 4, 9)
    assert frame[0, 0, ::2, ::3].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_only_pixels_near_a_seam_are_blurred():
    frames = torch.rand(2, 3, 24, 40, generator=torch.Generator().manual_seed(0))
    blurred = blurred_seams(frames, (12, 20), 1.0)
    rows, columns = (torch.arange(side) for side in (24, 40))
    near = ((rows >= 10) & (rows < 14))[:, None] | ((columns >= 18) & (columns < 22))
    assert torch.equal(blurred[..., ~near], frames[..., ~near])
    assert not bool((blurred == frames)[..., near].any())


def test_a_seam_is_blurred_by_a_gaussian():
    frames = torch.cat((torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)), dim=3)
    # Of the weights exp(-k² / 2) for k from -2 to 2, those right of a pixel.
    weights = [1.0, 0.60653066, 0.13533528]
    total = weights[0] + 2 * (weights[1] + weights[2])
    by_hand = [weights[2] / total, (weights[1] + weights[2]) / total]
    line = blurred_seams(frames, (8, 8), 1.0)[0, 0, 3]
    torch.testing.assert_close(line[6:10], torch.tensor([*by_hand, 1 - by_hand[1], 1 - by_hand[0]]))


def test_a_frame_of_one_patch_and_one_of_one_colour_have_no_seam():
    frames = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(blurred_seams(frames, (8, 12), 2.0), frames)
    torch.testing.assert_close(
        blurred_seams(torch.full((1, 3, 8, 12), 0.3), (4, 4), 3.0), torch.full((1, 3, 8, 12), 0.3)
    )

import pytest
from fake_run import TOGETHER, a_matrix
from rich.cells import cell_len

from vcl.errors import VclError
from vcl.report.tables import text_table
from vcl.report.terminal import matrix_text, proof_line, table_text


def test_the_matrix_reads_row_by_row_with_its_averages_below(masked):
    assert matrix_text(masked).splitlines() == [
        "run: WSN, c = 30 %, PSNR after each session",
        "after session     bear    camel     swan    mean",
        "────────────────────────────────────────────────",
        "0 bear           30.00   (9.00)   (8.00)   30.00",
        "1 camel          26.00    32.00   (7.00)   29.00",
        "2 swan           28.00    31.00    35.00   31.33",
        "(in brackets: still to come, decoded with the latest session's mask)",
        "average 31.33 dB, backward transfer -1.50 dB, forgetting 1.50 dB",
        "nothing forgotten: 2 of 2 earlier videos decode bit for bit as sealed",
    ]


def test_videos_whose_hashes_changed_are_named_with_what_they_lost():
    matrix = a_matrix()
    matrix["rows"][2]["sha256"][0] = "cd"
    assert proof_line(matrix) == "changed: bear 30.00 to 28.00 dB"


ODD = ("clip [abc123]", "a[/b]", ":smile:")
"""Names that rich would take as its markup and its emoji."""


def test_names_in_brackets_stand_as_they_are():
    lines = table_text(a_matrix(names=ODD)).splitlines()
    assert all(name in lines[0] for name in ODD)
    assert [name in line for name, line in zip(ODD, lines[2:5], strict=True)] == [True] * 3
    assert text_table([("head [red]", "x"), *((name, "1") for name in ODD)]).splitlines() == [
        "head [red]      x",
        "─────────────────",
        "clip [abc123]   1",
        "a[/b]           1",
        ":smile:         1",
    ]


def test_one_session_proves_nothing():
    assert proof_line(a_matrix(done=1)) == ""


def test_a_run_that_is_still_going_shows_the_rows_it_has():
    psnr = [[30.0, None, None], [26.0, 32.0, None]]
    lines = table_text(a_matrix(psnr)).splitlines()
    assert lines[2:] == [
        "0 bear          30.00                  30.00",
        "1 camel         26.00   32.00          29.00",
        "average 29.00 dB, backward transfer -4.00 dB, forgetting 4.00 dB",
    ]


@pytest.mark.parametrize(
    ("state_kind", "how"),
    [("shared_latest", "the latest network"), ("per_session", "the network of the latest video")],
)
def test_videos_still_to_come_are_said_to_be_decoded_with_what_the_method_has(state_kind, how):
    assert f"(in brackets: still to come, decoded with {how})" in table_text(a_matrix(), state_kind=state_kind)


def test_a_run_of_one_network_speaks_of_no_mask(dense):
    assert "mask" not in matrix_text(dense)


def test_where_no_video_to_come_was_decoded_nothing_is_said_of_brackets():
    psnr = [[30.0, None, None], [26.0, 32.0, None], [28.0, 31.0, 35.0]]
    assert "brackets" not in table_text(a_matrix(psnr))


def a_stream(sessions, name="v"):
    """A matrix of any size: every video loses 0.1 dB a session, those to come have 9 dB."""
    psnr = [[30.0 - 0.1 * (s - j) if j <= s else 9.0 for j in range(sessions)] for s in range(sessions)]
    return a_matrix(psnr, names=[f"{name}{j}" for j in range(sessions)])


@pytest.mark.parametrize("width", [40, 100])
@pytest.mark.parametrize("name", ["v", "a-rather-long-name-of-a-video-file-" * 3, "長い名前のビデオ" * 5])
@pytest.mark.parametrize("sessions", [3, 17, 50])
def test_no_line_is_wider_than_the_terminal(sessions, name, width):
    lines = table_text(a_stream(sessions, name), width=width, csv="runs/" + "x" * 60).splitlines()
    assert max(map(cell_len, lines)) <= width


def test_before_columns_are_given_up_videos_to_come_are():
    lines = table_text(a_stream(16), csv="runs/a/matrix.csv").splitlines()
    assert lines[0].split()[2:] == [*map(str, range(16)), "mean"]
    assert lines[3].split() == ["1", "v1", "29.9", "30.0", "29.9"]
    assert "(every cell: runs/a/matrix.csv)" in lines


def test_many_sessions_are_a_row_a_video_of_what_it_was_and_what_it_is():
    lines = table_text(a_stream(50), csv="runs/a/matrix.csv").splitlines()
    assert lines[0].split() == ["session", "learned", "after", "49", "change"]
    assert lines[2].split() == ["0", "v0", "30.00", "25.10", "-4.90"]
    assert lines[51].split() == ["49", "v49", "30.00", "30.00", "0.00"]
    assert lines[52] == "(every cell: runs/a/matrix.csv)"


def test_many_videos_that_were_learned_at_once_have_no_earlier_number():
    psnr = [*[[None] * 20] * 19, [30.0] * 20]
    assert table_text(a_matrix(psnr, names=[f"v{j}" for j in range(20)])).splitlines()[2].split() == [
        "0",
        "v0",
        "30.00",
    ]


def test_of_many_changed_videos_the_first_three_are_named():
    matrix = a_stream(50)
    for j in range(49):
        matrix["rows"][49]["sha256"][j] = "cd"
    named = "v0 30.00 to 25.10 dB, v1 30.00 to 25.20 dB, v2 30.00 to 25.30 dB"
    assert proof_line(matrix) == f"changed: {named} and 46 more"


def test_a_table_that_would_be_too_wide_has_numbers_for_names_and_a_digit_less():
    assert table_text(a_matrix(), width=48).splitlines()[0].split()[2:] == ["bear", "camel", "swan", "mean"]
    assert table_text(a_matrix(), width=47).splitlines()[:5] == [
        "after session     0     1     2 mean",
        "────────────────────────────────────",
        "0 bear         30.0 (9.0) (8.0) 30.0",
        "1 camel        26.0  32.0 (7.0) 29.0",
        "2 swan         28.0  31.0  35.0 31.3",
    ]


def test_another_metric_can_be_shown(masked):
    assert "0.775" in matrix_text(masked, "ssim")


def test_a_metric_that_is_undefined_says_so(masked):
    assert matrix_text(masked, "ms_ssim").splitlines()[1] == "MS-SSIM is n/a for frames of 18 x 32 pixels"


def test_a_run_without_a_row_is_refused(make_run):
    with pytest.raises(VclError, match="nothing to report yet"):
        matrix_text(make_run(done=0))


def test_videos_that_were_learned_all_at_once_prove_nothing():
    assert proof_line(a_matrix([[None] * 2, [30.0, 31.0]])) == ""


def test_a_run_whose_videos_wait_has_no_numbers_yet(make_run):
    assert "PSNR is not measured yet" in matrix_text(make_run(psnr=TOGETHER, done=2))

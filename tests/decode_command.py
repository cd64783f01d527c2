"""``vcl decode`` in this process."""

from vcl.cli import main


def decode(*words):
    return main(["decode", *map(str, words)])


def refused(capsys, *words):
    """The one line that a command is refused with."""
    assert decode(*words) == 2
    line = capsys.readouterr().err
    assert line.startswith("vcl: ")
    assert line.count("\n") == 1
    return line[len("vcl: ") : -1]

import subprocess
import sys
from types import SimpleNamespace

import pytest

from vcl import origin


@pytest.fixture(autouse=True)
def asked_again():
    origin.commit.cache_clear()
    yield
    origin.commit.cache_clear()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one commit, of which the package is part."""
    package = tmp_path / "vcl"
    package.mkdir()
    (package / "run.py").write_text("1\n")
    identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(origin, "_PACKAGE", package)
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/env/bin/vcl", "run", "a b.yaml", "train.epochs=3"], "vcl run 'a b.yaml' train.epochs=3"),
        (["/src/vcl/__main__.py", "grid", "x.yaml"], "vcl grid x.yaml"),
        (["/env/bin/pytest", "-q"], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_command_of_a_process_is_known_where_it_is_vcl(argv, command, monkeypatch):
    monkeypatch.setattr(sys, "argv", argv)
    assert origin.command() == command


def test_a_commit_is_marked_where_files_differ_from_it(checkout):
    words = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    head = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    assert origin.commit() == head
    origin.commit.cache_clear()
    (checkout / "vcl" / "run.py").write_text("2\n")
    assert origin.commit() == f"{head}-dirty"


def test_an_installed_package_has_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(origin, "_PACKAGE", tmp_path / "vcl")
    assert origin.commit() is None


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 2)])
def test_without_an_answer_of_git_there_is_no_commit(error, tmp_path, monkeypatch):
    def fail(*words, **options):
        raise error

    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(origin, "_PACKAGE", tmp_path / "vcl")
    monkeypatch.setattr(subprocess, "run", fail)
    assert origin.commit() is None


def test_a_checkout_that_git_refuses_has_no_commit(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(origin, "_PACKAGE", tmp_path / "vcl")
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: SimpleNamespace(returncode=128, stdout=""))
    assert origin.commit() is None
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert origin.origin() == {}

"""Real processes that start at once, because they are forked from one that has already loaded what a run needs.

They have streams, signals and memory of their own and can be killed like any other. What the command loads and how it
starts is no matter for them: tests of that start new interpreters.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
from multiprocessing.reduction import DupFd
from subprocess import CompletedProcess

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["pytest", "vcl.cli", "vcl.decode", "vcl.listeners", "vcl.run", "vcl.report.summary", "vcl.sessions.trainer"]
)

VCL = "import sys; from vcl.cli import main; sys.exit(main(sys.argv[1:]))"


class WarmProcess:
    """A started process, with as much of ``subprocess.Popen`` as the tests need.

    Args:
        code: what it executes.
        words: its ``sys.argv[1:]``.
    """

    def __init__(self, code, words):
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            self._streams = [os.dup(stream.fileno()) for stream in (output, errors)]
            handles = [DupFd(stream) for stream in self._streams]
            self._process = _SERVER.Process(target=_execute, args=(code, [*map(str, words)], dict(os.environ), handles))
            self._process.start()

    def poll(self):
        """Its exit status, negative after a signal; None while it is running."""
        return self._process.exitcode

    def send_signal(self, number):
        """Send a signal to it."""
        os.kill(self._process.pid, number)

    def kill(self):
        """End it where it is."""
        self.send_signal(signal.SIGKILL)

    def communicate(self):
        """What it wrote to standard output and to standard error, when it has ended."""
        self._process.join()
        return tuple(map(_read, self._streams))


def start_vcl(*words):
    """Start ``vcl WORDS``."""
    return WarmProcess(VCL, words)


def run_vcl(*words):
    """What ``vcl WORDS`` said and how it ended."""
    return _completed(start_vcl(*words))


def run_python(code, *words):
    """What a script said and how it ended."""
    return _completed(WarmProcess(code, words))


def _completed(process):
    output, errors = process.communicate()
    return CompletedProcess([], process.poll(), output, errors)


def _read(stream):
    os.lseek(stream, 0, os.SEEK_SET)
    with os.fdopen(stream, encoding="utf-8") as file:
        return file.read()


def _execute(code, words, environment, handles):
    os.environ.clear()
    os.environ.update(environment)
    for number, handle in enumerate(handles, start=1):
        os.dup2(handle.detach(), number)
    sys.argv[1:] = words
    exec(code, {"__name__": "__main__"})

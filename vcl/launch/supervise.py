"""A command that ends with whoever asked for it, on a machine where nobody else would end it.

``python -m vcl.launch.supervise LOG WORDS...`` runs a command until standard input is closed, by its parent or by the
parent's death, however it died; then it stops the command as Ctrl-C does. The worker of a cluster is a process of many
threads that may be killed at any time: what must outlive it for a moment, so that the command saves its progress and
leaves nothing behind, is this process of one thread and little code.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from vcl.launch.job import is_killed

_PATIENCE = 30.0
"""Seconds for a command to save and end, once it is asked to; SLURM gives as many."""

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_PR_SET_PDEATHSIG = 1


class Supervised:
    """A command under a supervisor; made to be kept by whatever an engine runs on a machine.

    Args:
        words: the command.
        log: file that its output is appended to.
        folder: to run it in.
        environment: variables for it beside those of this process.
        retries: how often it is started again when it is killed.
    """

    def __init__(
        self, words: Sequence[str], log: Path, folder: Path, environment: Mapping[str, str], retries: int
    ) -> None:
        self.words, self.log, self.folder, self.environment = tuple(words), log, folder, dict(environment)
        self.retries = retries
        self._supervisor: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Run it to its end; whatever interrupts this, such as KeyboardInterrupt, stops the command first.

        Returns:
            Its exit status, negative when a signal ended it more often than it may be started again.
        """
        for _ in range(self.retries):
            if not is_killed(status := self._run_once()):
                return status
        return self._run_once()

    def _run_once(self) -> int:
        self._supervisor = self._started()
        try:
            # In short steps: an engine may interrupt this thread without a signal, which no system call would see.
            while (status := self._supervisor.poll()) is None:
                time.sleep(0.1)
        finally:
            self.stop()
        return status

    def stop(self) -> None:
        """Stop it gently, and wait until it has ended."""
        if self._supervisor is not None:
            assert self._supervisor.stdin is not None
            self._supervisor.stdin.close()
            self._supervisor.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "vcl.launch.supervise", str(self.log), *self.words],
            stdin=subprocess.PIPE,
            cwd=self.folder,
            env={**os.environ, **self.environment},
            start_new_session=True,
        )


def passed_environment() -> dict[str, str]:
    """Variables of this process that a command on another machine needs: where modules are, threads, and vcl's own.

    No key or password is among them.
    """
    return {key: value for key, value in os.environ.items() if key == "PYTHONPATH" or key.startswith(("VCL_", "OMP_"))}


def supervise(log: Path, words: Sequence[str], lifeline: int) -> int:
    """Run a command until it ends or a pipe is closed.

    Args:
        log: file that its output is appended to.
        words: the command.
        lifeline: descriptor of a pipe that nobody writes to.

    Returns:
        Exit status of the command, negative when a signal ended it.
    """
    for number in _STOPPING:
        signal.signal(number, lambda *_: None)  # The command gets such a signal of an engine too; it must end first.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)  # Ray's workers block some, and what they start inherits it.
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # SLURM's warnings, which are for the worker; they would end the command.
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_parent,
            )
        except OSError as error:
            output.write(f"vcl: {words[0]} cannot be started: {error.strerror}\n".encode())
            return 2
    threading.Thread(target=_stop_at_end_of, args=(lifeline, process), daemon=True).start()
    return process.wait()


def _stop_at_end_of(lifeline: int, process: subprocess.Popen[bytes]) -> None:
    os.read(lifeline, 1)
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)
    process.kill()


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent, the supervisor, is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _main() -> int:
    status = supervise(Path(sys.argv[1]), sys.argv[2:], sys.stdin.fileno())
    if status < 0:  # End by the same signal, so that the parent sees it.
        with suppress(OSError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(_main())

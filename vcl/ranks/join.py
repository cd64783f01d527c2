"""Joining the other ranks, and leaving them."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING

from vcl.errors import ConfigError, ForgettingError, Interrupted, RanksError, TrainingError, VclError
from vcl.ranks.group import ALONE, DisconnectedError, Ranks
from vcl.ranks.watch import Watch

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

_TO_MEET = timedelta(minutes=10)
"""How long ranks wait for each other when they start."""

_OF_ALL_RANKS = (ConfigError, ForgettingError, Interrupted, RanksError, TrainingError)
"""Errors that no rank has by itself, or that name it."""

_FOR_EVER = timedelta(days=365)
"""How long a rank waits for another that lives: for minutes and hours where one decodes more than the others."""


@contextmanager
def joined(environ: Mapping[str, str] = os.environ) -> Iterator[Ranks]:
    """Be one of the ranks that a launcher such as ``torchrun`` has started; alone where there is no launcher.

    CPU tensors travel by gloo, CUDA tensors by NCCL. Whatever ends the run is said once, by one rank; where a rank died
    without a word, the others end within a minute, and one of them names it. On ranks but the first, vcl logs nothing.

    Args:
        environ: has ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR`` and ``MASTER_PORT``.

    Raises:
        RanksError: a variable is missing, the others do not come, or one of them has died.
        SystemExit: another rank has said why the run ends.
    """
    ranks = _of(environ)
    if ranks.world == 1:
        yield ranks
        return
    # Read when torch is loaded: else its traces of a store that is gone would surround the one line that says why.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from torch import distributed

    if not ranks.is_first:
        logging.getLogger("vcl").setLevel(logging.CRITICAL)
    watch = _met(ranks, environ)
    with _terminated_as_interrupted() as ignore_from_now:
        try:
            yield ranks
            ranks.wait_for_all()  # Rank 0 may have a page or a tracker to finish, and is watched while it does.
            watch.stop()
            ranks.wait_for_all()  # Its process may hold the store, which nobody asks for anything from here on.
        except BaseException as error:
            ignore_from_now()
            watch.stop()
            watch.leave()
            reason, says = _reason(watch, error), watch.says_first()
            watch.linger()
            if not says:
                raise SystemExit(130 if isinstance(error, Interrupted | KeyboardInterrupt) else 2) from None
            if reason is error:
                raise
            raise reason from error
    distributed.destroy_process_group()


def _of(environ: Mapping[str, str]) -> Ranks:
    if not environ.get("WORLD_SIZE", "").isdecimal() or int(environ["WORLD_SIZE"]) <= 1:
        return ALONE
    missing = [name for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in environ]
    if missing:
        raise RanksError(
            f"ranks need {', '.join(missing)} in the environment beside WORLD_SIZE = {environ['WORLD_SIZE']}: start "
            "them by torchrun, or unset WORLD_SIZE to train in one process"
        )
    numbers = {name: environ[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")}
    for name, number in numbers.items():
        if not number.isdecimal():
            raise RanksError(f"{name} must be a whole number, got {number!r}")
    return Ranks(*(int(environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))


def _met(ranks: Ranks, environ: Mapping[str, str]) -> Watch:
    """Meet the others at a store, and begin to watch them."""
    import torch
    from torch.distributed import PrefixStore, TCPStore, init_process_group  # type: ignore[attr-defined]

    holds_store = ranks.is_first and environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    attempt = environ.get("TORCHELASTIC_RESTART_COUNT", "0")  # torchrun may start all ranks again beside one store.

    def store(of: str, holds: bool = False) -> Store:
        address = environ["MASTER_ADDR"], int(environ["MASTER_PORT"])
        whole = TCPStore(*address, is_master=holds, timeout=_TO_MEET, wait_for_workers=False)
        return PrefixStore(f"vcl/{attempt}/{of}", whole)

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        group_store = store("group", holds_store)
        watch = Watch(store("watch"), ranks.rank, ranks.world, holds_store)
        watch.start(_TO_MEET)
        init_process_group(backend, None, _FOR_EVER, ranks.world, ranks.rank, group_store)
        ranks.wait_for_all()
    except (RuntimeError, DisconnectedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RanksError(f"{ranks.world} ranks must meet, but rank {ranks.rank} cannot: {reason}") from error
    return watch


def _reason(watch: Watch, error: BaseException) -> BaseException:
    """What to raise in the place of an exception that ends this rank."""
    if isinstance(error, DisconnectedError | KeyboardInterrupt):
        if (lost := watch.lost()) is not None:
            return RanksError(f"{lost} has died; the same command resumes the run")
        if isinstance(error, DisconnectedError):
            return RanksError(f"rank {watch.rank} has lost the others: {error}")
    elif isinstance(error, VclError) and not isinstance(error, _OF_ALL_RANKS):
        return VclError(f"rank {watch.rank}: {error}")
    return error


@contextmanager
def _terminated_as_interrupted() -> Iterator[Callable[[], None]]:
    """Take SIGTERM, by which a launcher ends all ranks once one has ended, as Ctrl-C; yields what ignores it instead.

    So there is time for a word: a launcher waits half a minute before it kills.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def ignore() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    before = signal.signal(signal.SIGTERM, stop)
    yield ignore
    signal.signal(signal.SIGTERM, before)  # Not after an exception: whoever raised it has yet to say why it ends.

"""Signs of life: how ranks learn that one of them has died, whatever it died of."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

log = logging.getLogger(__name__)

BEAT = 1.0
"""Seconds between two signs of life."""

PATIENCE = 5.0
"""Seconds without a sign of life after which a rank has died, once something has gone wrong."""

LIMIT = 30.0
"""The same where nothing else has gone wrong: a process may be busy for long in code that lets no thread run."""

_LEFT = "left"


class Watch:
    """Writes this rank's signs of life into a store that all ranks share, and reads those of the others.

    Ages are counted by the clock of the rank that reads, from when it saw a sign change: no two clocks are compared.

    Args:
        store: for this object alone; calls to a store wait for each other.
        rank: of this process.
        world: how many there are.
        holds_store: whether the store ends with this process, which is rank 0 then.
        clock: gives seconds.
    """

    def __init__(
        self,
        store: Store,
        rank: int,
        world: int,
        holds_store: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self.rank, self._world, self._clock = store, rank, world, clock
        self._holds_store = holds_store
        self._beats = 0
        self._signs: dict[int, tuple[str, float]] = {}
        self._stopped = Event()
        self._leaving = False
        store.set(f"name/{rank}", f"process {os.getpid()} on {socket.gethostname()}")
        self.beat()
        self._thread = Thread(target=self._run, name="ranks", daemon=True)

    def start(self, limit: timedelta) -> None:
        """Begin, once every rank has given its first sign; RuntimeError where one has not by the limit."""
        self._store.wait([f"sign/{rank}" for rank in range(self._world)], limit)
        self._thread.start()

    def beat(self) -> None:
        """Give a sign of life, or of having left."""
        self._beats += 1
        self._store.set(f"sign/{self.rank}", _LEFT if self._leaving else str(self._beats))

    def leave(self) -> None:
        """Say that this rank ends, and has not died."""
        self._leaving = True
        with suppress(RuntimeError):  # The store may be gone.
            self.beat()

    def linger(self) -> None:
        """Ask the store for nothing more; where it ends with this process, let the others do so before, and see why."""
        with suppress(RuntimeError):  # The store may be gone.
            self._store.set(f"done/{self.rank}", "")
        until = self._clock() + 2 * BEAT
        everyone = [f"done/{rank}" for rank in range(self._world)]
        while self._holds_store and not self._store.check(everyone) and self._clock() < until:
            time.sleep(BEAT / 4)

    def stop(self) -> None:
        """Give no more signs, and look for none but in ``lost``."""
        self._stopped.set()
        self._thread.join(BEAT + PATIENCE)

    def lost(self, patience: float = PATIENCE) -> str | None:
        """Look until each other rank has left, given another sign of life, or died.

        Returns:
            The rank that died, with its process and machine; None where none did.
        """
        try:
            return self._lost(patience)
        except RuntimeError:  # The store is gone.
            return None if self._first_left() else "the rank that holds the store"

    def says_first(self) -> bool:
        """Whether this is the first rank that says why the run ends; the others then say nothing."""
        try:
            return bool(self._store.add("said", 1) == 1)
        except RuntimeError:  # The store is gone.
            return not self._first_left()

    def _lost(self, patience: float) -> str | None:
        self._ages()
        signs = dict(self._signs)  # A sign that came before this moment says nothing of what happened since.
        while True:
            silent = {rank: age for rank, age in self._ages().items() if self._signs[rank] == signs[rank]}
            if not silent:
                return None
            if dead := [rank for rank, age in silent.items() if age > patience]:
                return self._name_of(dead[0])
            time.sleep(BEAT / 4)

    def _first_left(self) -> bool:
        """Whether rank 0, which may have held the store, was seen to have left: it has said why."""
        return self._signs.get(0, ("", 0.0))[0] == _LEFT

    def _ages(self) -> dict[int, float]:
        """Seconds since the last sign of each other rank that has not left."""
        now = self._clock()
        others = [rank for rank in range(self._world) if rank != self.rank]
        signs = self._store.multi_get([f"sign/{rank}" for rank in others])
        for rank, sign in zip(others, (sign.decode() for sign in signs), strict=True):
            if self._signs.get(rank, ("", 0.0))[0] != sign:
                self._signs[rank] = sign, now
        return {rank: now - at for rank, (sign, at) in self._signs.items() if sign != _LEFT}

    def _name_of(self, rank: int) -> str:
        return f"rank {rank} ({self._store.get(f'name/{rank}').decode()})"

    def _run(self) -> None:
        while not self._stopped.wait(BEAT):
            try:
                self.beat()
                dead = [rank for rank, age in self._ages().items() if age > LIMIT]
                line = f"{self._name_of(dead[0])} gives no sign of life" if dead else None
            except RuntimeError as error:
                reason = " ".join(str(error).split())[:200]
                line = f"torchrun or rank 0, through which ranks find each other, is gone ({reason})"
            if line is not None and not self._stopped.is_set():
                self._end(line)

    def _end(self, line: str) -> None:
        """End this process, whose main thread may wait for a device for ever."""
        if self.says_first():
            log.critical("vcl: %s; the same command resumes the run", line)
        os._exit(2)

"""A home folder for libraries that need one."""

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path


def lend_home() -> None:
    """Give this process a temporary home folder, until it ends, where the user has no writable one.

    Without a home, the W&B client and the whole of Avalanche fail when they are imported, or create a folder called
    ``~``. The parts of Avalanche that ``vcl.sessions`` imports need none.
    """
    home = None
    with suppress(RuntimeError):  # No $HOME, and a user unknown to the system.
        home = Path.home()
        if os.access(home, os.W_OK | os.X_OK):
            return
    with suppress(OSError):  # Without room for temporary files, the libraries raise their own errors.
        temporary_home = tempfile.mkdtemp(prefix="vcl-")
        atexit.register(shutil.rmtree, temporary_home, ignore_errors=True)
        os.environ["HOME"] = temporary_home
        if home is not None:  # Cached clips in it can still be read.
            os.environ.setdefault("VCL_CACHE", str(home / ".cache" / "vcl"))

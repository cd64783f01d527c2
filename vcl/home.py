"""A home folder for libraries that need one."""

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path


def lend_home() -> None:
    """Give this process a home folder of its own, until it ends, where the user has none that can be written to.

    Without one, the W&B client and Avalanche as a whole fail when they are imported, or make a folder called ``~``.
    What ``vcl.sessions`` imports of Avalanche needs none.
    """
    home = None
    with suppress(RuntimeError):  # No $HOME, and a user whom the system does not know.
        home = Path.home()
        if os.access(home, os.W_OK | os.X_OK):
            return
    with suppress(OSError):  # Where there is no room for temporary files either, the libraries say so.
        lent = tempfile.mkdtemp(prefix="vcl-")
        atexit.register(shutil.rmtree, lent, ignore_errors=True)
        os.environ["HOME"] = lent
        if home is not None:  # Clips may lie there and be read.
            os.environ.setdefault("VCL_CACHE", str(home / ".cache" / "vcl"))

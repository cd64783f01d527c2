"""Where libraries keep their own files, for a user without a home folder."""

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path


def lend_home() -> None:
    """Give matplotlib and the W&B client a folder for this process where there is no home to write to.

    Without one they fail, or make a folder called ``~``. What the user has set stays.
    """
    try:
        home = Path.home()
    except RuntimeError:  # No $HOME, and a user whom the system does not know.
        names = ["XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "WANDB_CONFIG_DIR", "MPLCONFIGDIR"]
    else:
        if os.access(home, os.W_OK):
            return
        # Settings are still read from there.
        names = ["XDG_CACHE_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR"]
    names = [name for name in names if not os.environ.get(name)]
    with suppress(OSError):  # Without room for temporary files the libraries have to see for themselves.
        lent = tempfile.mkdtemp(prefix="vcl-")
        atexit.register(shutil.rmtree, lent, ignore_errors=True)
        os.environ.update({name: str(Path(lent, name.lower())) for name in names})

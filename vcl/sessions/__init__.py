"""Training, one video at a time. The only room that knows Avalanche.

Importing anything in here imports Avalanche, which takes seconds: import it from the code that trains.
"""

import json
from contextlib import suppress
from pathlib import Path

from vcl.home import lend_home
from vcl.whole_file import whole_file


def _settle_avalanche() -> None:
    """Write the file that Avalanche makes in the home folder when it is imported.

    It would write it in place: of two processes that start together, one could read half of it and fail.
    """
    path = Path.home() / ".avalanche" / "config.json"
    with suppress(OSError, ValueError):
        json.loads(path.read_text(encoding="utf-8"))
        return
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        with whole_file(path) as draft:
            draft.file.write(json.dumps({"dataset_location": str(path.parent / "data")}).encode())


lend_home()
_settle_avalanche()

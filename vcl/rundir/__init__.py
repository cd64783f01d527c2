"""The one room that knows a run folder's layout.

::

    config.yaml              the whole config, defaults included
    resolved.yaml            the same with every width of the network known
    appended.json            videos that the run took when it was finished, by ``vcl append``
    versions.json            libraries, machine, command and commit of every start of the run
    events.jsonl             what happened, one line per event; the truth that all others read
    matrix.json, matrix.csv  one measured row per session
    sessions/000.safetensors what session 0 added: packed masks, new weights, its own tensors, buffer
    frames/000_true.png      the middle frame of session 0's video, to be shown; not needed to decode
    frames/000_decoded.png   the same as decoded when that video was measured for the first time
    checkpoint.safetensors   training state, to go on from; not needed to decode
    report.html              made by ``vcl report`` or ``vcl run --report``
    statistics.json          made by ``vcl stats``: variance and spectra of feature maps and frames
    figures/                 made by ``vcl plot`` and ``vcl stats``
    wandb/                   the run on Weights & Biases, unless that is disabled; wandb_id and wandb_name know it there
    tensorboard/             the run on TensorBoard, where ``track`` names it

Every file but the events appears whole or not at all. The events are only ever appended to: a run that was killed and
went on may tell of an epoch twice, and the later line holds.
"""

from vcl.rundir.events import Event, Listener
from vcl.rundir.folder import RunFolder
from vcl.rundir.followed import FollowedFolder
from vcl.rundir.search import run_folders
from vcl.rundir.tensors import SessionNotes

__all__ = ["Event", "FollowedFolder", "Listener", "RunFolder", "SessionNotes", "run_folders"]

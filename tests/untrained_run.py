"""A run folder whose network was never trained: cheap, and it decodes."""

import torch

from vcl import backbones
from vcl.rundir import RunFolder, SessionNotes
from vcl.subnet.ledger import Ledger


def untrained_run(path, config, clips):
    """Seal the first values of the network, one of its own for each of the clips.

    Args:
        path: of the folder.
        config: of a method without masks.
        clips: of the stream.
    """
    network = backbones.of_run(config, sessions=len(clips))
    ledger, layout = Ledger(network.layout(), "per_session"), network.layout()
    with RunFolder.opened(path, config) as folder:
        names, hashes = [clip.name for clip in clips], [clip.sha256 for clip in clips]
        folder.record({"kind": "start", "time": 0.0, "videos": names, "sha256": hashes, "sessions": len(clips)})
        for session, clip in enumerate(clips):
            network.reset_parameters(session)
            network.add_session(session)
            rows = {name: layout.frame_rows(name, len(clip.frames)) for name in layout.frame}
            frame = {name: torch.rand(rows[name], *shape) for name, shape in layout.frame.items()}
            record = ledger.seal(**network.learned(session), frame=frame)
            event = {"kind": "session", "session": session, "video": clip.name, "seconds": 1.0, "layers": []}
            folder.record({**event, "state_sha256": ledger.subnetwork(session).sha256()})
            notes = SessionNotes(clip.name, len(clip.frames), len(clips), "per_session")
            folder.write_session(session, record.tensors(), notes)
    return folder

"""What every backbone and method have to hold together."""

import torch
from on_device import DEVICE, decoder_of

from vcl.query import Query
from vcl.render import BATCH
from vcl.rundir import RunFolder, SessionNotes
from vcl.sessions.experience import video_stream


def assert_decoded_as_trained(strategy, config, clips, path):
    """Train each session, store it, and compare what is decoded from disk with the network in training, to the bit."""
    stream = video_stream(clips).train_stream
    with RunFolder.opened(path, config) as folder:
        for session, clip in enumerate(clips):
            strategy.train(stream[session], eval_streams=[])
            count = len(clip.frames)
            notes = SessionNotes(clip.name, count, len(clips), strategy.state_kind, strategy.record.mask_shapes)
            folder.write_session(session, strategy.record.tensors(), notes)
            network = strategy.decoding.eval()
            queries = Query.of_video(session, range(count), count, DEVICE).tensor()
            with torch.no_grad():
                trained = torch.cat([network(rows) for rows in torch.split(queries, BATCH)])
            network.train()
            assert torch.equal(torch.cat(list(decoder_of(folder, session).frames(session))), trained.clamp(0, 1))

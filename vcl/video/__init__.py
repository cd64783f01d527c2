"""Pixels in and out: any container or folder becomes uint8 frames, cached on disk; decoded frames become files.

Nothing is re-exported, so that ``import vcl.video`` loads neither torch nor PyAV. Start with
:func:`vcl.video.read.read_frames` (a source to frames), :func:`vcl.video.cache.load_clip` (a source to a cached clip)
and :func:`vcl.video.write.write_video` (frames to a file). Names of videos become sources in :mod:`vcl.datasets`.
"""

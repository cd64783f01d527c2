"""Pixels in and out: any container or folder becomes uint8 frames, kept ready on disk; benchmarks and their manifests.

Nothing is re-exported, so that ``import vcl.video`` loads neither torch nor PyAV. Start with
:func:`vcl.datasets.resolve.resolve` (a name to sources), :func:`vcl.video.cache.load_clip` (a source to frames) and
:func:`vcl.datasets.prepare.prepare` (downloads to a folder of frames).
"""

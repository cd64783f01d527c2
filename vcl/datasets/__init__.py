"""The videos of a benchmark or a folder: manifests, prepared folders, and the stream that a config describes."""

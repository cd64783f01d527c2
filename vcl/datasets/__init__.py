"""Which videos there are: benchmarks and their manifests, prepared folders, and the stream that a config describes."""

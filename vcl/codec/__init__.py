"""A network and its sessions as one file: quantised, entropy-coded, append-only."""

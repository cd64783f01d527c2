"""Quality of frames, the session matrix, the rate. Knows no config.

Nothing is re-exported, so that ``import vcl.metrics`` does not load torch.
"""

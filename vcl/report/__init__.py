"""Tables and figures of runs, computed from their folders and never from live objects.

Nothing is re-exported, so that ``import vcl.report`` loads neither torch nor matplotlib.
"""

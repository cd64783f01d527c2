"""One page for a browser that shows runs, alone or side by side: ``view`` gathers its data, ``render`` writes it.

Nothing is re-exported, so that ``import vcl.report.page`` loads neither torch nor plotly.
"""

PAGE = "report.html"
"""Name of a run's page in its folder."""

"""Run folders become tables, figures and pages. Reads what is on disk, never a live object.

Nothing is re-exported, so that ``import vcl.report`` loads neither torch nor matplotlib nor W&B. Listeners that report
on a run while it goes stand here as well; what they tell of frames they read back from the disk.
"""

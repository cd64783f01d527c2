"""Starting many commands at once: on this machine, on a SLURM cluster, on a Ray cluster.

A cell of a grid is a command that goes on after any kill, so a launcher only starts commands, and starts them again
where a process or its machine was lost. It knows nothing of runs.
"""

from vcl.launch.job import BUSY, STOPPED, Job, Launcher, Task

__all__ = ["BUSY", "STOPPED", "Job", "Launcher", "Task"]

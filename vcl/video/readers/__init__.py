"""Files and folders -> frames: one reader per kind of source, and what shows of damage before decoding."""

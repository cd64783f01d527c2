"""Files and folders to frames, one reader per kind of source."""

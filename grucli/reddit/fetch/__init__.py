"""Comments from an archive or Reddit's API into a file, resumable."""

"""Comments of Reddit: `fetch` gets them, `clean` filters and normalizes them, `corpus` writes and edits the result."""

"""The archive and the API: raw comments, resumable."""

"""Reddit comments: fetched from an archive or the API, cleaned by rules, and kept as a corpus file for training."""

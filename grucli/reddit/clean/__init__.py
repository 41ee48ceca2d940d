"""Raw comments to a clean corpus: rules, deduplication, workers, report."""

"""Display of a training run."""

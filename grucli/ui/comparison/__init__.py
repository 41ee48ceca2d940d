"""Display of a comparison of cells."""

"""Text to token ids: tokenizers, prepared corpora in a cache, token files, and batches as a function of seed and step.

Nothing here holds a corpus in memory, prints, or depends on a model.
"""

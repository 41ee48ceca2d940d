"""The room of text: corpora in, token ids out, and the way back.

Rows of any file, compressed or torn, through one reader; tokenizers; token files on disk; batches as a pure function of
(seed, epoch, step). Nothing here holds a corpus in memory, prints, or knows what a model is.
"""

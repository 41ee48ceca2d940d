"""The room of rules: each a pure function that drops a comment, with a reason, or mends its text.

The table names them all, in their order; the files beside it hold them, by what they look at. No rule keeps anything
from one comment to the next, prints, or reads a file.
"""

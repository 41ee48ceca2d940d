"""The room of Reddit: where comments come from, and how they become a clean corpus.

Sources (dumps, archives, Reddit's own interface) give comments; rules, each a pure function, keep, mend or drop them; a
corpus file is what comes out, with a report of every rule. What learns from the corpus is not known here.
"""

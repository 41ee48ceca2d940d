"""`gru`: a subreddit's comments become a small recurrent network that talks like it.

Raw comments become a clean corpus, a corpus becomes token ids on disk (`text`), a network (`model`) made of a few
compiled loops (`kernels`) learns them (`training`), and everything a person sees passes through one room (`ui`) on
its way from a command (`cli`).
"""

__version__ = "0.1.0"

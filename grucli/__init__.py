"""`gru`: a subreddit's comments become a small recurrent network that talks like it.

Raw comments become a clean corpus (`reddit`), a corpus becomes token ids on disk (`text`), a network (`model`) made of
a few compiled loops (`kernels`) learns them (`training`) and writes new ones (`generation`). `api` has a function for
each verb, and the commands (`cli`) show what it returns (`ui`).

>>> import grucli
>>> grucli.clean("RC_2005-12.zst", "reddit.csv")  # doctest: +SKIP
>>> grucli.train(grucli.TrainOptions(sources=["reddit.csv"], name="emo", minutes=2))  # doctest: +SKIP
>>> next(grucli.generate("I never", model="emo")).text  # doctest: +SKIP

Importing it loads nothing else: each name below is imported when it is first used.
"""

from importlib import import_module

TYPE_CHECKING = False  # type checkers take it as true; `typing` itself takes longer to import than all of this
if TYPE_CHECKING:
    from grucli.api.clean import clean, explain
    from grucli.api.compare import compare, compare_suite
    from grucli.api.fetch import fetch
    from grucli.api.inspect import inspect
    from grucli.api.model import Model, evaluate, evaluate_models, gates, generate, load, score, stream
    from grucli.api.purge import purge
    from grucli.api.train import train
    from grucli.chat import open_chat as chat
    from grucli.comparison.options import CompareOptions
    from grucli.comparison.suite.options import SuiteOptions
    from grucli.generation.options import GenerationConfig
    from grucli.read.schema import ReadOptions
    from grucli.reddit.clean.rules.config import RuleConfig
    from grucli.reddit.fetch.run import FetchOptions
    from grucli.training.options import TrainOptions

__version__ = "0.1.0"

__all__ = [
    "CompareOptions",
    "FetchOptions",
    "GenerationConfig",
    "Model",
    "ReadOptions",
    "RuleConfig",
    "SuiteOptions",
    "TrainOptions",
    "chat",
    "clean",
    "compare",
    "compare_suite",
    "evaluate",
    "evaluate_models",
    "explain",
    "fetch",
    "gates",
    "generate",
    "inspect",
    "load",
    "purge",
    "score",
    "stream",
    "train",
]

_MODULES = {
    "grucli.api.clean": ("clean", "explain"),
    "grucli.api.compare": ("compare", "compare_suite"),
    "grucli.api.fetch": ("fetch",),
    "grucli.api.inspect": ("inspect",),
    "grucli.api.model": ("Model", "evaluate", "evaluate_models", "gates", "generate", "load", "score", "stream"),
    "grucli.api.purge": ("purge",),
    "grucli.api.train": ("train",),
    "grucli.comparison.options": ("CompareOptions",),
    "grucli.comparison.suite.options": ("SuiteOptions",),
    "grucli.generation.options": ("GenerationConfig",),
    "grucli.read.schema": ("ReadOptions",),
    "grucli.reddit.clean.rules.config": ("RuleConfig",),
    "grucli.reddit.fetch.run": ("FetchOptions",),
    "grucli.training.options": ("TrainOptions",),
}


if not TYPE_CHECKING:  # or else type checkers would take any name for one of these

    def __getattr__(name: str) -> object:
        if name == "chat":
            return import_module("grucli.chat")  # a package that can be called
        for module, names in _MODULES.items():
            if name in names:
                return getattr(import_module(module), name)
        raise AttributeError(f"module 'grucli' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]

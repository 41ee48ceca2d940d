"""Chat sessions: turns, the tree of states, commands, saving. Knows no screen.

The package can be called: `grucli.chat(...)` is `open_chat(...)`, because the verb has the package's name.
"""

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grucli.chat.session import Session
    from grucli.generation.options import GenerationConfig


def open_chat(
    model: str | None = None,
    config: "GenerationConfig | Callable[[GenerationConfig], GenerationConfig] | None" = None,
    *,
    preamble: str | None = None,
    resume_with: Mapping[str, Any] | None = None,
    persist: bool = False,
    private: bool = False,
    follow: bool = False,
    learn: bool = False,
    threads: int | None = None,
    pace: float = 0.0,
    on_wait: Callable[[str], None] | None = None,
) -> "Session":
    """Start a chat with a model, or resume the latest one. Close it with a `with` block.

    >>> import grucli
    >>> with grucli.chat("demo") as session:  # doctest: +SKIP
    ...     print(session.reply("Hi, how are you?"))

    Args:
        model: name or path, None for the newest.
        config: how replies are generated, None for the default of the model; a function is called with that default
            and returns the config. Each reply has the next seed.
        preamble: text before the conversation.
        resume_with: resume the latest session, with these fields of its config changed; {} changes none.
        persist: save the session from its first turn on, not only once it has a name.
        private: keep nothing: no session can be saved or loaded.
        follow: reload the model when its file changes.
        learn: learn from the turns; the model on disk does not change.
        threads: number of threads, None for all cores.
        pace: characters per second at which replies are to be shown, 0 for no limit.
        on_wait: called while a model to follow has no checkpoint yet.

    Raises:
        UsageError: there is no such model or session, or the two do not fit.
        ModelFileError: the model's file is corrupt.
        LockedError: the session is open in another process.
        OSError: the session cannot be read.
    """
    from grucli.chat.model_loader import ModelLoader
    from grucli.chat.open_session import open_session
    from grucli.chat.session_store import default_session_store

    session = open_session(
        ModelLoader(threads),
        model,
        config or (lambda default: default),
        pace,
        preamble=preamble,
        store=None if private else default_session_store(),
        persist=persist,
        follow=follow,
        resume_with=resume_with,
        on_wait=on_wait,
    )
    if learn:
        session.set_learning(True)
    return session


class _CallablePackage(ModuleType):
    __call__ = staticmethod(open_chat)


sys.modules[__name__].__class__ = _CallablePackage

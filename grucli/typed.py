"""Numbers as people type them, in the shell and in a chat. Ground floor: it knows nothing of what they are for.

Python also takes 1_0 for ten, and the digits of every script: whoever types these means something else, or nothing.
"""


def whole(text: str) -> int:
    """The whole number that was typed.

    Raises:
        ValueError: it is none.
    """
    return int(_plain(text))


def number(text: str) -> float:
    """The number that was typed.

    Raises:
        ValueError: it is none.
    """
    return float(_plain(text))


def _plain(text: str) -> str:
    if "_" in text or not text.isascii():
        raise ValueError(f"'{text}' is not a number")
    return text

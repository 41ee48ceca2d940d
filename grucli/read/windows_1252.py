"""Whether a text that was decoded as Windows-1252 is one.

Any bytes can be decoded, as Windows-1251 or Shift-JIS too, so the characters have to be telling: quotes, dashes and
accented letters where English and the languages of Western Europe have them. The other Windows code pages for Latin
letters differ in letters that those languages hardly have.
"""

import re

MIN_TELLING = 4
"""Telling characters that are enough if more of the text follows."""

_MAX_FOREIGN_FRACTION = 1 / 50
_MAX_BROKEN_FRACTION = 1 / 1000
"""Of the characters that are not ASCII: 0.5 % of those of French are an œ, which ISO-8859-15 has in place of ½."""

_LOWER, _UPPER = "àáâãäåæçèéêëìíîïñòóôöøùúûüßœ", "ÀÁÂÃÄÅÆÇÈÉÊËÍÎÏÑÓÔÖØÚÛÜŒ"
_RARE = "ðýþÿšžÐÝÞŠŽŸ"
_RARE_SIGNS = "ˆ˜¤¦¨¬¸"
"""Where the code pages of Czech, Croatian, Turkish, Romanian, Russian and others have their most frequent letters."""

_ACCENTED = f"{_LOWER}{_UPPER}{_RARE}õÕÌÒÙ"
_LETTER = f"A-Za-z{_ACCENTED}"
_NOT_ASCII = re.compile("[^\x00-\x7f\xa0]")

_TELLING = re.compile(
    f"(?<=[A-Za-z])[{_LOWER}]|(?<=[A-Z])[{_UPPER}]|[{_LOWER}{_UPPER}](?=[a-z])|õ(?=e)"
    f"|(?<=[{_LETTER}])’(?=[{_LETTER}])|(?<![{_LETTER}])[‘“](?=[{_LETTER}0-9])|(?<=[{_LETTER}0-9.,!?…])[’”](?![{_LETTER}])"
    rf"|(?<=[\s0-9])[–—](?=[\s0-9])|(?<=[{_LETTER}])[–—](?=[{_LETTER}])|(?<=[{_LETTER}0-9])…|[€£](?=[0-9])|(?<=[0-9])[€°]"
    rf"|(?<=[{_LETTER}])[™®](?![{_LETTER}])|(?<![{_LETTER}])•(?=\s)|(?<=[0-9])[½¼¾¢]|(?<![{_LETTER}])[¿¡](?=[{_LETTER}])"
    "|(?<=[.,!?:;])\xa0"
)
_FOREIGN = re.compile(
    f"\ufffd|[{_RARE}{_RARE_SIGNS}]|õ(?!e)|(?<=[a-z{_LOWER}])[{_UPPER}ÌÒÕÙ]"
    f"|[{_ACCENTED}]{{3,}}|(?<![{_LETTER}])[{_ACCENTED}]{{2}}(?![{_LETTER}])"
)
_BROKEN = re.compile(f"(?<=[{_LETTER}])[^\x00-\x7f\xa0·‘’–—…{_ACCENTED}]{{1,3}}(?=[{_LETTER}])|[ÂÃ][\x80-¿]|â€|ðŸ")
"""A sign in the middle of a word, or UTF-8."""


class Evidence:
    """Counts of the characters for and against Windows-1252 in parts of a text."""

    def __init__(self) -> None:
        self._total = self._telling = self._foreign = self._broken = 0

    def add(self, text: str) -> None:
        """Add a part, decoded as Windows-1252; U+FFFD stands for a byte that it does not have."""
        self._total += len(_NOT_ASCII.findall(text))
        self._telling += len(_TELLING.findall(text))
        self._foreign += len(_FOREIGN.findall(text))
        self._broken += len(_BROKEN.findall(text))

    @property
    def is_contradicted(self) -> bool:
        """Whether the text is hardly Windows-1252."""
        return self._foreign > self._total * _MAX_FOREIGN_FRACTION or self._broken > self._total * _MAX_BROKEN_FRACTION

    def is_certain(self, min_telling: int) -> bool:
        """Return True if the text can hardly be anything else."""
        return self._telling >= max(min_telling, self._total / 2) and not self.is_contradicted

"""The rule on what could lead to a person: it goes, and a placeholder says what stood there."""

import ipaddress
import re

_EMAIL = re.compile(r"(?<![\w.+-])(?:mailto:)?[\w.+-]++@(?:[a-z0-9-]++\.)++[a-z]{2,24}(?![\w-])", re.IGNORECASE)
_SPELT_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}+(?: ?[\[(] ?at ?[\])] ?| at )[a-z0-9-]{1,63}+(?: ?[\[(] ?dot ?[\])] ?| dot )"
    r"(?:com|org|net|edu|gov|info|io|me|co|uk|de|fr|ca|au|us)\b",
    re.IGNORECASE,
)
_USER = re.compile(r"(?<![\w/.-])/?u/[a-z0-9_-]{3,20}(?![\w-])", re.IGNORECASE)

_NUMBERS = re.compile(r"[0-9][0-9 ./()-]{5}")
# Each looks behind its first character and not before it, so that it is found at the speed of a search for that one.
_CARD = re.compile(
    r"[2-6](?<![\w.-].)[0-9]{3}"
    r"(?:(?:[ -]?[0-9]{4}){2}[ -]?[0-9]{1,4}(?:[ -]?[0-9]{1,3})?|[ -]?[0-9]{6}[ -]?[0-9]{4,5})(?![\w-]|\.[0-9])"
)
_IPV4 = re.compile(r"[0-9](?<![\w.-].)[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![\w-]|\.[0-9])")
_IPV6 = re.compile(r"[23](?<![\w:.].)[0-9a-fA-F]{3}:[0-9a-fA-F:]{2,34}(?![\w:])")
_END = r"(?![\w-]|[.,/%][0-9])"
_INTERNATIONAL = re.compile(rf"\+(?<![\w.,/$€£+-].)[1-9](?:[ ./-]?\(?[0-9]\)?){{7,14}}{_END}")
_AMERICAN = re.compile(
    r"[(1-9](?<![\w.,/$€£+-].)(?:(?<=1)[ .-]?\(?[2-9][0-9]{2}|(?<=\()[2-9][0-9]{2}|(?<=[2-9])[0-9]{2})"
    rf"(?:\)[ .-]?|[ .-])[0-9]{{3}}[ .-][0-9]{{4}}{_END}"
)
_NATIONAL = re.compile(rf"0(?<![\w.,/$€£+-].)[0-9]{{1,4}}(?:[ /-][0-9]{{2,8}}){{1,4}}{_END}")
_BARE = re.compile(rf"[0-9](?<![\w.,/$€£+-].)(?:[ .-]?[0-9]){{6,14}}{_END}")
_CUE = re.compile(
    r"\b(?:(?:phone|telephone|tel|mobile|cell|fax|whatsapp)\b[^\n0-9]{0,16}"
    r"|(?:call|text|ring|reach) (?:me|us|him|her|them)(?: at| on)?:? ?|(?:my|his|her) number(?: is|:) ?)\Z",
    re.IGNORECASE,
)
_CUE_REACH = 28
_NATIONAL_DIGITS = range(9, 16)


def personal(text: str) -> str:
    """Put a placeholder in the place of e-mail addresses, phone and card numbers, IP addresses and names of users.

    Numbers that cannot be what they look like stay: cards must pass their own check, addresses be public ones.

    >>> personal("u/spez: me@a.org, +1 (555) 123-4567, 4111 1111 1111 1111, 8.8.8.8, 2001:4860::8888")
    '[USER]: [EMAIL], [PHONE], [CARD], [IP], [IP]'
    >>> personal("1,000,000 on 2005-12-11 at 12:30:45, v127.0.0.1, 4111 1111 1111 1112, 3.14159265, @home")
    '1,000,000 on 2005-12-11 at 12:30:45, v127.0.0.1, 4111 1111 1111 1112, 3.14159265, @home'
    """
    if "@" in text:
        text = _EMAIL.sub("[EMAIL]", text)
    if "dot" in text:
        text = _SPELT_EMAIL.sub("[EMAIL]", text)
    if "u/" in text or "U/" in text:
        text = _USER.sub("[USER]", text)
    if _has_digits(text):
        text = _without_numbers(text)
    return text


def _has_digits(text: str) -> bool:
    return (
        "0" in text
        or "1" in text
        or "2" in text
        or "3" in text
        or "4" in text
        or "5" in text
        or "6" in text
        or "7" in text
        or "8" in text
        or "9" in text
    )


def _without_numbers(text: str) -> str:
    if text.count(":") > 1:
        text = _IPV6.sub(_address, text)
    if not _NUMBERS.search(text):
        return text
    text = _CARD.sub(_card, text)
    if text.count(".") > 2:
        text = _IPV4.sub(_address, text)
    if "+" in text:
        text = _INTERNATIONAL.sub("[PHONE]", text)
    text = _AMERICAN.sub("[PHONE]", text)
    if "0" in text:
        text = _NATIONAL.sub(_national, text)
    return _BARE.sub(_called, text)


def _card(found: re.Match[str]) -> str:
    return "[CARD]" if _is_luhn(found.group()) else found.group()


def _is_luhn(number: str) -> bool:
    digits = [int(digit) for digit in number if digit.isdigit()]
    doubled = (2 * digit for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(double - 9 if double > 9 else double for double in doubled)) % 10 == 0


def _address(found: re.Match[str]) -> str:
    try:
        return "[IP]" if ipaddress.ip_address(found.group()).is_global else found.group()
    except ValueError:
        return found.group()


def _national(found: re.Match[str]) -> str:
    return "[PHONE]" if sum(map(str.isdigit, found.group())) in _NATIONAL_DIGITS else found.group()


def _called(found: re.Match[str]) -> str:
    """A number that looks like any other is a phone's where the words before it say so."""
    start = found.start()
    return "[PHONE]" if _CUE.search(found.string, max(0, start - _CUE_REACH), start) else found.group()

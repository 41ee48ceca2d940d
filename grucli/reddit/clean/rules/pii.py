"""The rule on personally identifiable information (PII), which is replaced by placeholders."""

import ipaddress
import re

_EMAIL = re.compile(r"(?<![\w.+-])(?:mailto:)?[\w.+-]++@(?:[a-z0-9-]++\.)+[a-z]{2,24}(?![\w-])", re.IGNORECASE)
_SPELLED_EMAIL_PATTERN = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}+(?: ?[\[(] ?at ?[\])] ?| at )[a-z0-9-]{1,63}+(?: ?[\[(] ?dot ?[\])] ?| dot )"
    r"(?:com|org|net|edu|gov|info|io|me|co|uk|de|fr|ca|au|us)\b",
    re.IGNORECASE,
)
_EMAIL_CONTEXT = re.compile(r"\b(?<!\[)(?:(?:e-?)?mail|contact|write|reach)\b[^\n.]{0,16}\Z", re.IGNORECASE)
_EMAIL_CONTEXT_CHARS = 28
_SPELLED_DOT = re.compile(r"dot(?<=[ (\[]dot)[ )\]]")
_USER = re.compile(r"(?:/(?<![\w/.-]/)[uU]|u(?<![\w/.-]u)|U(?<![\w/.-]U))/[a-zA-Z0-9_-]{3,20}(?![\w-])")

_LONG_NUMBER = re.compile(r"[0-9][0-9 ./()-]{5}")
_MANY_DIGITS = re.compile(r"[0-9](?:[ ./()-]{0,3}[0-9]){6}")
"""A phone, card or social security number has at least seven digits, with at most three separators between two."""

# Each lookbehind follows the first character: a search for that character is fast.
_CARD = re.compile(
    r"[2-6](?<![\w.-].)[0-9]{3}"
    r"(?:(?:[ -]?[0-9]{4}){2}[ -]?[0-9]{1,4}(?:[ -]?[0-9]{1,3})?|[ -]?[0-9]{6}[ -]?[0-9]{4,5})(?![\w-]|\.[0-9])"
)
_IBAN = re.compile(r"[A-Z](?<![\w.-].)[A-Z][0-9]{2}")
_IBAN_LENGTHS = {
    15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST",
    26: "IS TR", 27: "BI FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA",
    30: "JO KW MU", 31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
_IBAN_REST = {
    country: re.compile(rf"(?:[ -]?[A-Z0-9]){{{length - 4}}}(?![\w-])")
    for length, countries in _IBAN_LENGTHS.items()
    for country in countries.split()
}
"""Per country, the rest of an IBAN after the country code and the check digits (ISO 13616)."""

_IPV4 = re.compile(r"[0-9](?<![\w.-].)[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![\w-]|\.[0-9])")
_THIRD_OCTET = re.compile(r"\.[0-9]{1,3}\.[0-9]")
_IPV6 = re.compile(r"[23](?<![\w:.].)[0-9a-fA-F]{3}:[0-9a-fA-F:]{2,34}(?![\w:])")
_VERSION_CONTEXT = re.compile(r"\b(?:versions?|ver|v)[.:]? ?\Z", re.IGNORECASE)
_VERSION_CONTEXT_CHARS = 12
_NUMBER_END = r"(?![\w-]|[.,/%][0-9])"
_INTERNATIONAL_PHONE = re.compile(rf"\+(?<![\w.,/$€£+-].)[1-9](?:[ ./-]?\(?[0-9]\)?){{7,14}}{_NUMBER_END}")
_US_PHONE = re.compile(
    r"[(1-9](?<![\w.,/$€£+-].)(?:(?<=1)[ .-]?\(?[2-9][0-9]{2}|(?<=\()[2-9][0-9]{2}|(?<=[2-9])[0-9]{2})"
    rf"(?:\)[ .-]?|[ .-])[0-9]{{3}}[ .-][0-9]{{4}}{_NUMBER_END}"
)
_NATIONAL_PHONE = re.compile(rf"0(?<![\w.,/$€£+-].)[0-9]{{1,4}}(?:[ /-][0-9]{{2,8}}){{1,4}}{_NUMBER_END}")
_BARE_NUMBER = re.compile(rf"[0-9](?<![\w.,/$€£+-].)(?:[ .-]?[0-9]){{6,14}}{_NUMBER_END}")
_SSN = re.compile(rf"[0-8](?<![\w.,/$€£+-].)[0-9]{{2}}([ -]?)[0-9]{{2}}\1[0-9]{{4}}{_NUMBER_END}")
_SSN_CONTEXT = re.compile(r"\b(?:ssn|social security)\b[^\n0-9]{0,16}\Z", re.IGNORECASE)
_SSN_CONTEXT_CHARS = 36
_PHONE_CONTEXT = re.compile(
    r"\b(?:(?:phone|telephone|tel|mobile|cell|fax|whatsapp)\b[^\n0-9]{0,16}"
    r"|(?:call|text|ring|reach) (?:me|us|him|her|them)(?: at| on)?:? ?|(?:my|his|her) number(?: is|:) ?)\Z",
    re.IGNORECASE,
)
_PHONE_CONTEXT_CHARS = 28
_NATIONAL_DIGITS = range(9, 16)


def redact_pii(text: str) -> str:
    """Replace e-mail and IP addresses, phone and card numbers, user names, IBANs and US social security numbers.

    Numbers that only look like one are kept: cards and IBANs must pass their check digits, and IP addresses must be
    public and not the number of a version.

    >>> redact_pii("u/spez: me@a.org, +1 (555) 123-4567, 4111 1111 1111 1111, 8.8.8.8, 2001:4860::8888")
    '[USER]: [EMAIL], [PHONE], [CARD], [IP], [IP]'
    >>> redact_pii("GB29 NWBK 6016 1331 9268 19, 123-45-6789, version 1.2.3.4")
    '[ID], [ID], version 1.2.3.4'
    >>> redact_pii("foo [at] gmail [dot] com, mail foo at gmail dot com, but once I was at google dot com")
    '[EMAIL], mail [EMAIL], but once I was at google dot com'
    >>> redact_pii("1,000,000 on 2005-12-11 at 12:30:45, v127.0.0.1, 4111 1111 1111 1112, 3.14159265, @home")
    '1,000,000 on 2005-12-11 at 12:30:45, v127.0.0.1, 4111 1111 1111 1112, 3.14159265, @home'
    """
    if "@" in text:
        text = _EMAIL.sub("[EMAIL]", text)
    if "dot" in text and _SPELLED_DOT.search(text):
        text = _SPELLED_EMAIL_PATTERN.sub(_spelled_email, text)
    if "u/" in text or "U/" in text:
        text = _USER.sub("[USER]", text)
    if any(map(text.__contains__, "0123456789")):  # faster than a regular expression
        text = _redact_numbers(text)
    return text


def _spelled_email(match: re.Match[str]) -> str:
    """Redact if the words are in brackets, follow a name that is not a word, or are announced as an address."""
    start, address = match.start(), match.group()
    if "[" in address or "(" in address or not address.partition(" ")[0].strip(".-").isalpha():
        return "[EMAIL]"
    return "[EMAIL]" if _EMAIL_CONTEXT.search(match.string, max(0, start - _EMAIL_CONTEXT_CHARS), start) else address


def _redact_numbers(text: str) -> str:
    if text.count(":") > 1:
        text = _IPV6.sub(_replace_ip, text)
    if not _LONG_NUMBER.search(text):
        return text
    text = _redact_ibans(text)
    many = _MANY_DIGITS.search(text) is not None
    if many:
        text = _CARD.sub(_replace_card, text)
    if text.count(".") > 2 and _THIRD_OCTET.search(text):
        text = _IPV4.sub(_replace_ip_unless_version, text)
    if not many:
        return text
    text = _SSN.sub(_replace_ssn, text)
    if "+" in text:
        text = _INTERNATIONAL_PHONE.sub("[PHONE]", text)
    text = _US_PHONE.sub("[PHONE]", text)
    if "0" in text:
        text = _NATIONAL_PHONE.sub(_replace_national_phone, text)
    return _BARE_NUMBER.sub(_phone_after_cue, text)


def _replace_card(match: re.Match[str]) -> str:
    return "[CARD]" if _is_luhn(match.group()) else match.group()


def _is_luhn(number: str) -> bool:
    digits = [int(digit) for digit in number if digit.isdigit()]
    doubled = (2 * digit for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(double - 9 if double > 9 else double for double in doubled)) % 10 == 0


def _replace_ip(match: re.Match[str]) -> str:
    try:
        return "[IP]" if ipaddress.ip_address(match.group()).is_global else match.group()
    except ValueError:
        return match.group()


def _replace_ip_unless_version(match: re.Match[str]) -> str:
    start = match.start()
    if _VERSION_CONTEXT.search(match.string, max(0, start - _VERSION_CONTEXT_CHARS), start):
        return match.group()
    return _replace_ip(match)


def _redact_ibans(text: str) -> str:
    """Replace IBANs, which have a fixed length per country and check digits, by [ID]."""
    parts: list[str] = []
    done = 0
    for head in _IBAN.finditer(text):
        rest = _IBAN_REST.get(head.group()[:2])
        match = rest.match(text, head.end()) if rest is not None and head.start() >= done else None
        if match is not None and _is_valid_iban(head.group() + match.group()):
            parts += [text[done : head.start()], "[ID]"]
            done = match.end()
    return "".join([*parts, text[done:]]) if parts else text


def _is_valid_iban(number: str) -> bool:
    plain = number.replace(" ", "").replace("-", "")
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


def _replace_ssn(match: re.Match[str]) -> str:
    """Redact nine digits with dashes, or announced as a social security number."""
    start, number = match.start(), match.group()
    digits = number.replace("-", "").replace(" ", "")
    if digits[:3] in ("000", "666") or digits[3:5] == "00" or digits[5:] == "0000":
        return number
    if match[1] == "-" or _SSN_CONTEXT.search(match.string, max(0, start - _SSN_CONTEXT_CHARS), start):
        return "[ID]"
    return number


def _replace_national_phone(match: re.Match[str]) -> str:
    return "[PHONE]" if sum(map(str.isdigit, match.group())) in _NATIONAL_DIGITS else match.group()


def _phone_after_cue(match: re.Match[str]) -> str:
    """Redact a number without the form of a phone number if it is announced as one."""
    start = match.start()
    return (
        "[PHONE]" if _PHONE_CONTEXT.search(match.string, max(0, start - _PHONE_CONTEXT_CHARS), start) else match.group()
    )

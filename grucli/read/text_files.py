"""Small text files that the user writes: prompts, lists of ids, of words."""

from grucli.errors import GruError, UsageError
from grucli.read.encoding import NotUtf8Error, TextDecoder, encoding_label
from grucli.read.sources import STDIN, CorruptDataError, InputSource, find_file, read_bytes

MAX_TEXT_BYTES = 1 << 22
"""Bytes in UTF-8 of a text file that is not a corpus; also what a model reads before it writes anything."""

_HINT = "save it as UTF-8"


def read_text_file(name: str, max_bytes: int = MAX_TEXT_BYTES) -> str:
    r"""Return the text of a file, or of standard input ("-"), with "\n" as line ends. No more is read than `max_bytes`.

    The encoding is found as that of a corpus. Here a text is refused if anything in it is undecodable.

    Raises:
        UsageError: there is no such file, or it is too large or not text.
        GruError: the disk failed, or the file is corrupt.
    """
    source = InputSource(name, None if name == STDIN else find_file(name), "txt")
    decoder, content = TextDecoder(name), bytearray()
    try:
        for chunk in read_bytes(source, decoder=decoder):
            content += chunk
            if len(content) > max_bytes:
                raise UsageError(f"'{name}' is too large (max {max_bytes >> 20} MB)", "use a shorter file")
        text = content.decode()
    except (NotUtf8Error, UnicodeDecodeError):
        raise UsageError(f"'{name}' is not UTF-8 text", _HINT) from None
    except CorruptDataError:
        raise GruError(f"corrupt file: '{name}': part of it is missing", "copy the file again") from None
    if decoder.replaced:
        raise UsageError(f"'{name}' is not {encoding_label(decoder.encoding)} text", _HINT)
    return text.replace("\r\n", "\n").replace("\r", "\n")

"""Ways to compress a corpus, by suffix."""

import bz2
import gzip
import lzma
from collections.abc import Callable

from grucli.read.zstd import zstd

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: True}),
}

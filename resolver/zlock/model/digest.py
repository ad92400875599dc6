"""Digests as indexes, locks and URLs write them: an algorithm and hex digits."""

from __future__ import annotations

import hashlib
import re
from typing import Final

DIGITS: Final = {
    "md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128, "blake2b": 128, "blake2s": 64,
    "sha3_224": 56, "sha3_256": 64, "sha3_384": 96, "sha3_512": 128,
}  # fmt: skip
"""The hashes that are compared, each with its number of hex digits; others say nothing."""
STRONG: Final = ("sha256", "sha384", "sha512")
"""The hashes that a file can be told by where somebody wants another one."""
SHA256: Final = r"sha256:[0-9a-f]{64}"
"""The pattern of a digest as OCI and locks write it."""
_HEX: Final = re.compile(r"[0-9a-f]*")


def is_digest(algorithm: str, digest: str) -> bool:
    """Return whether a text is a hex digest of a known algorithm, in lower case."""
    return len(digest) == DIGITS.get(algorithm) and _HEX.fullmatch(digest) is not None


def digest_of_bytes(data: bytes) -> str:
    """Return the sha256 digest of bytes as OCI and locks write it: `sha256:...`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"

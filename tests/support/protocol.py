"""The parts of HTTP that indexes get right or wrong: content negotiation, ranges, validators, compression."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from support.serve import Call, Reply

Ranges = bool | Literal["ignored", "wrong", "lying", "no-negative", "too-much"]
"""How range requests of files are answered.

True is right, False says that there are none, `ignored` promises them and sends the whole file, `wrong` sends another
slice and says so, `lying` sends another slice as if it were the right one, `no-negative` answers 416 to `bytes=-N`.
"""
Compression = bool | Literal["double"]
"""Whether pages are compressed for those who accept it; `double` compresses twice and says so once."""


def negotiate(accept: str | None, offered: Sequence[str]) -> str | None:
    """Return the offered content type that the Accept header likes best (RFC 9110, 12.5.1), None for none of them.

    Of equals the first offered wins, or the last where only a wildcard matched, as old clients expect.
    """
    ranges = [_media_range(part) for part in (accept or "*/*").split(",") if part.strip()]
    ranked = []
    for place, kind in enumerate(offered):
        matching = [(_specificity(pattern, kind), quality) for pattern, quality in ranges if _matches(pattern, kind)]
        if matching and max(matching)[1] > 0:
            specificity, quality = max(matching)
            ranked.append((quality, specificity, -place if specificity else place, kind))
    return max(ranked)[-1] if ranked else None


def _media_range(part: str) -> tuple[str, float]:
    pattern, *parameters = (piece.strip() for piece in part.split(";"))
    quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
    return pattern.lower(), float(quality)


def _matches(pattern: str, kind: str) -> bool:
    return pattern in {kind, "*/*", f"{kind.partition('/')[0]}/*"}


def _specificity(pattern: str, kind: str) -> int:
    return 2 if pattern == kind else 0 if pattern == "*/*" else 1


def with_validators(call: Call, reply: Reply, *, etag: bool, cache_control: str | None) -> Reply:
    """Add ETag and Cache-Control, and answer 304 where the client has these very bytes (RFC 9110, 13.1.2)."""
    tag = f'"{hashlib.sha256(reply.body).hexdigest()[:32]}"'
    headers = dict(reply.headers)
    headers |= {"ETag": tag} if etag else {}
    headers |= {"Cache-Control": cache_control} if cache_control is not None else {}
    known = [known.strip().removeprefix("W/") for known in call.headers.get("if-none-match", "").split(",")]
    if etag and (tag in known or "*" in known):
        return Reply(status=304, headers=headers)
    return replace(reply, headers=headers)


def compressed(call: Call, reply: Reply, how: Compression) -> Reply:
    """Compress the body with gzip if the client accepts it."""
    if how is False or reply.status != 200 or "gzip" not in call.headers.get("accept-encoding", ""):
        return reply
    body = gzip.compress(reply.body, mtime=0)
    if how == "double":
        body = gzip.compress(body, mtime=0)
    return replace(reply, body=body, headers={**reply.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"})


def sliced(call: Call, reply: Reply, how: Ranges) -> Reply:
    """Answer a range request for the body (RFC 9110, 14), well or badly; several ranges get the whole body."""
    whole = replace(reply, headers={**reply.headers, "Accept-Ranges": "none" if how is False else "bytes"})
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", call.headers.get("range", ""))
    unchanged = call.headers.get("if-range") in {None, reply.headers.get("ETag")}
    if reply.status != 200 or asked is None or not any(asked.groups()) or how in {False, "ignored"} or not unchanged:
        return whole
    first, last = _bounds(asked[1], asked[2], len(reply.body))
    if first > last or (how == "no-negative" and not asked[1]):
        return Reply(status=416, headers={**whole.headers, "Content-Range": f"bytes */{len(reply.body)}"})
    return _slice(whole, first, last, how)


def _bounds(first: str, last: str, length: int) -> tuple[int, int]:
    if not first:
        return (max(0, length - int(last)) if int(last) else length), length - 1
    return int(first), min(int(last), length - 1) if last else length - 1


def _slice(whole: Reply, first: int, last: int, how: Ranges) -> Reply:
    count = last - first + 1
    other = 0 if first else min(1, len(whole.body) - count)
    start = other if how in {"wrong", "lying"} else first
    claimed = first if how == "lying" else start
    content_range = f"bytes {claimed}-{claimed + count - 1}/{len(whole.body)}"
    headers = {**whole.headers, "Content-Range": content_range}
    body = whole.body if how == "too-much" else whole.body[start : start + count]
    return replace(whole, status=206, body=body, headers=headers)

"""The vector of a text by hashing its words: no model, no network, the same numbers everywhere and for ever.

It finds texts that share words and parts of words (``liquidity`` and ``liquid``), not texts that say the same in other
words; for that, use a model.

The formula, version 1 (feature hashing: Weinberger et al., 2009; sublinear term frequency: Manning et al., Introduction
to Information Retrieval, 6.4.1; subwords: Bojanowski et al., 2017)::

    words     = maximal runs of letters and digits in the text's NFKC case-folded form, without the stop words
    features  = each word w             as "w:" + w         with weight 1
                each two words in a row as "p:" + a + " " + b  with weight 0.5
                each run of 4 characters of "<" + w + ">", for words of 4 and more, as "c:" + run, with weight 0.3
    value(f)  = weight * (1 + ln count(f))
    h(f)      = the first 8 bytes of BLAKE2b-64 of f in UTF-8, as a big-endian number
    vector[h(f) mod d] += value(f) if bit 63 of h(f) is 0, else -value(f)
    vector   /= its length (a text without words keeps the zero vector)
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

_WORD = re.compile(r"[^\W_]+")
_NOT_COUNTED = """
a about after all also am an and any are as at be because been before being between both but by can could did do
does doing down during each few for from further had has have having he her here hers him his how i if in into is it
its just may me more most must my no nor not now of off on once only or other our out over own same shall she should
so some such than that the their them then there these they this those through to too under until up upon us very
was we were what when where which while who whom why will with would you your
"""
_STOP_WORDS = frozenset(_NOT_COUNTED.split())
_PAIR, _PART, _RUN = 0.5, 0.3, 4


def features(text: str) -> dict[str, float]:
    """The features of a text with their values, before they are hashed."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = [word for word in _WORD.findall(folded) if word not in _STOP_WORDS]
    found: dict[str, float] = {}
    runs = (
        marked[at : at + _RUN]
        for word in words
        if len(word) >= _RUN
        for marked in (f"<{word}>",)
        for at in range(len(marked) - _RUN + 1)
    )
    kinds: Sequence[tuple[str, float, Iterable[str]]] = (
        ("w:", 1.0, words),
        ("p:", _PAIR, (f"{first} {second}" for first, second in pairwise(words))),
        ("c:", _PART, runs),
    )
    for mark, weight, names in kinds:
        for name, count in Counter(names).items():
            found[mark + name] = weight * (1 + math.log(count))
    return found


def embed(texts: Iterable[str], dimensions: int) -> list[list[float]]:
    """The vectors of texts, each of length 1 (or 0 for a text without words)."""
    known: dict[str, int] = {}
    vectors = []
    for text in texts:
        vector = [0.0] * dimensions
        for feature, value in features(text).items():
            hashed = known.get(feature)
            if hashed is None:
                raw = feature.encode("utf-8", "replace")
                hashed = known[feature] = int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "big")
            vector[hashed % dimensions] += -value if hashed >> 63 else value
        length = math.hypot(*vector)
        vectors.append([number / length for number in vector] if length else vector)
    return vectors

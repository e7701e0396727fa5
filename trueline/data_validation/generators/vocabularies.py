"""Vocabularies of natural-language features: a token's number is its line, from 0."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from trueline._core.errors import DataError

__all__ = ["Vocabulary", "load_vocabulary", "vocabulary_digest"]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens and their numbers.

    Attributes:
        tokens: the token of each number.
        numbers: the number of each token; of a token that occurs twice, the first.
    """

    tokens: tuple[str, ...]
    numbers: Mapping[str, int]

    def token(self, number: int) -> str | None:
        """The token of a number, None outside the vocabulary."""
        return self.tokens[number] if 0 <= number < len(self.tokens) else None


def vocabulary_digest(path: str) -> str:
    """What tells two contents of a vocabulary file apart: a parameter of accumulators, so that caches see a change.

    Raises:
        ArtifactError: when there is no such file.
    """
    from trueline._core.store import read_bytes

    return hashlib.sha256(read_bytes(path)).hexdigest()


@lru_cache(maxsize=16)
def load_vocabulary(path: str, digest: str) -> Vocabulary:
    """The vocabulary in a text file, one token a line without surrounding blanks, or in a TFRecord file.

    Args:
        path: where it is; ``.tfrecord`` and ``.tfrecord.gz`` hold one token a record.
        digest: `vocabulary_digest` of the content that is meant.

    Raises:
        DataError: when the file has changed since, or is no UTF-8.
        ArtifactError: when there is no such file.
    """
    from trueline._core.store import read_bytes

    data = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != digest:
        raise DataError("the vocabulary has changed since the pass was planned", where=path, hint="plan it again.")
    try:
        if path.endswith((".tfrecord", ".tfrecord.gz")):
            from trueline.data.tfrecord import read_tfrecord

            tokens = tuple(record.decode("utf-8").strip() for record in read_tfrecord(path))
        else:
            tokens = tuple(line.strip() for line in data.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise DataError(f"the vocabulary is no UTF-8: {error}", where=path) from error
    numbers: dict[str, int] = {}
    for number, token in enumerate(tokens):
        numbers.setdefault(token, number)
    return Vocabulary(tokens, numbers)

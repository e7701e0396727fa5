"""What each token of a natural-language feature counts for, by the domain that the schema gives the feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.generators.vocabularies import Vocabulary, load_vocabulary, vocabulary_digest
from trueline.data_validation.protos import NOT_UTF8

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Resolved", "TokenRules", "domain_options"]

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Resolved:
    """Distinct tokens of a block.

    Attributes:
        shown: each as text if it has one, else its number.
        known: in the vocabulary, neither excluded nor declared out of vocabulary.
        counted: not excluded.
        readable: has a text that is not declared out of vocabulary; excluded ones too.
        measured: counts for the length of a sequence.
        lengths: characters of the text, 0 without one.
        constrained: which of the rules' tokens it is: ``[tokens of the rules, distinct tokens]``.
    """

    shown: list[str | int]
    known: Bools
    counted: Bools
    readable: Bools
    measured: Bools
    lengths: npt.NDArray[np.int64]
    constrained: Bools


class TokenRules:
    """A `NaturalLanguageDomain` as JSON values.

    Args:
        vocabulary: ``[path, digest]``, or None.
        excluded: texts and numbers that coverage passes over.
        out_of_vocabulary: texts that stand for unknown tokens.
        unmeasured: texts and numbers that do not count for the length of a sequence.
        constrained: texts and numbers to count one by one.
    """

    def __init__(
        self,
        vocabulary: Sequence[str] | None = None,
        excluded: Sequence[str | int] = (),
        out_of_vocabulary: Sequence[str] = (),
        unmeasured: Sequence[str | int] = (),
        constrained: Sequence[str | int] = (),
    ) -> None:
        self._vocabulary: Vocabulary | None = None if vocabulary is None else load_vocabulary(*vocabulary)
        self._excluded, self._unmeasured = frozenset(excluded), frozenset(unmeasured)
        self._out = frozenset(out_of_vocabulary)
        self.constrained = tuple(constrained)

    def countable(self, of_numbers: bool) -> list[int]:
        """Which of the constrained tokens this kind of feature can hold: without a vocabulary only its own kind."""
        return [
            place
            for place, token in enumerate(self.constrained)
            if self._vocabulary is not None or isinstance(token, int) == of_numbers
        ]

    def resolve(self, distinct: pa.Array, of_numbers: bool) -> Resolved:
        """What each distinct token counts for."""
        pairs = [self._named(value, of_numbers) for value in distinct.to_pylist()]
        n = len(pairs)
        known, counted, readable, measured = (np.zeros(n, np.bool_) for _ in range(4))
        constrained = np.zeros((len(self.constrained), n), np.bool_)
        for place, names in enumerate(pairs):
            text = names[0]
            counted[place] = self._excluded.isdisjoint(names)
            measured[place] = self._unmeasured.isdisjoint(names)
            readable[place] = text is not None and text not in self._out
            inside = of_numbers or self._vocabulary is None or names[1] is not None
            known[place] = counted[place] and readable[place] and inside
            for row, token in enumerate(self.constrained):
                constrained[row, place] = token in names
        shown = [names[0] if names[0] is not None else names[1] for names in pairs]
        lengths = np.array([len(names[0] or "") for names in pairs], np.int64)
        return Resolved(shown, known, counted, readable, measured, lengths, constrained)  # type: ignore[arg-type]

    def _named(self, value: Any, of_numbers: bool) -> tuple[str | None, int | None]:
        """Text and number of a token, None for what it has not."""
        if of_numbers:
            return (None if self._vocabulary is None else self._vocabulary.token(value)), value
        if isinstance(value, bytes):
            try:
                value = value.decode("utf-8")
            except UnicodeDecodeError:
                return NOT_UTF8, None
        return value, None if self._vocabulary is None else self._vocabulary.numbers.get(value)


def domain_options(domain: Any, vocab_paths: Any) -> dict[str, Any] | None:
    """The arguments of `TokenRules` for a `NaturalLanguageDomain`; None for one that asks nothing.

    Args:
        domain: the message.
        vocab_paths: vocabulary name -> file; names that it lacks are the caller's to refuse.
    """
    coverage, lengths = domain.coverage, domain.sequence_length_constraints
    numbers = [t.int_value for t in domain.token_constraints if t.WhichOneof("value") == "int_value"]
    texts = [t.string_value for t in domain.token_constraints if t.WhichOneof("value") == "string_value"]
    asked = {
        "vocabulary": None,
        "excluded": [*coverage.excluded_string_tokens, *coverage.excluded_int_tokens],
        "out_of_vocabulary": list(coverage.oov_string_tokens),
        "unmeasured": [*lengths.excluded_string_value, *lengths.excluded_int_value],
        "constrained": [*sorted(set(numbers)), *sorted(set(texts))],
    }
    if domain.vocabulary:
        path = vocab_paths[domain.vocabulary]
        asked["vocabulary"] = [path, vocabulary_digest(path)]
    return asked if any(asked.values()) else None

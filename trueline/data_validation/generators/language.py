"""Statistics of natural language: how far the vocabulary covers a feature, how long tokens and sequences are.

For features to which the schema gives a `natural_language_domain`: each value is a token (text, or a number of the
vocabulary), the values of a row are a sequence. The result is the custom statistic ``nl_statistics``, a packed
`NaturalLanguageStatistics`:

* `feature_coverage` = known tokens / counted tokens. Excluded tokens are not counted; those declared out of vocabulary,
  and where there is a vocabulary all that it lacks, are counted and not known;
* lengths of the known tokens in characters, lengths of the sequences without the tokens that the domain excludes;
* the known tokens by frequency; for each constrained token how often, in how many sequences and where it occurs;
* the five distinct sequences of lowest coverage, then the five of lowest average token length, cut after 100 tokens
  or 2000 characters.

Source of the figures: TensorFlow Data Validation. It differs in three things: there a token of text that the vocabulary
lacks counts as known, the least sequence length forgets a 0, and a token excluded by text and number counts twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.frequencies import Frequencies
from trueline.data_validation.generators.base import nested, split_nested
from trueline.data_validation.generators.leaves import Leaf
from trueline.data_validation.generators.sequences import Distribution, ReportedSequences, TokenCounts
from trueline.data_validation.generators.tokens import Resolved, TokenRules
from trueline.data_validation.histograms import fill_quantiles_histogram

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["LanguageStatistics"]

_MOST_TOKENS, _MOST_BYTES = 16_384, 16 * 2**20
_SUMS = ("known", "counted", "characters", "sequences")
Ints = npt.NDArray[np.int64]


class LanguageStatistics:
    """Natural-language statistics of one feature.

    Args:
        rules: the arguments of `TokenRules`.
        num_histogram_buckets: buckets of the positions of constrained tokens; 0 for none.
        num_quantiles_histogram_buckets: buckets of the histograms of lengths; 0 for none.
        num_rank_histogram_buckets: most tokens by frequency.
    """

    def __init__(
        self,
        rules: Mapping[str, Any],
        num_histogram_buckets: int = 10,
        num_quantiles_histogram_buckets: int = 10,
        num_rank_histogram_buckets: int = 1000,
    ) -> None:
        self._rules = TokenRules(**rules)
        self._quantiles, self._ranks = num_quantiles_histogram_buckets, num_rank_histogram_buckets
        self._sums = dict.fromkeys(_SUMS, 0)
        self._kinds: set[str] = set()
        self._token_lengths, self._sequence_lengths = Distribution(), Distribution()
        self._frequencies = Frequencies(_MOST_TOKENS, _MOST_BYTES)
        self._counts = TokenCounts(len(self._rules.constrained), num_histogram_buckets)
        self._reported = (ReportedSequences(), ReportedSequences())

    def update(self, leaf: Leaf) -> None:
        """Takes in the sequences of a block."""
        import pyarrow.compute as pc

        self._kinds.add(leaf.kind)
        if leaf.kind not in ("text", "int"):
            return
        self._sums["sequences"] += int((~leaf.entries.missing).sum())
        if len(leaf.values) == 0:
            return
        encoded = pc.dictionary_encode(leaf.values)
        codes: Ints = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        tokens = self._rules.resolve(encoded.dictionary, leaf.kind == "int")
        self._update_tokens(tokens, codes)
        starts = np.flatnonzero(np.diff(leaf.places, prepend=-1))
        sizes = np.diff(np.append(starts, len(codes)))
        self._sequence_lengths.update(np.add.reduceat(tokens.measured[codes].astype(np.int64), starts))
        self._counts.update(tokens.constrained[:, codes], starts, sizes)
        readable = np.add.reduceat(tokens.readable[codes].astype(np.int64), starts)
        letters = np.add.reduceat(np.where(tokens.readable, tokens.lengths, 0)[codes], starts)
        metrics = (readable / sizes, np.where(readable > 0, letters / np.maximum(readable, 1), 0.0))
        for reported, metric in zip(self._reported, metrics, strict=True):
            reported.update(metric, encoded, starts, sizes, tokens.shown)

    def _update_tokens(self, tokens: Resolved, codes: Ints) -> None:
        import pyarrow as pa

        times = np.bincount(codes, minlength=len(tokens.shown))
        known = times * tokens.known
        self._sums["known"] += int(known.sum())
        self._sums["counted"] += int((times * tokens.counted).sum())
        self._sums["characters"] += int((known * tokens.lengths).sum())
        self._token_lengths.update(tokens.lengths[codes[tokens.known[codes]]])
        by_text: dict[str, int] = {}
        for place in np.flatnonzero(known).tolist():
            text = str(tokens.shown[place])
            by_text[text] = by_text.get(text, 0) + int(known[place])
        if by_text:
            self._frequencies.add(pa.array(list(by_text), pa.large_string()), np.array([*by_text.values()], np.int64))

    def merge(self, other: LanguageStatistics) -> None:
        """Takes in other blocks."""
        for name, value in other._sums.items():
            self._sums[name] += value
        self._kinds |= other._kinds
        self._token_lengths.merge(other._token_lengths)
        self._sequence_lengths.merge(other._sequence_lengths)
        self._frequencies.merge(other._frequencies)
        self._counts.merge(other._counts)
        for mine, theirs in zip(self._reported, other._reported, strict=True):
            mine.merge(theirs)

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state: a JSON header and arrays."""
        frequencies, arrays = self._frequencies.parts()
        header = {
            "sums": self._sums,
            "kinds": sorted(self._kinds),
            "frequencies": frequencies,
            "reported": [reported.worst for reported in self._reported],
        }
        inner = {
            "frequencies": arrays,
            "token_lengths": self._token_lengths.parts(),
            "sequence_lengths": self._sequence_lengths.parts(),
            "counts": self._counts.parts(),
        }
        return header, {name: array for key, part in inner.items() for name, array in nested(key, part).items()}

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        inner = split_nested(arrays)
        self._sums = {name: int(header["sums"][name]) for name in _SUMS}
        self._kinds = {str(kind) for kind in header["kinds"]}
        self._frequencies.restore(header["frequencies"], inner["frequencies"])
        self._token_lengths.restore(inner["token_lengths"])
        self._sequence_lengths.restore(inner["sequence_lengths"])
        self._counts.restore(inner["counts"])
        for reported, worst in zip(self._reported, header["reported"], strict=True):
            reported.worst = [(float(metric), str(text)) for metric, text in worst]

    def fill(self, message: statistics_pb2.FeatureNameStatistics) -> None:
        """Writes the packed statistics; nothing for a feature that is neither text nor integers, or both."""
        from tensorflow_metadata.proto.v0 import statistics_pb2

        if len(self._kinds) > 1 or not self._kinds <= {"text", "int"}:
            return
        found = statistics_pb2.NaturalLanguageStatistics()
        if self._sums["counted"]:
            found.feature_coverage = self._sums["known"] / self._sums["counted"]
        if self._sums["known"]:
            found.avg_token_length = self._sums["characters"] / self._sums["known"]
        found.min_sequence_length, found.max_sequence_length = self._sequence_lengths.least, self._sequence_lengths.most
        for name in ("token_length", "sequence_length"):
            lengths: Distribution = getattr(self, f"_{name}s")
            if self._quantiles and lengths.count:
                histogram = getattr(found, f"{name}_histogram")
                fill_quantiles_histogram(histogram, lengths.summary, lengths.least, lengths.most, self._quantiles)
        self._fill_tokens(found)
        found.reported_sequences.extend(text for reported in self._reported for _, text in reported.worst)
        message.custom_stats.add(name="nl_statistics").any.Pack(found)

    def _fill_tokens(self, found: statistics_pb2.NaturalLanguageStatistics) -> None:
        values, counts = self._frequencies.top(self._ranks, 1) if self._ranks else ([], [])
        for rank, (value, count) in enumerate(zip(values, counts, strict=True)):
            label = value.decode("utf-8")
            found.rank_histogram.buckets.add(low_rank=rank, high_rank=rank, label=label, sample_count=float(count))
        if not self._kinds:
            return
        for place in self._rules.countable("int" in self._kinds):
            token = self._rules.constrained[place]
            message = found.token_statistics.add()
            setattr(message, "int_token" if isinstance(token, int) else "string_token", token)
            self._counts.fill(message, place, self._sums["sequences"])

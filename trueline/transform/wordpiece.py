"""WordPiece: words cut into the pieces of a vocabulary, as BERT and the encoders after it cut them.

The rules are those of the BERT paper's published tokeniser: clean, lower-case and strip accents where asked for, set
CJK characters apart, split at blanks and punctuation, then take the longest piece that the vocabulary has, again and
again; a word that cannot be cut so is unknown as a whole.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trueline._core import store
from trueline._core.errors import ModelError

__all__ = ["WordPiece", "read_wordpiece"]

_LONGEST_WORD = 100
_CJK = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


def _is_cjk(c: str) -> bool:
    return any(low <= ord(c) <= high for low, high in _CJK)


def _is_punctuation(c: str) -> bool:
    code = ord(c)
    ascii_sign = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_sign or unicodedata.category(c).startswith("P")


def _kept(c: str) -> str:
    if c in "\t\n\r" or unicodedata.category(c) == "Zs":
        return " "
    return "" if c in "\0\ufffd" or unicodedata.category(c) in ("Cc", "Cf", "Co") else c


@dataclass(frozen=True)
class WordPiece:
    """A tokeniser.

    Attributes:
        vocabulary: id by piece; pieces within a word begin with `prefix`.
        lower: whether letters are made small.
        strip_accents: whether accents are dropped.
        split_cjk: whether every CJK character is a word.
        prefix: how pieces within a word begin.
        special: the texts of the tokens that stand for themselves, by role: ``cls``, ``sep``, ``unk``, ``pad``.
        max_tokens: the most tokens that the model takes.
    """

    vocabulary: Mapping[str, int]
    lower: bool = True
    strip_accents: bool = True
    split_cjk: bool = True
    prefix: str = "##"
    special: Mapping[str, str] = field(
        default_factory=lambda: {"cls": "[CLS]", "sep": "[SEP]", "unk": "[UNK]", "pad": "[PAD]"}
    )
    max_tokens: int = 512

    def words(self, text: str) -> list[str]:
        """The words and punctuation signs of a text."""
        cleaned = "".join(_kept(c) for c in text)
        if self.split_cjk:
            cleaned = "".join(f" {c} " if _is_cjk(c) else c for c in cleaned)
        if self.lower:
            cleaned = cleaned.lower()
        if self.strip_accents:
            cleaned = "".join(c for c in unicodedata.normalize("NFD", cleaned) if unicodedata.category(c) != "Mn")
        return "".join(f" {c} " if _is_punctuation(c) else c for c in cleaned).split()

    def pieces(self, word: str) -> list[str]:
        """The pieces of one word, or the unknown token."""
        unknown = [self.special["unk"]]
        if len(word) > _LONGEST_WORD:
            return unknown
        found, start = [], 0
        while start < len(word):
            lead = self.prefix if start else ""
            for end in range(len(word), start, -1):
                if lead + word[start:end] in self.vocabulary:
                    break
            else:
                return unknown
            found.append(lead + word[start:end])
            start = end
        return found

    def tokens(self, text: str) -> list[str]:
        """All pieces of a text, without the tokens that frame it."""
        return [piece for word in self.words(text) for piece in self.pieces(word)]

    def ids(self, text: str, max_tokens: int) -> list[int]:
        """The framed ids of a text, at most `max_tokens` of them."""
        inner = self.tokens(text)[: max_tokens - 2]
        return [self.vocabulary[t] for t in (self.special["cls"], *inner, self.special["sep"])]


def _json(folder: str, name: str) -> dict[str, Any]:
    uri = store.join(folder, name)
    if not store.exists(uri):
        return {}
    try:
        found = json.loads(store.read_text(uri))
    except ValueError as error:
        raise ModelError(f"{name} is no JSON: {error}", where=folder) from error
    if not isinstance(found, dict):
        raise ModelError(f"{name} holds no JSON object", where=folder)
    return found


def _text_of(token: Any, default: str) -> str:
    """A token's text, which configurations write as text or as an object."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else default


def read_wordpiece(folder: str) -> WordPiece:
    """The tokeniser of an encoder's folder: of ``vocab.txt``, or of a ``tokenizer.json`` whose model is WordPiece, with
    what ``tokenizer_config.json`` says.

    Raises:
        ModelError: neither file, another kind of tokeniser, or a vocabulary without the special tokens.
    """
    config, whole = _json(folder, "tokenizer_config.json"), _json(folder, "tokenizer.json")
    normalizer = whole.get("normalizer") or {}
    model = whole.get("model") or {}
    vocab_uri = store.join(folder, "vocab.txt")
    if store.exists(vocab_uri):
        lines = store.read_text(vocab_uri).split("\n")
        vocabulary = {line.rstrip("\r"): i for i, line in enumerate(lines) if line or i + 1 < len(lines)}
    elif model.get("type") == "WordPiece" or (model and "type" not in model and "merges" not in model):
        vocabulary = {str(k): int(v) for k, v in model.get("vocab", {}).items()}
    else:
        found = f"a tokeniser of type {model.get('type')!r}" if model else "neither vocab.txt nor tokenizer.json"
        raise ModelError(
            f"the encoder's folder has {found}",
            where=folder,
            hint="WordPiece encoders work (BERT, MiniLM, BGE, E5 and kin); others need a host step of your own.",
        )
    lower = bool(config.get("do_lower_case", normalizer.get("lowercase", True)))
    strip = config.get("strip_accents", normalizer.get("strip_accents"))
    special = {
        role: _text_of(config.get(f"{role}_token"), f"[{role.upper()}]") for role in ("cls", "sep", "unk", "pad")
    }
    missing = sorted(t for t in special.values() if t not in vocabulary)
    if missing:
        raise ModelError(f"the vocabulary has no {', '.join(missing)}", where=folder)
    longest = config.get("model_max_length")
    limit = int(longest) if isinstance(longest, int) and 2 < longest <= 8192 else 512
    return WordPiece(
        vocabulary,
        lower,
        lower if strip is None else bool(strip),
        bool(config.get("tokenize_chinese_chars", normalizer.get("handle_chinese_chars", True))),
        str(model.get("continuing_subword_prefix", "##")),
        special,
        limit,
    )

"""Text encoders: words cut by hand, vectors known beforehand, folders pinned by their content."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers_encoder import VOCABULARY, encoder_folder

import trueline.transform as tlt
from trueline._core.errors import ModelError
from trueline.engine import LocalEngine
from trueline.transform.encoders import Encoder, encoder_sha256, open_encoder
from trueline.transform.wordpiece import WordPiece, read_wordpiece

PIECES = WordPiece({t: i for i, t in enumerate(VOCABULARY)})


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("unaffable", "un ##aff ##able"),
        ("UNwanted running", "[UNK] runn ##ing"),  # the vocabulary has want, but not ##want
        ("wanted, running!", "want ##ed , runn ##ing !"),
        ("the unaffableX", "the [UNK]"),
        ("Café's", "cafe ' s"),
        ("CAFÉS.", "cafe ##s ."),
        ("日本", "日 本"),
        ("hello\u00a0\t\n the", "hello the"),
        ("he\u200dl\0lo", "hello"),  # joiners and zeros are dropped
        ("a" * 101, "[UNK]"),
        ("a" * 100, "a" + " ##a" * 99),
        ("", ""),
    ],
)
def test_words_are_cut_by_the_longest_piece(text: str, tokens: str) -> None:
    """By hand from the rules; the first example is the one of BERT's published tests."""
    assert PIECES.tokens(text) == tokens.split()


def test_ids_are_framed_and_cut() -> None:
    assert PIECES.ids("the quick", 512) == [2, 18, 19, 3]
    assert PIECES.ids("the quick the", 4) == [2, 18, 19, 3]


def rows_of(texts: list[str], scale: float = 1.0) -> np.ndarray:
    table = (np.arange(len(VOCABULARY) * 3, dtype=np.float64).reshape(-1, 3) - 20) * scale
    return np.array([table[PIECES.ids(t, 512)].mean(axis=0) for t in texts])


TEXTS = ["the quick", "", "hello!", "nonsense words", "the quick"]


def test_a_text_is_the_mean_of_its_tokens_vectors(tmp_path: Path) -> None:
    encoder = Encoder(encoder_folder(tmp_path / "e"))
    assert encoder.width == 3
    expected = rows_of(TEXTS)
    for batch_size in (1, 2, 64):  # the padding of a batch has no part in the mean
        found = encoder.embed([*TEXTS, None], 512, False, batch_size)
        assert found[-1] is None
        np.testing.assert_allclose(np.array(found[:-1]), expected, rtol=1e-12)
    unit = np.array(encoder.embed(TEXTS, 512, True, 1))
    np.testing.assert_allclose(unit, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-12)


def test_embeddings_in_a_transform_are_pinned(tmp_path: Path) -> None:
    folder = encoder_folder(tmp_path / "e")
    table = pa.table({"s": [*TEXTS, None]})
    out, output = tlt.analyze_and_transform(
        table, lambda x: {"v": tlt.embed_text(x["s"], folder, normalize=False)}, engine=LocalEngine(workers=1)
    )
    np.testing.assert_allclose(out["v"].to_pylist()[:5], rows_of(TEXTS), rtol=1e-6)
    assert out["v"].to_pylist()[5] is None
    assert output.host_steps()[0].params["sha256"] == encoder_sha256(folder)
    open_encoder.cache_clear()
    encoder_folder(tmp_path / "e", scale=2.0)
    with pytest.raises(ModelError, match="the graph was made with"):
        output.transform(table)


def test_configurations_of_tokenisers_are_followed(tmp_path: Path) -> None:
    cased = encoder_folder(tmp_path / "cased", config={"do_lower_case": False, "model_max_length": 16})
    pieces = read_wordpiece(cased)
    assert (pieces.lower, pieces.strip_accents, pieces.max_tokens) == (False, False, 16)
    assert pieces.tokens("The the café") == ["[UNK]", "the", "[UNK]"]
    whole = tmp_path / "whole"
    encoder_folder(whole)
    (whole / "vocab.txt").unlink()
    model = {"type": "WordPiece", "vocab": {t: i for i, t in enumerate(VOCABULARY)}, "continuing_subword_prefix": "##"}
    normalizer = {"type": "BertNormalizer", "lowercase": True, "strip_accents": None, "handle_chinese_chars": True}
    (whole / "tokenizer.json").write_text(json.dumps({"model": model, "normalizer": normalizer}))
    assert read_wordpiece(str(whole)).tokens("CAFÉS") == ["cafe", "##s"]
    (whole / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "merges": []}}))
    with pytest.raises(ModelError, match="type 'BPE'"):
        read_wordpiece(str(whole))
    (whole / "tokenizer.json").write_text("[")
    with pytest.raises(ModelError, match="no JSON"):
        read_wordpiece(str(whole))
    (whole / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"neither vocab\.txt nor"):
        read_wordpiece(str(whole))
    (whole / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(ModelError, match="no \\[CLS\\]"):
        read_wordpiece(str(whole))

"""The oracle of tokens: runs of one class are found by a shorter way, which gives what the general one gives."""

from __future__ import annotations

import time

import pytest

from trueline.transform.operations import findall

TEXTS = ["Ab 12_é -x\n[]", "", "a]b[c\\d", "日本語 text a\u0301b", "x--y^z"]
RUNS = (r"[\p{L}\p{M}\p{N}_]+", "[^ ]+", "[a-z]+", r"[\]\[]+", r"[\w-]+", r"[\pL]+", r"[^\n]+", r"[\\]+", r"[\x{e9}]+")
OTHERS = ("[A-Z]+[a-z]+", "[[:alpha:]]+", "[a]b]+", "a+", "[a]|[b]+")


@pytest.mark.parametrize("pattern", [*RUNS, *OTHERS])
def test_both_ways_agree(pattern: str) -> None:
    assert (findall._RUN.fullmatch(pattern) is not None) == (pattern in RUNS)
    assert findall.find_all(pattern, TEXTS) == [findall._tokens(pattern, text) for text in TEXTS]


def test_words_of_whole_documents_take_no_time() -> None:
    start = time.process_time()
    (found,) = findall.find_all(RUNS[0], ["once upon a time, " * 20_000])
    assert len(found) == 80_000
    assert time.process_time() - start < 5.0

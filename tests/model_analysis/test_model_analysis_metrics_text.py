"""BLEU, ROUGE and kin: the libraries' numbers, brute force, and the laws of merging."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_analysis_objects import measure

from trueline._core.errors import DataError
from trueline.model_analysis import (
    EvalConfig,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SlicingSpec,
    analyze_raw_data,
)
from trueline.model_analysis.check import config_problems
from trueline.model_analysis.metrics.alignment import common_places, common_subsequence, edit_distance
from trueline.model_analysis.metrics.rouge import ROUGE_TYPES
from trueline.model_analysis.metrics.stemmer import stem
from trueline.model_analysis.metrics.tokens import TOKENIZERS

ROWS: list[tuple[list[str] | None, str | None]] = [
    (["The cat sat on the mat.", "There is a cat on the mat."], "The cat is on the mat."),
    (["Prices rose 3.5% in the U.S. - more than expected, he said."], "Prices rose by 3.5% in the U.S., he said"),
    (['"Hello," she said &amp; left.\nThen it rained.'], "It was raining then.\nHello, she said and left."),
    (["running generalizations of the high-tech café cost €5"], "runs a generalization of high-tech cafés cost €5"),
    (["Nothing is here"], ""),
    (["short"], "short"),
]
BLEU = {
    ("13a", "exp"): 0.31433342472906484, ("13a", "add-k"): 0.3323681361530773,
    ("intl", "exp"): 0.3131602908459173, ("intl", "add-k"): 0.3296132104682708,
    ("char", "floor"): 0.5497982805527867, ("char", "none"): 0.5497982805527867,
    ("none", "exp"): 0.11844030014583437, ("none", "floor"): 0.07920580244102422,
    ("none", "add-k"): 0.15560675117939174, ("none", "none"): 0.0,
}  # fmt: skip
"""Of `ROWS` by sacrebleu 2.6.0, divided by 100: (tokenize, smooth_method)."""
ROUGE = {
    ("rouge1", False): (0.6681818181818183, 0.6698717948717948, 0.6673546611627107),
    ("rouge1", True): (0.7200336700336701, 0.7277421652421653, 0.7220502235982112),
    ("rouge2", False): (0.31388888888888883, 0.30734126984126986, 0.3093285799168152),
    ("rouge2", True): (0.3324074074074074, 0.3281746031746032, 0.3289364230540701),
    ("rougeL", False): (0.6311447811447811, 0.6282051282051282, 0.6281389748882008),
    ("rougeL", True): (0.6644781144781144, 0.6652421652421653, 0.6632266941864465),
    ("rougeLsum", False): (0.6496632996632997, 0.6490384615384616, 0.6477468180254559),
    ("rougeLsum", True): (0.7015151515151515, 0.7069088319088319, 0.7024423804609562),
}
"""Of `ROWS` by rouge-score 0.1.2: mean precision, recall, F measure."""
STEMS = (
    "caresses caress ponies poni skies sky dying die agreed agre plastered plaster motoring motor conflated conflat "
    "troubling troubl sized size hopping hop tanned tan falling fall hissing hiss fizzed fizz failing fail filing file "
    "happy happi sky sky relational relat conditional condit rational ration valenci valenc digitizer digit "
    "conformabli conform radicalli radic differentli differ vileli vile analogousli analog vietnamization vietnam "
    "predication predic operator oper feudalism feudal decisiveness decis hopefulness hope callousness callous "
    "formaliti formal sensitiviti sensit sensibiliti sensibl triplicate triplic formative form formalize formal "
    "electriciti electr electrical electr hopeful hope goodness good revival reviv allowance allow inference infer "
    "airliner airlin gyroscopic gyroscop adjustable adjust defensible defens irritant irrit replacement replac "
    "adjustment adjust dependent depend adoption adopt homologou homolog communism commun activate activ angulariti "
    "angular homologous homolog effective effect bowdlerize bowdler probate probat rate rate cease ceas controll "
    "control roll roll enjoy enjoy spied spi died die fulli fulli psychology psycholog analogies analog yes ye us us"
)
"""Words of Porter's paper and more, each with its stem by NLTK 3.10.4."""
ALL = [
    MetricConfig("Bleu"),
    MetricConfig("ExactMatch"),
    MetricConfig("WordErrorRate"),
    *(MetricConfig("Rouge", {"rouge_type": t, "name": t}) for t in ("rouge1", "rouge2", "rougeL", "rougeLsum")),
]


def texts(rows: Any) -> pa.Table:
    labels, predictions = zip(*rows, strict=True)
    return pa.table(
        {"label": pa.array(labels, pa.list_(pa.string())), "prediction": pa.array(predictions, pa.string())}
    )


def only(rows: Any, name: str, options: dict[str, Any] | None = None) -> Any:
    return next(iter(measure(texts(rows), [MetricConfig(name, options or {})]).values()))


@pytest.mark.parametrize(("tokenize", "smooth"), BLEU)
def test_bleu_is_sacrebleus(tokenize: str, smooth: str) -> None:
    found = only(ROWS, "Bleu", {"tokenize": tokenize, "smooth_method": smooth})
    assert found.value == pytest.approx(BLEU[tokenize, smooth], rel=1e-12)


def test_bleu_of_few_matches_by_smoothing_and_of_short_texts() -> None:
    few = [(["a b d x z q"], "a b c x y")]
    wanted = {"exp": 0.193576934939088, "floor": 0.10294994188297389, "add-k": 0.30789214024300127, "none": 0.0}
    assert {s: only(few, "Bleu", {"smooth_method": s}).value for s in wanted} == pytest.approx(wanted, rel=1e-12)
    short = only([(["the cat sat"], "The Cat")], "Bleu", {"lowercase": True, "effective_order": True})
    assert short.value == pytest.approx(0.6065306597126336)


@pytest.mark.parametrize(("kind", "stemmed"), ROUGE)
def test_rouge_is_that_of_rouge_score(kind: str, stemmed: bool) -> None:
    metric = MetricConfig("Rouge", {"rouge_type": kind, "use_stemmer": stemmed, "name": "r"})
    found = measure(texts(ROWS), [metric], [2, 4])
    assert [found[f"r_{p}"].value for p in ("precision", "recall", "fmeasure")] == pytest.approx(ROUGE[kind, stemmed])


def test_stems() -> None:
    listed = STEMS.split()
    assert {w: stem(w) for w in listed[::2]} == dict(zip(listed[::2], listed[1::2], strict=True))


def test_tokens() -> None:
    text = "It's 3,5% (ca. 1-2) of “x”, &lt;b&gt;\nend."
    assert " ".join(TOKENIZERS["13a"](text)) == "It's 3,5 % ( ca . 1 - 2 ) of “x” , < b > end ."
    assert TOKENIZERS["intl"]("“x” 1,5€.") == ["“", "x", "”", "1,5", "€", "."]
    assert TOKENIZERS["char"]("a b") == ["a", "b"]


words = st.lists(st.sampled_from(["a", "b", "the", "cat", "on.", "3.5"]), min_size=1, max_size=7).map(" ".join)
pairs = st.tuples(st.lists(words, min_size=1, max_size=2), words)


@settings(max_examples=25, deadline=None)
@given(st.lists(pairs, min_size=1, max_size=5), st.data())
def test_values_lie_within_0_and_1_whatever_the_blocks_and_the_order(rows: list[Any], data: Any) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=2))
    order = data.draw(st.permutations(rows))
    one, two = measure(texts(rows), ALL), measure(texts(order), ALL, cuts)
    for key, found in one.items():
        assert found.value == pytest.approx(two[key].value, rel=1e-12), key
        assert key == "word_error_rate" or 0 <= (found.value or 0) <= 1 + 1e-12


@settings(max_examples=15, deadline=None)
@given(st.lists(words.filter(lambda t: len(t.split()) >= 4), min_size=1, max_size=4))
def test_texts_equal_to_a_reference_are_perfect(given_texts: list[str]) -> None:
    rows = [(["something else", text], text) for text in given_texts]
    metrics = [m for m in ALL if m.config.get("rouge_type") != "rougeLsum"]
    for key, found in measure(texts(rows), metrics).items():
        assert found.value == pytest.approx(0.0 if key == "word_error_rate" else 1.0), key


def brute_distance(one: str, two: str) -> int:
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        before, row = row, [i]
        for j, b in enumerate(two, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b)))
    return row[-1]


def brute_common(one: str, two: str) -> int:
    row = [0] * (len(two) + 1)
    for a in one:
        before, row = row, [0]
        for j, b in enumerate(two):
            row.append(before[j] + 1 if a == b else max(before[j + 1], row[j]))
    return row[-1]


@given(st.text("abc", max_size=70), st.text("abc", max_size=70))
def test_alignments_are_those_of_the_plain_algorithms(one: str, two: str) -> None:
    assert edit_distance(one, two) == brute_distance(one, two)
    assert common_subsequence(one, two) == brute_common(one, two) == len(common_places(one, two))


def test_error_rates_are_edits_over_the_length_of_the_references() -> None:
    rows = [(["the cat sat"], "the cat sat down"), (["a b", "x y z"], "x z")]
    assert only(rows, "WordErrorRate").value == pytest.approx(2 / 6)
    assert only([(["kitten"], "sitting")], "CharacterErrorRate").value == pytest.approx(3 / 6)
    assert only([([""], "")], "CharacterErrorRate").undefined == "the references are empty"


def test_exact_match_of_texts_json_lists_and_several_references() -> None:
    rows = pa.table({"label": ['{"a": 1, "b": [2]}', "[1]", "1"], "prediction": ['{"b":[2],"a":1}', "[1, 2]", "{"]})
    plain, parsed = (
        measure(rows, [MetricConfig("ExactMatch", {"convert_to": c})])["exact_match"].value for c in ("", "json")
    )
    assert (plain, parsed) == (0.0, pytest.approx(1 / 3))
    broken = pa.table({"label": ["{"], "prediction": ["{"]})
    found = measure(broken, [MetricConfig("ExactMatch", {"convert_to": "json"})])["exact_match"]
    assert found.value is None
    assert "cannot be converted" in str(found.undefined)
    lists = pa.table({"label": [[1, 2], [3]], "prediction": [[1, 2], [4]]})
    assert measure(lists, [MetricConfig("ExactMatch")])["exact_match"].value == 0.5


def test_missing_texts_are_counted_and_empty_ones_are_texts() -> None:
    missing = measure(texts([*ROWS, (["x"], None)]), ALL)
    assert all("1 predictions are missing" in str(e.undefined) for e in missing.values())
    unlabelled = measure(texts([*ROWS, (None, "x")]), [MetricConfig("Bleu")])["bleu"]
    assert unlabelled.value == pytest.approx(BLEU["13a", "exp"])
    empty = measure(texts([([""], "")]), ALL)
    assert empty["bleu"].undefined == "neither texts nor references have any tokens"
    assert empty["rouge1_fmeasure"].value == 0.0


def test_what_is_no_text_says_so() -> None:
    with pytest.raises(DataError, match="prediction column of type int64"):
        measure(pa.table({"label": ["a"], "prediction": [1]}), [MetricConfig("Bleu")])


def test_intervals_and_every_rouge_type() -> None:
    metrics = [MetricConfig("Rouge", {"rouge_type": t, "name": t}) for t in ROUGE_TYPES]
    found = measure(texts(ROWS), [MetricConfig("Bleu"), *metrics], noise=True)
    assert (found["bleu"].standard_error or 0) > 0
    assert len(found) == 1 + 3 * len(ROUGE_TYPES)
    by_order = [found[f"rouge{n}_fmeasure"].value or 0 for n in range(1, 10)]
    assert by_order == sorted(by_order, reverse=True)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("Bleu", {"tokenize": "13"}, "'13' is none of 13a, char, intl, none"),
        ("Bleu", {"smooth_method": "add"}, "is none of exp, floor, add-k, none"),
        ("Rouge", {"rouge_type": "rougeX"}, "is none of rouge1"),
        ("ExactMatch", {"convert_to": "xml"}, "is none of"),
        ("COCOAveragePrecision", {"area_range": [1]}, "a least and a greatest area"),
        ("COCOMeanAveragePrecision", {"class_ids": 3}, "a list of numbers is expected"),
        ("COCOMeanAveragePrecision", {"iou_thresholds": ["a"]}, "a number is expected"),
        ("SemanticSegmentationIoU", {}, "needs the option 'class_ids'"),
    ],
)
def test_wrong_options_are_found_before_data_is_read(name: str, options: dict[str, Any], said: str) -> None:
    problems = config_problems(EvalConfig([MetricsSpec([MetricConfig(name, options)])]), "objects")
    assert len(problems) == 1
    assert said in problems[0]


def test_thresholds_and_slices_of_a_part_by_its_name() -> None:
    rows = texts(ROWS * 2).append_column("lang", pa.array(["en", "de"] * 6))
    least = MetricThreshold(GenericValueThreshold(0.7))
    spec = MetricsSpec([MetricConfig("Rouge", {"rouge_type": "rougeL", "name": "rl"})], {"rl_fmeasure": least})
    result = analyze_raw_data(rows, EvalConfig([spec], [SlicingSpec(), SlicingSpec(["lang"])]))
    failed = {(f.metric, f.slice) for f in result.validation_result.failures}
    assert failed == {("rl_fmeasure", "Overall"), ("rl_fmeasure", "lang=en")}

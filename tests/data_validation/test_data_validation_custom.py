"""Accumulators of the user's own: in the same pass, merged by path, also in slices; what is wrong with them is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import statistics_pb2

from trueline._core.errors import ConfigError, EngineError
from trueline.data_validation import StatsOptions, generate_statistics
from trueline.data_validation.merging import custom_part, merge_parts
from trueline.engine import AccumulatorSpec, Dataset, LocalEngine, check_accumulator

sys.path.insert(0, str(Path(__file__).parent))

from slice_functions import LongWordsOf

HERE = str(Path(__file__).parent)

TABLE = pa.table({"word": ["a", "long", "longer", None, "longest"], "x": [1.0, 2.0, 3.0, 4.0, 5.0]})


def words(kind: str = "dict", **more: Any) -> AccumulatorSpec[Any]:
    """The accumulator as data."""
    return AccumulatorSpec("slice_functions:LongWords", {"column": "word", "length": 3, "kind": kind, **more})


def custom_of(dataset: Any, name: str) -> dict[str, Any]:
    """A feature's custom statistics."""
    feature = next(f for f in dataset.features if list(f.path.step) == [name])
    return {c.name: getattr(c, c.WhichOneof("val")) for c in feature.custom_stats}


@pytest.mark.parametrize("block_rows", [2, 100])
def test_a_users_statistic_stands_beside_the_others(block_rows: int) -> None:
    """Nothing else changes, and the feature has it in addition."""
    dataset = Dataset.from_table(TABLE, block_rows)
    plain = generate_statistics(dataset)
    found = generate_statistics(dataset, StatsOptions(generators=[words()]))
    assert custom_of(found.datasets[0], "word") == {"long_words": 3.0, "about": "words"}
    for feature in found.datasets[0].features:
        feature.ClearField("custom_stats")
    for feature in plain.datasets[0].features:
        feature.ClearField("custom_stats")
    assert found == plain


def test_all_forms_of_an_accumulator_and_of_its_result_agree() -> None:
    results = [
        generate_statistics(TABLE, StatsOptions(generators=[given]))
        for given in (words(), words("proto"), LongWordsOf("word"))
    ]
    assert [custom_of(r.datasets[0], "word")["long_words"] for r in results] == [3.0, 3.0, 3.0]


def test_without_the_default_statistics_only_the_users_are_made() -> None:
    found = generate_statistics(TABLE, StatsOptions(generators=[words()], add_default_generators=False)).datasets[0]
    assert found.num_examples == 5
    assert [list(f.path.step) for f in found.features] == [["word"]]
    assert found.features[0].WhichOneof("stats") is None
    empty = generate_statistics(TABLE, StatsOptions(add_default_generators=False)).datasets[0]
    assert empty == statistics_pb2.DatasetFeatureStatistics(num_examples=5)
    weighted = generate_statistics(TABLE, StatsOptions(add_default_generators=False, weight_feature="x")).datasets[0]
    assert weighted == statistics_pb2.DatasetFeatureStatistics(num_examples=5, weighted_num_examples=15.0)
    with pytest.raises(ConfigError, match="'word' holds string"):
        generate_statistics(TABLE, StatsOptions(add_default_generators=False, weight_feature="word"))


def test_counting_rows_keeps_the_engines_promises() -> None:
    spec = AccumulatorSpec("trueline.data_validation.counting:RowCount", {"weight": "w"})
    table = pa.table({"w": [float(k) for k in range(40)]})
    assert check_accumulator(spec, table, processes=False).weighted_num_examples == 780


def test_a_users_statistic_is_made_for_every_slice_in_worker_processes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", HERE)
    options = StatsOptions(generators=[words()], slices=["x > 2"])
    found = generate_statistics(Dataset.from_table(TABLE, 2), options)
    assert [custom_of(d, "word")["long_words"] for d in found.datasets] == [3.0, 2.0]
    with LocalEngine(2, processes=True) as engine:
        assert generate_statistics(Dataset.from_table(TABLE, 2), options, engine) == found


@pytest.mark.parametrize("kind", ["list", "odd"])
def test_a_result_that_is_no_statistics_names_the_accumulator(kind: str) -> None:
    with pytest.raises((ConfigError, EngineError), match="slice_functions:LongWords"):
        generate_statistics(TABLE, StatsOptions(generators=[words(kind)]))


def test_accumulators_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="'word'"):
        generate_statistics(TABLE, StatsOptions(generators=[LongWordsOf("wrod")]))
    with pytest.raises(EngineError, match="cannot be imported"):
        generate_statistics(TABLE, StatsOptions(generators=[AccumulatorSpec("no.such:Thing")]))
    with pytest.raises(EngineError, match="failed"):
        generate_statistics(TABLE.select(["x"]), StatsOptions(generators=[words()]))


def test_parts_merge_by_path_as_protos_do() -> None:
    """Later scalars win, lists are joined, paths are not doubled, the first type stays, new features come last."""

    def part(text: str) -> Any:
        return text_format.Parse(text, statistics_pb2.DatasetFeatureStatistics())

    one = part("""num_examples: 3 features { path { step: "a" } type: STRING string_stats { unique: 1 } }
        features { path { step: "b" step: "c" } type: FLOAT num_stats { mean: 1 } }""")
    two = part("""features { path { step: "b" step: "c" } custom_stats { name: "n" num: 2 } }
        features { path { step: "z" } custom_stats { name: "n" num: 5 } }
        cross_features { path_x { step: "a" } path_y { step: "z" } count: 3 }""")
    three = part("""features { name: "a" string_stats { unique: 9 } custom_stats { name: "m" num: 1 } }
        features { path { step: "a" } custom_stats { name: "k" num: 2 } }""")
    expected = part("""num_examples: 3
        features { path { step: "a" } type: STRING string_stats { unique: 9 }
            custom_stats { name: "m" num: 1 } custom_stats { name: "k" num: 2 } }
        features { path { step: "b" step: "c" } type: FLOAT num_stats { mean: 1 } custom_stats { name: "n" num: 2 } }
        features { path { step: "z" } custom_stats { name: "n" num: 5 } }
        cross_features { path_x { step: "a" } path_y { step: "z" } count: 3 }""")
    assert merge_parts([one, two, three]) == expected
    assert merge_parts([]) == statistics_pb2.DatasetFeatureStatistics()


def test_a_dict_may_hold_numbers_texts_histograms_and_messages() -> None:
    import numpy as np

    rank = statistics_pb2.RankHistogram(buckets=[statistics_pb2.RankHistogram.Bucket(label="a", sample_count=2)])
    histogram = statistics_pb2.Histogram(num_nan=3)
    found = custom_part(
        {
            ("s", "x"): {
                "n": np.float64(2.5),
                "i": 3,
                "t": "text",
                "r": rank,
                "h": histogram,
                "m": statistics_pb2.Histogram(),
            }
        },
        "m:f",
    )
    assert list(found.features[0].path.step) == ["s", "x"]
    kinds = {c.name: c.WhichOneof("val") for c in found.features[0].custom_stats}
    assert kinds == {"n": "num", "i": "num", "t": "str", "r": "rank_histogram", "h": "histogram", "m": "histogram"}
    for wrong in (np.arange(3), [1], None):
        with pytest.raises(EngineError, match="m:f, statistic 'n' of 'a'"):
            custom_part({"a": {"n": wrong}}, "m:f")
    packed = custom_part({"a": {"p": statistics_pb2.StringStatistics(unique=4)}}, "m:f").features[0].custom_stats[0]
    assert packed.any.Is(statistics_pb2.StringStatistics.DESCRIPTOR)

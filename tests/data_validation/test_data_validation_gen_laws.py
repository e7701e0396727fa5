"""Every generator keeps the engine's promises on awkward data, and the options alone bring it into a pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import ConfigError, EngineError
from trueline.data_validation import StatsOptions, generate_statistics, infer_schema
from trueline.data_validation.generators import generator_specs
from trueline.engine import Dataset, LocalEngine
from trueline.engine.testing import check_accumulator

ROWS = 400
SCHEMA = """
feature { name: "tags" type: BYTES natural_language_domain { vocabulary: "v"
  coverage { excluded_string_tokens: "ok" oov_string_tokens: "?" }
  token_constraints { string_value: "a" } token_constraints { int_value: 1 } } }
feature { name: "word" type: BYTES }
feature { name: "kind" type: INT int_domain { is_categorical: true } }
feature { name: "y" type: BYTES }
feature { name: "nested" type: STRUCT struct_domain {
  feature { name: "i" type: INT } feature { name: "v" type: BYTES }
  sparse_feature { name: "pair" index_feature { name: "i" } value_feature { name: "v" } } } }
sparse_feature { name: "sparse" index_feature { name: "ids" } index_feature { name: "gone" }
  value_feature { name: "tags" } }
weighted_feature { name: "weighted" feature { step: "tags" } weight_feature { step: "ids" } }
"""


def awkward(rows: int = ROWS, row_numbers: bool = True) -> pa.Table:
    """Nulls, NaN, infinities, empty and multivalent lists, structs in lists, unicode, bytes that are no UTF-8."""
    rng = np.random.default_rng(7)

    def maybe(values: list[Any], share: float = 0.1) -> list[Any]:
        return [None if rng.random() < share else value for value in values]

    texts = ["", "é", "2018-11-30", "a b c", "some plain words here", "ü" * 60]
    x = [float(v) for v in rng.normal(size=rows)]
    x[3], x[5], x[7] = float("nan"), float("inf"), -1.0
    columns = {
        "x": pa.array(maybe(x)),
        "ids": pa.array(maybe([list(map(int, rng.integers(-1, 4, rng.integers(0, 4)))) for _ in range(rows)])),
        "word": pa.array(maybe([texts[i] for i in rng.integers(0, len(texts), rows)])),
        "raw": pa.array(maybe([b"\xff\xfe" if rng.random() < 0.2 else b"BM12" for _ in range(rows)]), pa.binary()),
        "tags": pa.array(maybe([[str(t) for t in rng.choice([*"abc?", "ok"], i % 4)] for i in range(rows)])),
        "kind": pa.array(maybe([int(v) for v in rng.integers(0, 3, rows)])),
        "flag": pa.array(maybe([bool(v) for v in rng.integers(0, 2, rows)])),
        "y": pa.array(maybe([str(v) for v in rng.choice(["p", "q"], rows)], 0.05)),
        "when": pa.array([1_500_000_000_000_000 + i for i in range(rows)], pa.timestamp("us")),
        "nested": pa.array(maybe([[{"i": [1] * (j % 3), "v": ["é"] * j} for j in range(i % 3)] for i in range(rows)])),
        "deep": pa.array(maybe([[[], ["a"]][: i % 3] for i in range(rows)]), pa.list_(pa.list_(pa.string()))),
    }
    if row_numbers:
        columns["__row__"] = pa.array(range(rows))
    return pa.table(columns)


def options(vocabulary: Path, **more: Any) -> StatsOptions:
    """Options that ask for every generator."""
    vocabulary.write_text("a\nb\nc\n", encoding="utf-8")
    asked: dict[str, Any] = {
        "schema": text_format.Parse(SCHEMA, schema_pb2.Schema()),
        "label_feature": "y",
        "vocab_paths": {"v": str(vocabulary)},
        "enable_semantic_domain_stats": True,
        "cross_features": True,
        "mutual_information": True,
        "count_empty_values": True,
        "leakage": True,
    }
    return StatsOptions(**{**asked, **more})


NAMES = [
    "composite features",
    "cross features",
    "empty values",
    "image domains",
    "leakage",
    "lift",
    "mutual information",
    "natural language",
    "natural language domains",
    "time domains",
]
# The guess at natural language looks at stretches of a block, so it may depend on where blocks begin.
BLOCKWISE = {"natural language domains"}


def test_options_bring_in_every_generator_and_none_by_default(tmp_path: Path) -> None:
    """Nothing is planned, and so nothing is paid, unless it is asked for."""
    table = awkward()
    assert sorted(generator_specs(table.schema, options(tmp_path / "v.txt"))) == NAMES
    assert generator_specs(table.schema, StatsOptions()) == {}


@pytest.mark.parametrize("name", NAMES)
def test_laws(name: str, tmp_path: Path) -> None:
    """Same bits for any shards and workers; merging is associative, empty states and block borders change nothing."""
    table = awkward()
    spec, columns = generator_specs(table.schema, options(tmp_path / "v.txt"))[name]
    check_accumulator(
        spec, table, columns=columns, rtol=1e-9, atol=1e-12, recut=name not in BLOCKWISE, processes=name == "lift"
    )


@pytest.mark.parametrize("name", NAMES)
def test_narrow_large_and_dictionary_types_give_the_same(name: str, tmp_path: Path) -> None:
    """Large lists, large strings, dictionaries and int32 hold the same values, so the figures are the same."""
    table = awkward()
    wide = table.set_column(2, "word", table["word"].cast(pa.large_string()).dictionary_encode())
    wide = wide.set_column(1, "ids", table["ids"].cast(pa.large_list(pa.int32())))
    wide = wide.set_column(4, "tags", table["tags"].cast(pa.large_list(pa.large_string())))
    spec, columns = generator_specs(table.schema, options(tmp_path / "v.txt"))[name]
    results = []
    for given in (table, wide):
        accumulator = spec.new()
        for batch in given.select(list(columns)).combine_chunks().to_batches():
            accumulator.update(batch)
        results.append(accumulator.finish())
    assert results[0] == results[1]


@pytest.mark.parametrize("name", NAMES)
def test_states_of_others_are_refused(name: str, tmp_path: Path) -> None:
    """A state of other features, or a damaged one, is an error that says so, never a wrong figure."""
    table = awkward()
    specs = generator_specs(table.schema, options(tmp_path / "v.txt"))
    spec, _ = specs[name]
    with pytest.raises(EngineError):
        spec.load(b"no state at all")
    other = next(s for n, (s, _) in specs.items() if s.name != spec.name)
    with pytest.raises(EngineError):
        spec.load(other.new().state())


@pytest.mark.parametrize("name", NAMES)
def test_no_rows(name: str, tmp_path: Path) -> None:
    """A dataset without rows gives a result, and no figure that needs a row."""
    table = awkward()
    spec, columns = generator_specs(table.schema, options(tmp_path / "v.txt"))[name]
    dataset = Dataset.from_table(table.slice(0, 0))
    found = LocalEngine(1).run(spec, dataset, columns)
    assert not found.cross_features
    assert not [s for f in found.features for s in f.custom_stats if s.name in ("domain_info", "leakage")]


def test_the_pass_joins_all_parts_by_path(tmp_path: Path) -> None:
    """One feature has one message, with the basic figures and those of every generator."""
    table = awkward(2000)
    found = generate_statistics(table, options(tmp_path / "v.txt"), LocalEngine(2)).datasets[0]
    paths = [tuple(feature.path.step) for feature in found.features]
    assert len(paths) == len(set(paths))
    by_path = dict(zip(paths, found.features, strict=True))
    assert {stat.name for stat in by_path["word",].custom_stats} >= {"str_empty", "leakage_score", "Lift (Y=p)"}
    assert by_path["word",].string_stats.unique == 6
    assert {("sparse",), ("weighted",), ("nested", "pair")} <= set(paths)
    assert {stat.name for stat in by_path["nested", "pair"].custom_stats} >= {"missing_value", "max_length_diff"}
    assert [c.name for c in by_path["deep",].custom_stats if c.name == "list_empty"] == ["list_empty"]
    assert found.cross_features
    assert infer_schema(generate_statistics(table)).feature


def test_parts_at_different_depths_are_compared_row_by_row() -> None:
    """A weight for each value inside a list of structs: where columns differ in depth, a row's lengths are summed."""
    schema = text_format.Parse(
        'weighted_feature { name: "w" feature { step: "s" step: "v" } weight_feature { step: "weight" } }',
        schema_pb2.Schema(),
    )
    table = pa.table(
        {
            "s": pa.array([[{"v": ["a", "b"]}, {"v": ["c"]}], None, [{"v": None}], [{"v": ["d"]}]]),
            "weight": pa.array([[1.0, 2.0, 3.0], None, [1.0], [1.0, 1.0]]),
        }
    )
    found = generate_statistics(table, StatsOptions(schema=schema), LocalEngine(1)).datasets[0].features[-1]
    assert tuple(found.path.step) == ("w",)
    assert {s.name: s.num for s in found.custom_stats} == {
        "missing_weight": 0.0,
        "missing_value": 1.0,
        "min_weight_length_diff": 0.0,
        "max_weight_length_diff": 1.0,
    }


def test_sampled_guesses_do_not_depend_on_blocks_where_rows_have_numbers(tmp_path: Path) -> None:
    """A sample by row number is the same for any blocks; without numbers it is fixed by the place in the block."""
    asked = options(tmp_path / "v.txt", semantic_domain_stats_sample_rate=0.5)
    table = pa.table({"y": ["2020-01-01"] * 300 + ["x"] * 40, "tags": [["a"]] * 340, "__row__": range(340)})
    spec, columns = generator_specs(table.schema, asked)["time domains"]
    assert "__row__" in columns
    got = [LocalEngine(1).run(spec, Dataset.from_table(table, rows), columns) for rows in (17, 340)]
    assert got[0] == got[1]
    ratio = next(s.num for f in got[0].features for s in f.custom_stats if s.name == "time_match_ratio")
    assert 0.8 <= ratio < 1.0
    plain = generator_specs(table.drop(["__row__"]).schema, asked)["time domains"]
    assert "__row__" not in plain[1]
    check_accumulator(plain[0], table, columns=plain[1], recut=False, processes=False)


def test_an_allowlist_does_not_make_columns_seem_missing(tmp_path: Path) -> None:
    """Composite features that need another column are left out; the label is read though the list lacks it."""
    asked = options(tmp_path / "v.txt", feature_allowlist=["tags", "ids", "word"])
    found = generate_statistics(awkward(), asked, LocalEngine(1)).datasets[0]
    paths = {tuple(feature.path.step) for feature in found.features}
    assert paths == {("tags",), ("ids",), ("word",), ("weighted",)}
    assert {c.path_x.step[0] for c in found.cross_features} == {"tags", "word"}
    assert all(c.path_y.step[0] == "y" for c in found.cross_features)


def test_slices_have_their_own_figures(tmp_path: Path) -> None:
    """Lift of a slice is that of its rows alone."""
    table = awkward(600)
    sliced = generate_statistics(table, options(tmp_path / "v.txt", slices=["kind == 1"]), LocalEngine(1))
    part = table.filter(pa.compute.equal(table["kind"], 1))
    alone = generate_statistics(part, options(tmp_path / "v.txt"), LocalEngine(1)).datasets[0]
    lifts = [c for c in sliced.datasets[1].cross_features if c.HasField("categorical_cross_stats")]
    assert lifts == [c for c in alone.cross_features if c.HasField("categorical_cross_stats")]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"label_feature": "why"}, "label_feature 'why' is no column"),
        ({"cross_features": ["x", "word"]}, "'word'"),
        ({"vocab_paths": None}, "'v'"),
        ({"lift_boundaries": [1.0]}, "categorical"),
    ],
)
def test_what_cannot_be_given_is_refused(more: dict[str, Any], says: str, tmp_path: Path) -> None:
    """Before a row is read, naming the option and what there is instead."""
    with pytest.raises(ConfigError, match=says):
        generator_specs(awkward().schema, options(tmp_path / "v.txt", **more))

"""StatsOptions: upstream's names and defaults, every problem at once, one form of each value, JSON both ways."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import ConfigError
from trueline.data_validation import PerFeatureStatsConfig, StatsOptions, get_feature_value_slicer
from trueline.data_validation.slicing import ExpressionSlicer, FeatureSlicer, FunctionSlicer, all_slicers
from trueline.data_validation.slicing_config import parse_slicing_config, slicing_config_class
from trueline.engine import AccumulatorSpec
from trueline.schema import FeaturePath

# tfx_libraries.md 1.2: name -> default.
UPSTREAM: dict[str, Any] = {
    "generators": None,
    "schema": None,
    "label_feature": None,
    "weight_feature": None,
    "slice_functions": None,
    "experimental_slice_functions": None,
    "slicing_config": None,
    "sample_rate": None,
    "num_top_values": 20,
    "frequency_threshold": 1,
    "weighted_frequency_threshold": 1.0,
    "num_rank_histogram_buckets": 1000,
    "num_values_histogram_buckets": 10,
    "num_histogram_buckets": 10,
    "num_quantiles_histogram_buckets": 10,
    "epsilon": 0.01,
    "infer_type_from_schema": False,
    "desired_batch_size": None,
    "enable_semantic_domain_stats": False,
    "semantic_domain_stats_sample_rate": None,
    "per_feature_weight_override": None,
    "vocab_paths": None,
    "add_default_generators": True,
    "feature_allowlist": None,
    "use_sketch_based_topk_uniques": None,
    "experimental_use_sketch_based_topk_uniques": None,
    "experimental_result_partitions": 1,
    "experimental_num_feature_partitions": 1,
    "experimental_filter_read_paths": False,
    "per_feature_stats_config": None,
}
CONFIG = """
slicing_specs { feature_keys: "country" feature_values { key: "state" value: "CA" } }
slicing_specs {}
slicing_specs { feature_keys: "country" }
"""


def top_level_slicer(batch: pa.RecordBatch) -> list[tuple[str, pa.RecordBatch]]:
    """A slice function that workers can import."""
    return [("all of it", batch)]


def test_every_option_of_upstream_is_there_with_its_default() -> None:
    options = StatsOptions()
    assert {name: getattr(options, name) for name in UPSTREAM} == UPSTREAM


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        StatsOptions(
            num_top_values=0,
            num_values_histogram_buckets=1,
            desired_batch_size=0,
            sample_rate=1.5,
            epsilon=float("nan"),
            add_default_generators="yes",  # type: ignore[arg-type]
            weight_feature="",
            feature_allowlist="fare",
            schema="feature {}",
            generators=[3],
            slices=["fare >"],
            slicing_config="nonsense",
            slice_functions=[lambda batch: []],
            leakage=True,
            lift_boundaries=[2, 1],
            vocab_paths={"v": 3},  # type: ignore[dict-item]
            cross_features="fare",
        )
    named = {problem.split()[0].rstrip(":") for problem in caught.value.problems}
    assert named == {
        "num_top_values", "num_values_histogram_buckets", "desired_batch_size", "sample_rate", "epsilon",
        "add_default_generators", "weight_feature", "feature_allowlist", "schema", "generators", "slices",
        "slicing_config", "slice_functions", "leakage", "lift_boundaries", "vocab_paths", "cross_features",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"num_histogram_buckets": True}, "num_histogram_buckets is True"),
        ({"infer_type_from_schema": True}, "there is no schema"),
        ({"mutual_information": True}, "there is no label_feature"),
        ({"feature_allowlist": ["a", "a"]}, "twice"),
        ({"slices": ["a > 1", ("a > 1", "b > 1")]}, "two slices have the name 'a > 1'"),
        ({"slices": [("All Examples", "a > 1")]}, "slice of all rows"),
        ({"slices": "a > 1"}, "must be a list"),
        ({"slice_functions": [top_level_slicer], "experimental_slice_functions": []}, "given twice"),
        ({"use_sketch_based_topk_uniques": True, "experimental_use_sketch_based_topk_uniques": False}, "given twice"),
        ({"slicing_config": 'slicing_specs { slice_keys_sql: "SELECT 1" }'}, "StatsOptions(slices="),
        ({"slicing_config": 7}, "no SlicingConfig"),
        ({"slice_functions": [7]}, "no slice function"),
        ({"per_feature_weight_override": {"a": 1}}, "must be a dict"),
        ({"per_feature_stats_config": {"a": 1}}, "PerFeatureStatsConfig"),
        ({"generators": AccumulatorSpec("m:f")}, "must be a list"),
    ],
)
def test_one_problem(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StatsOptions(**given)
    assert text in str(caught.value)
    assert len(caught.value.problems) == 1


def test_functions_that_workers_cannot_import_are_refused_with_a_hint() -> None:
    def inner(batch: pa.RecordBatch) -> list[Any]:
        return []

    for function in (inner, lambda batch: []):
        with pytest.raises(ConfigError, match="top level of a module"):
            StatsOptions(slice_functions=[function])
    assert StatsOptions(slice_functions=[top_level_slicer]).slice_functions == (
        FunctionSlicer(f"{__name__}:top_level_slicer"),
    )


def test_slicing_config_is_taken_as_text_json_or_message_of_any_class() -> None:
    message = text_format.Parse(CONFIG, slicing_config_class()())
    as_json = {
        "slicingSpecs": [
            {"featureKeys": ["country"], "featureValues": {"state": "CA"}},
            {},
            {"featureKeys": ["country"]},
        ]
    }
    for given in (CONFIG, message, as_json):
        assert parse_slicing_config(given) == message
        # the empty spec is the whole data, which is there anyway
        assert all_slicers(StatsOptions(slicing_config=given)) == (
            FeatureSlicer((("country", None), ("state", ("CA",)))),
            FeatureSlicer((("country", None),)),
        )


def test_slicers_of_all_kinds_are_joined_each_once() -> None:
    options = StatsOptions(
        slice_functions=[get_feature_value_slicer({"b": [b"x", 1], "a": None}), top_level_slicer],
        slicing_config='slicing_specs { feature_keys: "c" } slicing_specs { feature_keys: "c" }',
        slices=["fare > 20", ("cheap", "fare < 5")],
    )
    assert all_slicers(options) == (
        FeatureSlicer((("a", None), ("b", ("x", 1)))),
        FunctionSlicer(f"{__name__}:top_level_slicer"),
        FeatureSlicer((("c", None),)),
        ExpressionSlicer("fare > 20", "fare > 20"),
        ExpressionSlicer("cheap", "fare < 5"),
    )


@pytest.mark.parametrize("values", [["a", 1.5], [b"\xff"], "text", 3])
def test_values_that_name_no_slice(values: Any) -> None:
    with pytest.raises(ConfigError, match="'country'"):
        get_feature_value_slicer({"country": values})
    with pytest.raises(ConfigError, match="no feature"):
        get_feature_value_slicer({})


def test_weights_and_histograms_of_a_feature() -> None:
    options = StatsOptions(
        weight_feature="w",
        per_feature_weight_override={"a": "wa", FeaturePath(("s", "x")): "wx"},
        per_feature_stats_config=PerFeatureStatsConfig(["a", ("s", "x")], "EXCLUDE"),
    )
    assert [options.weight_of(p) for p in ("a", "b", ("s", "x"), ("s", "x", "y"), ("s",))] == [
        "wa", "w", "wx", "wx", "w",
    ]  # fmt: skip
    assert [options.histograms(p) for p in ("a", "b", ("s", "x"))] == [False, True, False]
    assert PerFeatureStatsConfig(["a"], "INCLUDE").histograms("a")
    assert not PerFeatureStatsConfig(["a"], "INCLUDE").histograms("b")
    assert StatsOptions().weight_of("a") is None
    with pytest.raises(ConfigError, match="INCLUDE or EXCLUDE"):
        PerFeatureStatsConfig(["a"], "include")


def test_a_smaller_epsilon_gets_more_points() -> None:
    points = [StatsOptions(epsilon=e).numbers()["max_quantile_points"] for e in (0.5, 0.01, 0.001)]
    assert points == [4096, 4096, 40_000]
    assert StatsOptions(epsilon=0.001, max_quantile_points=64).numbers()["max_quantile_points"] == 64


def full_options() -> StatsOptions:
    """Options with something else than the default in every kind of field."""
    return StatsOptions(
        generators=[AccumulatorSpec("package.module:Count", {"k": 3})],
        schema=schema_pb2.Schema(feature=[schema_pb2.Feature(name="a", type=schema_pb2.INT)]),
        label_feature="y",
        weight_feature="w",
        slice_functions=[get_feature_value_slicer({"c": ["x", 3], "d": None}), "package.module:function"],
        slicing_config=CONFIG,
        sample_rate=0.5,
        num_top_values=3,
        per_feature_weight_override={FeaturePath(("s", "x.y")): "wx"},
        vocab_paths={"v": "/tmp/v.txt"},
        feature_allowlist=["b", "a"],
        use_sketch_based_topk_uniques=True,
        per_feature_stats_config=PerFeatureStatsConfig(["a", ("s", "x")], "INCLUDE"),
        slices=["fare > 20", ("cheap", "fare < 5")],
        cross_features=["a", "b"],
        lift_boundaries=[1, 2.5],
        leakage=True,
    )


def test_json_round_trip_keeps_everything() -> None:
    for options in (StatsOptions(), full_options()):
        text = options.to_json()
        again = StatsOptions.from_json(text)
        assert again == options
        assert again.to_json() == text
        assert replace(options) == options


def test_json_holds_every_field_and_protos_as_json() -> None:
    data = json.loads(full_options().to_json())
    special = {"schema": "schema_json", "slicing_config": "slicing_config_json"}
    special["per_feature_weight_override"] = "per_feature_weight_override_json"
    assert {special.get(f.name, f.name) for f in fields(StatsOptions)} <= data.keys()
    assert json.loads(data["schema_json"]) == {"feature": [{"name": "a", "type": "INT"}]}
    assert json.loads(data["slicing_config_json"])["slicingSpecs"][0]["featureKeys"] == ["country"]


def test_upstreams_own_json_is_read() -> None:
    """Upstream writes its attributes' names, some with an underscore, and protos under keys of their own."""
    text = json.dumps(
        {
            "TYPE_NAME": "StatsOptions",
            "_generators": None,
            "_feature_allowlist": ["a"],
            "_sample_rate": 0.25,
            "_num_histogram_buckets": 7,
            "num_top_values": 5,
            "weight_feature": None,
            "schema_json": '{"feature": [{"name": "a", "type": "INT"}]}',
            "_slice_functions": None,
            "_use_sketch_based_topk_uniques": True,
        }
    )
    options = StatsOptions.from_json(text)
    assert options.feature_allowlist == ("a",)
    assert (options.sample_rate, options.num_histogram_buckets, options.num_top_values) == (0.25, 7, 5)
    assert options.schema.feature[0].name == "a"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[]", "no StatsOptions"),
        ('{"TYPE_NAME": "Other"}', "no StatsOptions"),
        ('{"num_top_valuse": 3}', "num_top_values"),
        ('{"schema_json": "{"}', "schema_json"),
        ('{"slicing_config_json": 3}', "slicing_config_json"),
        ('{"slice_functions": [{"code": "x"}]}', "no slicer"),
        ('{"slice_functions": 3}', "slice_functions"),
        ('{"per_feature_weight_override_json": {"[1]": "w"}}', "per_feature_weight_override_json"),
        ('{"num_top_values": 0}', "num_top_values is 0"),
        ('{"generators": [{"name": 3}]}', "generators"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_bad_json_is_an_error_that_names_the_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StatsOptions.from_json(text)
    assert said in str(caught.value)

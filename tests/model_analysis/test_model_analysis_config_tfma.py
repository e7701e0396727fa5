"""TFMA's own configurations are read as protobuf reads them, and written as protobuf understands them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, text_format, wrappers_pb2
from google.protobuf.message import Message
from hypothesis import assume, given, settings

from trueline._core.errors import ConfigError
from trueline.model_analysis import (
    AggregationOptions,
    BinarizationOptions,
    ConfidenceIntervalOptions,
    CrossSliceMetricThreshold,
    CrossSlicingSpec,
    EvalConfig,
    EvalOptions,
    ExampleWeightOptions,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    ModelSpec,
    PerSliceMetricThreshold,
    SlicingSpec,
)
from trueline.model_analysis.config_fields import ENUMS, MESSAGES, SCALARS, WRAPPERS, Field, camel
from trueline.model_analysis.config_proto_json import read_proto_json
from trueline.model_analysis.config_text import read_text
from trueline.model_analysis.config_text_write import write_text
from trueline.model_analysis.config_tfma import config_from_proto_json, config_from_text

SHARED = Path(__file__).parents[3] / "shared" / "conformance" / "tfma"
KINDS = {"string": 9, "bool": 8, "int32": 5, "int64": 3, "float": 2, "double": 1}


def _kind(field: Any, kind: str) -> None:
    if kind in KINDS:
        field.type = KINDS[kind]
    elif kind in ENUMS:
        field.type, field.type_name = 14, f".t.{kind}"
    else:
        field.type, field.type_name = 11, f".google.protobuf.{kind}" if kind in WRAPPERS else f".t.{kind}"


def _add(message: Any, name: str, spec: Field, number: int, oneofs: dict[str, int]) -> None:
    field = message.field.add(name=name, number=number, label=3 if spec.many or spec.key else 1)
    if spec.oneof:
        if spec.oneof not in oneofs:
            oneofs[spec.oneof] = len(oneofs)
            message.oneof_decl.add(name=spec.oneof)
        field.oneof_index = oneofs[spec.oneof]
    if spec.key is None:
        _kind(field, spec.kind)
        return
    title = "".join(word.capitalize() for word in name.split("_")) + "Entry"
    entry = message.nested_type.add(name=title)
    entry.options.map_entry = True
    _kind(entry.field.add(name="key", number=1, label=1), spec.key)
    _kind(entry.field.add(name="value", number=2, label=1), spec.kind)
    field.type, field.type_name = 11, f".t.{message.name}.{title}"


def _protobuf(name: str) -> Any:
    """A class of the protobuf library for a message of the table."""
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    for title, values in ENUMS.items():
        enum = file.enum_type.add(name=title)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    for title, fields in MESSAGES.items():
        message = file.message_type.add(name=title)
        oneofs: dict[str, int] = {}
        for number, (field, spec) in enumerate(fields.items(), 1):
            _add(message, field, spec, number, oneofs)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}"))


PROTO = _protobuf("EvalConfig")


def _normal(tree: Any, message: str) -> Any:
    """A tree as a proto3 message holds it: scalars of the default value and empty lists are absent."""
    out = {}
    for name, value in tree.items():
        field = MESSAGES[message][name]
        if field.key is not None:
            made: Any = {k: _one(v, field.kind) for k, v in value.items()}
        elif field.many:
            made = [_one(v, field.kind) for v in value]
        else:
            made = _one(value, field.kind)
            if field.kind in WRAPPERS or field.kind in MESSAGES or field.oneof:
                out[name] = made
                continue
        if made not in ({}, [], "", 0, False, "UNKNOWN", "UNKNOWN_CONFIDENCE_INTERVAL_METHOD"):
            out[name] = made
    return out


def _one(value: Any, kind: str) -> Any:
    if kind in MESSAGES:
        return _normal(value, kind)
    if kind in ("float", "double", "DoubleValue"):
        return "nan" if math.isnan(value) else float(np.float32(value)) if kind == "float" else float(value)
    return value


def as_tree(message: Message) -> dict[str, Any]:
    """What the protobuf library read, through its own JSON form."""
    data = json_format.MessageToDict(message, preserving_proto_field_name=True)
    problems: list[str] = []
    tree = read_proto_json(data, "EvalConfig", "", problems)
    assert problems == []
    return dict(_normal(tree, "EvalConfig"))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
HALF = st.floats(width=32)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float": HALF,
    "double": st.floats(),
}


def trees(kind: str) -> st.SearchStrategy[Any]:
    """Values of a kind, messages with some of their fields."""
    if kind in WRAPPERS:
        return VALUES[WRAPPERS[kind]]
    if kind in VALUES:
        return VALUES[kind]
    if kind in ENUMS:
        return st.sampled_from(sorted(ENUMS[kind]))

    @st.composite
    def message(draw: st.DrawFn) -> dict[str, Any]:
        names = draw(st.lists(st.sampled_from(sorted(MESSAGES[kind])), max_size=3, unique=True))
        out: dict[str, Any] = {}
        for name in names:
            field = MESSAGES[kind][name]
            if any(MESSAGES[kind][n].oneof == field.oneof for n in out if field.oneof):
                continue
            if field.key is not None:
                out[name] = draw(st.dictionaries(VALUES[field.key], trees(field.kind), max_size=2))
            elif field.many:
                out[name] = draw(st.lists(trees(field.kind), max_size=2))
            else:
                out[name] = draw(trees(field.kind))
        return out

    return message()


@settings(max_examples=60, deadline=None)
@given(trees("EvalConfig"))
def test_texts_are_written_and_read_as_protobuf_does(tree: dict[str, Any]) -> None:
    want = _normal(tree, "EvalConfig")
    text = write_text(tree, "EvalConfig")
    theirs = text_format.Parse(text, PROTO())
    assert as_tree(theirs) == want
    assert _normal(read_text(text, "EvalConfig"), "EvalConfig") == want
    for again in (
        text_format.MessageToString(theirs),
        text_format.MessageToString(theirs, as_one_line=True),
        text_format.MessageToString(theirs, as_utf8=True, pointy_brackets=True, use_short_repeated_primitives=True),
    ):
        assert _normal(read_text(again, "EvalConfig"), "EvalConfig") == want


@settings(max_examples=60, deadline=None)
@given(trees("EvalConfig"), st.booleans())
def test_json_is_read_as_protobuf_writes_it(tree: dict[str, Any], names: bool) -> None:
    theirs = text_format.Parse(write_text(tree, "EvalConfig"), PROTO())
    problems: list[str] = []
    data = json.loads(json_format.MessageToJson(theirs, preserving_proto_field_name=names))
    made = read_proto_json(data, "EvalConfig", "", problems)
    assert problems == []
    assert _normal(made, "EvalConfig") == _normal(tree, "EvalConfig")


ODD = [
    'model_specs { name: "a" "b" \'c\' }',
    r'model_specs { name: "\x41\101\n\t\"\'\u00e4\U0001F600\303\244" }',
    "# comment\nmodel_specs { # another\n name: 'x' }",
    "model_specs < name: 'x' >, model_specs: { name: 'y' };",
    "model_specs: [{ name: 'x' }, < name: 'y' >]",
    "model_specs []",
    "model_specs: []",
    "slicing_specs { feature_keys: ['a', 'b'] feature_keys: 'c' }",
    "slicing_specs { feature_keys: [] }",
    "slicing_specs { feature_values: [{ key: 'a' value: '1' }, { key: 'b' }] }",
    "slicing_specs { feature_values { value: '1' } }",
    "options { min_slice_size { value: 0x1F } }",
    "options { min_slice_size { value: 017 } }",
    "options { min_slice_size { value: -5 } }",
    "options { min_slice_size { } compute_confidence_intervals { value: t } }",
    "options { compute_confidence_intervals { value: 1 } include_default_metrics { value: False } }",
    "options { confidence_intervals { method: POISSON_BOOTSTRAP } }",
    "options { confidence_intervals { method: 2 } }",
    "metrics_specs { thresholds { key: 'a' value { value_threshold { lower_bound { value: -inf } } } } }",
    "metrics_specs { output_weights { key: 'a' value: .5f } output_weights { key: 'b' value: 1.e2 } }",
    "metrics_specs { output_weights { key: 'a' value: infinity } output_weights { key: 'b' value: NaN } }",
    "metrics_specs { aggregate { class_weights { key: -3 value: 1 } macro_average: true } }",
    "metrics_specs { output_weights { key: 'a' value: 1e999 } }",
]
REFUSED = [
    "model_specs { name: 'a",
    "model_specs { name: 'a\nb' }",
    "model_specs { name 'a' }",
    "model_specs { name: a }",
    "model_specs { name: 1 }",
    "model_specs { name: 'a' name: 'b' }",
    "model_specs { nam: 'a' }",
    "model_specs { name: 'a' >",
    "model_specs { name: 'a' ",
    "model_specs { name: '\\400' }",
    "model_specs { name: '\\xff' }",
    "model_specs { name: '\\ud800' }",
    "model_specs { inference_batch_size: 1.5 }",
    "model_specs { inference_batch_size: 2147483648 }",
    "model_specs { inference_batch_size: 08 }",
    "model_specs { inference_batch_size: 1abc }",
    "model_specs { is_baseline: yes }",
    "model_specs { is_baseline: 2 }",
    "model_specs { padding_options { label_int_padding: 1 label_float_padding: 1 } }",
    "slicing_specs { feature_keys: ['a' 'b', ] }",
    "slicing_specs { feature_keys: ['a' }",
    "options { } options { }",
    "options { confidence_intervals { method: SOME } }",
    "options { min_slice_size: 3 }",
    "model_specs { name: 'x' } }",
    "metrics_specs { output_weights { key: 'a' value: 0x10 } }",
    "{ }",
    "model_specs",
    "model_specs:",
    "model_specs { name: - 'x' }",
    "=",
]


@pytest.mark.parametrize("text", ODD)
def test_odd_but_allowed_texts_mean_what_protobuf_says(text: str) -> None:
    assert _normal(read_text(text, "EvalConfig"), "EvalConfig") == as_tree(text_format.Parse(text, PROTO()))


@pytest.mark.parametrize("text", REFUSED)
def test_texts_that_protobuf_refuses_are_refused_with_a_place(text: str) -> None:
    with pytest.raises((text_format.ParseError, UnicodeDecodeError)):
        text_format.Parse(text, PROTO())
    with pytest.raises(ConfigError) as caught:
        read_text(text, "EvalConfig")
    assert all(p.startswith("line ") and ", column " in p for p in caught.value.problems)


def test_all_problems_of_a_text_with_line_and_column() -> None:
    text = 'model_spec { a: [1, {b: 2}] }\noptions {\n  min_slice_size { value: "x" }\n  seed: 3\n}\nslicing_specs: 4'
    with pytest.raises(ConfigError) as caught:
        EvalConfig.from_text(text)
    first, second, third, fourth = caught.value.problems
    assert first.startswith("line 1, column 1: EvalConfig has no field 'model_spec'. Did you mean 'model_specs'?")
    assert second == "line 3, column 27: 'value' takes a whole number of 32 bits, not 'x'"
    assert third.startswith("line 4, column 3: Options has no field 'seed'. There is: compute_confidence_intervals")
    assert fourth == "line 6, column 16: 'slicing_specs' takes a message in {}, not '4'"


SAMPLE = """
model_specs { name: "only" label_key: "tips" example_weight_key: "w" inference_batch_size: 64
              padding_options { label_int_padding: -1 } label_keys { key: "a" value: "la" } }
slicing_specs { }
slicing_specs { feature_keys: "company" feature_values { key: "hour" value: "3" } }
cross_slicing_specs { baseline_spec { } slicing_specs { feature_keys: "company" } }
metrics_specs {
  model_names: "only"
  metrics { class_name: "AUC" config: '"curve": "PR", "dtype": "float32", "name": "pr"' module: "tfma.metrics.auc"
    threshold { value_threshold { lower_bound { value: 0.5 } }
                change_threshold { absolute { value: -0.01 } direction: HIGHER_IS_BETTER } }
    cross_slice_thresholds { cross_slicing_specs { baseline_spec { } slicing_specs { feature_keys: "company" } }
                             threshold { value_threshold { upper_bound { value: 0.2 } } } } }
  metrics { class_name: "Recall" config: '{"thresholds": [0.3]}' }
  per_slice_thresholds { key: "recall" value { thresholds { slicing_specs { } threshold {
      value_threshold { lower_bound { value: 0 } } } } } }
  binarize { class_ids { values: [0, 1] } }
  aggregate { macro_average: true class_weights { key: 0 value: 1.0 } class_weights { key: 1 value: 0.5 } }
  example_weights { weighted: true unweighted: true }
}
options { compute_confidence_intervals { value: true } confidence_intervals { method: POISSON_BOOTSTRAP }
          min_slice_size { value: 20 } disabled_outputs { values: "plots" } include_default_metrics { value: false } }
"""
WANT = EvalConfig(
    metrics_specs=(
        MetricsSpec(
            metrics=(
                MetricConfig(
                    "AUC",
                    {"curve": "PR", "name": "pr"},
                    MetricThreshold(
                        GenericValueThreshold(0.5),
                        GenericChangeThreshold(-0.01, None, "HIGHER_IS_BETTER", test="value"),
                    ),
                    cross_slice_thresholds=(
                        CrossSliceMetricThreshold(
                            (CrossSlicingSpec(SlicingSpec(), (SlicingSpec(("company",)),)),),
                            MetricThreshold(GenericValueThreshold(None, 0.2)),
                        ),
                    ),
                ),
                MetricConfig("Recall", {"thresholds": [0.3]}),
            ),
            per_slice_thresholds={
                "recall": (PerSliceMetricThreshold((SlicingSpec(),), MetricThreshold(GenericValueThreshold(0.0))),)
            },
            binarize=BinarizationOptions((0, 1)),
            aggregate=AggregationOptions(macro_average=True, class_weights={0: 1.0, 1: 0.5}),
            example_weights=ExampleWeightOptions(True, True),
        ),
    ),
    slicing_specs=(SlicingSpec(), SlicingSpec(("company",), {"hour": "3"})),
    options=EvalOptions(
        20,
        compute_confidence_intervals=True,
        confidence_intervals=ConfidenceIntervalOptions("POISSON_BOOTSTRAP"),
        include_default_metrics=False,
        disabled_outputs=("plots",),
    ),
    model_specs=(
        ModelSpec(
            "",
            "tips",
            None,
            "w",
            label_keys={"a": "la"},
            padding_options={"label_int_padding": -1},
            inference_batch_size=64,
        ),
    ),
    cross_slicing_specs=(CrossSlicingSpec(SlicingSpec(), (SlicingSpec(("company",)),)),),
)


def test_a_whole_config_reads_with_tfmas_defaults_from_text_and_json() -> None:
    assert config_from_text(SAMPLE) == WANT
    proto = text_format.Parse(SAMPLE, PROTO())
    for names in (True, False):
        data = json_format.MessageToDict(proto, preserving_proto_field_name=names)
        assert config_from_proto_json(data) == WANT
        run = {"evalConfig": data, "version": "0.47", "modelLocations": {"": "/m"}, "fileFormat": "tfrecords"}
        assert config_from_proto_json(run) == WANT
    assert config_from_text(WANT.to_text()) == WANT


def test_public_calls_read_both_forms_and_check_them() -> None:
    text = 'metrics_specs { metrics { class_name: "AUC" } } slicing_specs { feature_keys: "a" }'
    want = EvalConfig([MetricsSpec([MetricConfig("AUC")])], [SlicingSpec(["a"])])
    assert EvalConfig.from_text(text) == want
    assert EvalConfig.from_json('{"metricsSpecs": [{"metrics": [{"className": "AUC"}]}], "slicingSpecs": '
                                '[{"featureKeys": ["a"]}]}') == want  # fmt: skip
    run = {"evalConfig": {"metricsSpecs": [{"metrics": [{"className": "AUC"}]}]}, "version": "0.1"}
    assert EvalConfig.from_json(json.dumps(run)).metrics_specs == want.metrics_specs
    snake = {"metrics_specs": [{"metrics": [{"class_name": "AUC", "config": '"curve": "PR"'}]}]}
    assert EvalConfig.from_json(json.dumps(snake)).metrics_specs[0].metrics[0].config == {"curve": "PR"}
    with pytest.raises(ConfigError, match=r"there is no metric 'AUCC'\. Did you mean 'AUC'"):
        EvalConfig.from_text('metrics_specs { metrics { class_name: "AUCC" } }')
    with pytest.raises(ConfigError, match="metric 'AUC' is no JSON"):
        EvalConfig.from_text('metrics_specs { metrics { class_name: "AUC" config: "a: 1" } }')


def test_all_problems_of_tfmas_json_with_their_paths() -> None:
    data = {
        "metricsSpecs": [{"metric": [], "outputWeights": {"a": "x"}, "aggregate": {"classWeights": {"c": 1}}}],
        "options": {"minSliceSize": 1.5, "confidenceIntervals": {"method": "T"}},
        "slicingSpecs": {},
    }
    with pytest.raises(ConfigError) as caught:
        config_from_proto_json(data)
    texts = "\n".join(caught.value.problems)
    for text in (
        "metricsSpecs[0].metric: MetricsSpec has no such field. Did you mean 'metrics'?",
        "metricsSpecs[0].outputWeights.a: a number is expected, not 'x'",
        "metricsSpecs[0].aggregate.classWeights.c: a whole number of 32 bits is expected, not 'c'",
        "options.minSliceSize: a whole number of 32 bits is expected, not 1.5",
        "options.confidenceIntervals.method: one of UNKNOWN",
        "slicingSpecs: a list is expected, not {}",
    ):
        assert text in texts
    assert len(caught.value.problems) == 6


def test_what_is_ours_alone_is_refused_all_at_once() -> None:
    change = MetricThreshold(change_threshold=GenericChangeThreshold(0.0), undefined="pass")
    config = EvalConfig(
        [MetricsSpec([MetricConfig("AUC", threshold=change)])],
        [SlicingSpec(expression="fare > 20"), SlicingSpec(buckets={"fare": (1, 2)})],
        EvalOptions(confidence=0.9, confidence_intervals=ConfidenceIntervalOptions("CLOSED_FORM", 50)),
    )
    with pytest.raises(ConfigError) as caught:
        config.to_text()
    texts = "\n".join(caught.value.problems)
    for text in (
        "metrics_specs[0].metrics[0].threshold.undefined = 'pass' has no place",
        "threshold.change_threshold.test is 'worse', the proto knows 'value' alone",
        "slicing_specs[0].expression = 'fare > 20' has no place",
        "slicing_specs[1].buckets = {'fare': (1.0, 2.0)} has no place",
        "options.confidence = 0.9 has no place",
        "options.confidence_intervals.method: one of",
        "options.confidence_intervals.resamples = 50 has no place",
    ):
        assert text in texts
    assert len(caught.value.problems) == 7


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=5)
NUMBERS = st.none() | st.floats(allow_nan=False)
SLICES = st.builds(
    SlicingSpec,
    st.lists(NAMES, max_size=2).map(tuple),
    st.dictionaries(NAMES, NAMES, max_size=2),
    slice_keys_sql=st.just("") | NAMES,
)
CROSS = st.builds(CrossSlicingSpec, SLICES, st.lists(SLICES, max_size=2).map(tuple))
THRESHOLDS = st.builds(
    MetricThreshold,
    st.none() | st.builds(GenericValueThreshold, NUMBERS, NUMBERS),
    st.none()
    | st.builds(
        GenericChangeThreshold,
        NUMBERS,
        NUMBERS,
        st.sampled_from([None, "HIGHER_IS_BETTER", "LOWER_IS_BETTER"]),
        st.just("value"),
    ),
)
PER_SLICE = st.lists(
    st.builds(PerSliceMetricThreshold, st.lists(SLICES, max_size=2).map(tuple), THRESHOLDS), max_size=2
).map(tuple)
PER_CROSS = st.lists(
    st.builds(CrossSliceMetricThreshold, st.lists(CROSS, max_size=1).map(tuple), THRESHOLDS), max_size=1
).map(tuple)
JSON_VALUES = st.none() | st.booleans() | st.integers(-5, 5) | NAMES | st.lists(st.floats(0, 1), max_size=2)
METRICS = st.builds(
    MetricConfig, NAMES, st.dictionaries(st.sampled_from(["curve", "k", "name"]), JSON_VALUES, max_size=2),
    st.none() | THRESHOLDS, PER_SLICE, PER_CROSS,
)  # fmt: skip
COUNTS = st.lists(st.integers(0, 99), max_size=2).map(tuple)
SPECS = st.builds(
    MetricsSpec,
    st.lists(METRICS, max_size=2).map(tuple),
    st.dictionaries(NAMES, THRESHOLDS, max_size=1),
    st.dictionaries(NAMES, PER_SLICE, max_size=1),
    st.dictionaries(NAMES, PER_CROSS, max_size=1),
    output_names=st.lists(NAMES, max_size=1).map(tuple),
    output_weights=st.dictionaries(NAMES, st.floats(0, 1), max_size=1),
    binarize=st.none() | st.builds(BinarizationOptions, COUNTS, COUNTS, COUNTS),
    aggregate=st.none()
    | st.builds(AggregationOptions, weighted_macro_average=st.booleans(), top_k_list=COUNTS,
                class_weights=st.dictionaries(st.integers(0, 9), st.floats(0, 9), max_size=2)),
    example_weights=st.none() | st.builds(ExampleWeightOptions, st.booleans(), st.booleans()),
    query_key=st.just("") | NAMES,
)  # fmt: skip
CONFIGS = st.builds(
    EvalConfig,
    st.lists(SPECS, max_size=2).map(tuple),
    st.lists(SLICES, max_size=2).map(tuple),
    st.builds(
        EvalOptions,
        st.integers(0, 99),
        compute_confidence_intervals=st.booleans(),
        confidence_intervals=st.builds(
            ConfidenceIntervalOptions, st.sampled_from(["JACKKNIFE", "POISSON_BOOTSTRAP"])
        ),
        disabled_outputs=st.lists(NAMES, max_size=1).map(tuple),
    ),
    st.lists(
        st.builds(
            ModelSpec, st.just(""), st.none() | NAMES, is_baseline=st.booleans(),
            prediction_keys=st.dictionaries(NAMES, NAMES, max_size=1),
            preprocessing_function_names=st.lists(NAMES, max_size=1).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    st.lists(CROSS, max_size=1).map(tuple),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(CONFIGS)
def test_configs_survive_tfmas_text_and_json_and_protobuf_understands_them(config: EvalConfig) -> None:
    text = config.to_text()
    assert config_from_text(text) == config
    proto = text_format.Parse(text, PROTO())
    # class weights and output weights are of 32 bits there: only the rest has to be the same after protobuf
    assert len(proto.metrics_specs) == len(config.metrics_specs)
    assert config_from_text(text_format.MessageToString(proto, as_utf8=True)).slicing_specs == config.slicing_specs


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.text("{}<>[]:;,'\"\\#\n \tabmodel_specs0123.-+eE/", max_size=60))
def test_any_text_is_a_config_or_a_config_error(text: str) -> None:
    for read in (config_from_text, EvalConfig.from_text, EvalConfig.from_json):
        try:
            made = read(text)
        except ConfigError:
            continue
        assert isinstance(made, EvalConfig)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SAMPLE)), st.integers(0, 12), st.text("{}<>[]:;,'\"\\#\n 0x1.e-", max_size=3))
def test_what_is_read_of_a_damaged_text_protobuf_reads_too(at: int, gone: int, new: str) -> None:
    text = SAMPLE[:at] + new + SAMPLE[at + gone :]
    try:
        tree = read_text(text, "EvalConfig")
    except ConfigError:
        return
    assume(not re.search(r"-\s", text))  # allowed by the format's specification, not by protobuf's Python
    assert as_tree(text_format.Parse(text, PROTO())) == _normal(tree, "EvalConfig")


JSON_SAMPLE = json.dumps(json_format.MessageToDict(text_format.Parse(SAMPLE, PROTO())))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(JSON_SAMPLE)), st.integers(0, 12), st.text('{}[]:,"\\01.e-nul', max_size=3))
def test_damaged_json_is_a_config_or_a_config_error(at: int, gone: int, new: str) -> None:
    try:
        made = EvalConfig.from_json(JSON_SAMPLE[:at] + new + JSON_SAMPLE[at + gone :])
    except ConfigError:
        return
    assert isinstance(made, EvalConfig)


@pytest.mark.parametrize(
    "text",
    [
        "x { " * 100_000,
        "x: [" * 100_000,
        "model_specs { " * 100_000,
        "slicing_specs: [" * 100_000,
        "{" * 100_000,
        '"' + "a" * 100_000,
        "#" * 100_000,
        "model_specs { name: " + "'a' " * 100_000,
        "model_specs { inference_batch_size: " + "9" * 100_000 + " }",
    ],
)
def test_deep_and_long_texts_end_in_a_config_error(text: str) -> None:
    for read in (EvalConfig.from_text, EvalConfig.from_json):
        with pytest.raises(ConfigError):
            read(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"format": 1, "metrics_specs": ' + "[" * 100_000])
def test_deep_json_ends_in_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError):
        EvalConfig.from_json(text)


def test_a_name_twice_in_one_json_object_is_refused() -> None:
    with pytest.raises(ConfigError, match="'options' stands twice"):
        EvalConfig.from_json('{"options": {}, "options": {}}')


def test_names_are_camel_case_as_protobuf_writes_them() -> None:
    for message in MESSAGES:
        fields = _protobuf(message).DESCRIPTOR.fields
        assert {f.name: f.json_name for f in fields} == {name: camel(name) for name in MESSAGES[message]}
    assert set(SCALARS) == set(KINDS)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="golden cases are not beside the clone")
def test_every_golden_config_is_read_and_written_again() -> None:
    texts = set()
    for name in ("metrics.jsonl", "validation.jsonl"):
        for line in (SHARED / name).read_text("utf-8").splitlines():
            case = json.loads(line)
            parts = [case, *(v for v in case.values() if isinstance(v, dict))]
            texts |= {p["eval_config"] for p in parts if isinstance(p.get("eval_config"), str)}
    assert len(texts) > 50
    for text in texts:
        config = config_from_text(text)
        assert config_from_text(config.to_text()) == config
        assert as_tree(text_format.Parse(text, PROTO())) == _normal(read_text(text, "EvalConfig"), "EvalConfig")

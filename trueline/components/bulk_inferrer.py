"""Every row of some splits predicted with a blessed model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core import store
from trueline.components.common import splits_of, wanted_splits
from trueline.pipeline.artifacts import Examples, InferenceResult, Model, ModelBlessing
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.node import Component, In, Out

if TYPE_CHECKING:
    from trueline.data import Examples as ExamplesReader

__all__ = ["REFUSED_FILE", "BulkInferrer", "execute"]

REFUSED_FILE = "refused.json"
_RESULT, _EXAMPLES = "inference_result", "output_examples"


class BulkInferrer(Component):
    """Predicts raw examples in bulk, on the line's engine, with the bits that the server gives.

    A blessing that is wired must be there, must say yes and must speak of this very model; else nothing is predicted
    and the line stops here with the reason.

    Args:
        examples: raw examples, as they came from ExampleGen.
        model: the model.
        model_blessing: the Evaluator's blessing. A sampled run, which blesses no model, does not wait for it.
        example_splits: the splits to predict; all by default.
        output_columns: columns of the result in order: outputs of the model and columns of the examples, ``"*"`` for
            all of the examples'. By default the model's outputs, and with `output_examples` the examples' columns too.
            ``__row__`` is always kept.
        rename: other names for the model's outputs, such as ``{"label": "predicted"}``.
        output_examples: give the rows with their predictions as Examples, which any component reads, in place of an
            InferenceResult.
        allow_missing_columns: take an optional column that the examples lack for missing in every row.

    Outputs: ``inference_result``: Parquet in ``Split-<name>/`` and ``inference.json``; or ``output_examples``.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {
        "examples": In(Examples),
        "model": In(Model),
        "model_blessing": In(ModelBlessing, optional=True),
    }
    OUTPUTS: ClassVar[Mapping[str, Out]] = {_RESULT: Out(InferenceResult), _EXAMPLES: Out(Examples)}
    EXECUTOR = "trueline.components.bulk_inferrer:execute"

    def __init__(
        self,
        *,
        examples: Channel,
        model: Channel,
        model_blessing: Channel | None = None,
        example_splits: Sequence[str] | None = None,
        output_columns: Sequence[str] | None = None,
        rename: Mapping[str, str] | None = None,
        output_examples: bool = False,
        allow_missing_columns: bool = False,
        node_id: str | None = None,
    ) -> None:
        inputs = {"examples": examples, "model": model, "model_blessing": model_blessing}
        super().__init__(
            node_id=node_id,
            inputs=inputs,
            params={
                "needs_blessing": model_blessing is not None,
                "example_splits": list(example_splits) if example_splits is not None else None,
                "output_columns": list(output_columns) if output_columns is not None else None,
                "rename": dict(rename or {}),
                "allow_missing_columns": allow_missing_columns,
            },
        )
        del self.declared_outputs[_RESULT if output_examples else _EXAMPLES]
        self._wire(inputs)
        if isinstance(output_columns, str) or isinstance(example_splits, str):
            self.note("takes lists of names as output_columns and example_splits")
        if example_splits is not None and not example_splits:
            self.note("has no example_splits to predict")


def execute(ctx: ExecutionContext) -> None:
    """Predicts, or says why not."""
    from trueline.data import Examples as ExamplesReader
    from trueline.models.bulk import EVERYTHING, Asked, open_bulk, predict_splits

    key = _EXAMPLES if _EXAMPLES in ctx.outputs else _RESULT
    source, model, out = ctx.input("examples"), ctx.input("model"), ctx.output(key)
    refusal = _refusal(ctx, model)
    if refusal and ctx.sample is not None:  # such a run blesses no model, and is to try the whole line
        ctx.report(sample=ctx.sample, blessed=False)
    elif refusal:
        store.write_text(out.path(REFUSED_FILE), json.dumps({"predicted": False, "reason": refusal}))
        ctx.report(predicted=0)
        ctx.close_gate(refusal)
        return
    given = ctx.params["example_splits"]
    names = splits_of(source) if given is None else wanted_splits(source, given)
    examples, bulk = ExamplesReader.open(source.uri), open_bulk(model.uri, None)
    columns = ctx.params["output_columns"]
    if columns is None and key == _EXAMPLES:
        rename = ctx.params["rename"]
        columns = [EVERYTHING, *(rename.get(o["name"], o["name"]) for o in bulk.runtime.outputs)]
    asked = Asked(columns, ctx.params["rename"], ctx.params["allow_missing_columns"])
    splits = {name: examples.dataset(name) for name in names}
    sources = [str(s["name"]) for s in examples.sources]
    schema, plan, blocks = predict_splits(bulk, splits, out.uri, asked, None, ctx.engine, sources)
    _finish(key, out, source, examples, (schema, plan, blocks), bulk)
    ctx.report(predicted=sum(rows for found in blocks.values() for _, _, rows in found), splits=names)


def _finish(
    key: str,
    out: ArtifactHandle,
    source: ArtifactHandle,
    examples: ExamplesReader,
    made: tuple[Any, list[list[str]], dict[str, list[tuple[int, str, int]]]],
    bulk: Any,
) -> None:
    """Writes the file that says what lies in the folder; until then no reader takes it."""
    from trueline.data.examples import StoredBlock, write_examples_json
    from trueline.models.bulk import about_model
    from trueline.models.bulk_result import write_inference_json

    schema, plan, blocks = made
    if key == _RESULT:
        write_inference_json(out.uri, schema, about_model(bulk), plan, blocks)
        return
    stored = {name: [StoredBlock(n, file, 0, rows) for n, file, rows in found] for name, found in blocks.items()}
    write_examples_json(out.uri, schema, examples.sources, stored, {})
    span, version = (source.properties.get(name, 0) for name in ("span", "version"))
    out.properties.update(span=span, version=version, split_names=list(blocks))


def _refusal(ctx: ExecutionContext, model: ArtifactHandle) -> str | None:
    """Why the blessing does not let the model predict, or None."""
    if not ctx.params["needs_blessing"]:
        return None
    blessing = ctx.optional_input("model_blessing")
    if blessing is None:
        return "Nothing was predicted: the model blessing that the BulkInferrer waits for is not there."
    if model.fingerprint is None or blessing.properties.get("current_model_fingerprint") != model.fingerprint:
        return "Nothing was predicted: the model blessing speaks of another model."
    if blessing.properties.get("blessed") != 1:
        reason = str(blessing.properties.get("reason") or "the model blessing says no")
        return f"Nothing was predicted: {reason[0].lower()}{reason[1:]}"
    return None

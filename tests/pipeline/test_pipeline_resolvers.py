"""Resolvers over a real database: what they choose, what they pass over, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_nodes import Source, Train, bless

from trueline._core import store as files
from trueline._core.errors import ArtifactError, ConfigError
from trueline._core.manifest import write_manifest
from trueline.metadata import ArtifactState, MetadataStore, RunStore
from trueline.metadata.records import Artifact, Context, EventType, Execution, ExecutionState
from trueline.pipeline import Pipeline, Resolver, compile_pipeline
from trueline.pipeline.artifacts import Examples, ExampleStatistics, InfraBlessing, Model, ModelBlessing, PushedModel
from trueline.pipeline.resolvers import (
    filter_property_equal,
    latest,
    latest_blessed,
    latest_pipeline_run_outputs,
    newest_by_property,
    paired_spans,
    pick,
    rolling_range,
    sequential_rolling_range,
    static_range,
    where,
)
from trueline.pipeline.resolvers_query import ArtifactQuery
from trueline.pipeline.resolvers_run import Resolution, resolve
from trueline.pipeline.run_context import RunContext, register_types
from trueline.runners import LocalRunner

GATE = "__gate__"


class History:
    """A database to which executions of a pipeline are added one by one, their files included."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.store = MetadataStore(str(place / "metadata.db"))
        self.runs = RunStore(self.store)
        kinds = (Examples, ExampleStatistics, Model, ModelBlessing, InfraBlessing, PushedModel)
        plan = compile_pipeline(Pipeline("line", [Resolver(**{k.TYPE_NAME: k for k in kinds})], root=place))
        register_types(self.store, plan)
        self.number = 0

    def run(self, pipeline: str = "line", status: str = "COMPLETE") -> str:
        self.number += 1
        run_id = f"run{self.number}"
        self.runs.start(run_id, pipeline, "{}", {}, [])
        if status != "RUNNING":
            self.runs.finish(run_id, status)  # type: ignore[arg-type]
        return run_id

    def put(
        self,
        kind: str,
        *,
        pipeline: str = "line",
        run: str | None = None,
        node: str | None = None,
        key: str = "out",
        again: int | None = None,
        inputs: tuple[int, ...] = (),
        state: str = "COMPLETE",
        **properties: Any,
    ) -> int:
        """One execution puts out one artifact, new or (`again`) an old one; its id."""
        run = run or self.run(pipeline)
        node = node or kind
        self.number += 1
        declared = {
            name: properties.pop(name) for name in ("span", "version") if kind == "Examples" and name in properties
        }
        uri = str(self.place / "files" / str(self.number))
        custom = dict(properties)
        if again is None:
            files.write_text(files.join(uri, "data"), str(self.number))
            custom["__fingerprint__"] = write_manifest(uri, kind).fingerprint
        made = again or Artifact(kind, uri, ArtifactState.LIVE, properties=declared, custom_properties=custom)
        events = [(made, EventType.OUTPUT, (key, 0)), *((i, EventType.INPUT, ("model", 0)) for i in inputs)]
        contexts = [Context("pipeline", pipeline), Context("pipeline_run", run), Context("node", f"{pipeline}.{node}")]
        ended = ExecutionState.COMPLETE if state == "COMPLETE" else ExecutionState.FAILED
        _, artifacts, _ = self.store.put_execution(
            Execution("trueline.pipeline.system.Resolver", ended), events, contexts, self._node(run, node, state)
        )
        return artifacts[0]

    def _node(self, run: str, node: str, state: str) -> Any:
        from trueline.metadata.own_tables import run_node

        def also(connection: Any, execution: int, _: list[int]) -> None:
            row = {"run_id": run, "node_id": node, "state": state, "execution_id": execution, "found": "{}"}
            connection.execute(run_node.insert().values(**row))

        return also

    def ask(
        self, resolver: Resolver, *, pipeline: str = "line", this: str = "now", sample: int | None = None
    ) -> Resolution:
        plan = compile_pipeline(Pipeline(pipeline, [resolver], root=self.place))
        register_types(self.store, plan)
        run = RunContext(plan, this, self.store, self.runs, sample=sample)
        return resolve(run, plan.nodes[0])

    def ids(self, resolver: Resolver, **more: Any) -> list[int | None]:
        return [artifact.id for artifact in next(iter(self.ask(resolver, **more).outputs.values()))]


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path)
    yield made
    made.store.close()


def look(**more: Any) -> Resolver:
    return Resolver(**{"examples": Examples, **more})


def test_a_cached_artifact_counts_for_the_execution_that_put_it_out_again(history: History) -> None:
    first, second = history.put("Examples"), history.put("Examples")
    history.put("Examples", again=first)
    assert history.ids(look(n=2)) == [first, second]
    assert history.ids(look(strategy="latest_created", n=2)) == [second, first], "made last"


def test_what_this_run_puts_out_does_not_count(history: History) -> None:
    earlier = history.put("Examples")
    own = history.run()
    history.put("Examples", run=own)
    history.put("Examples", run=own, again=earlier, node="Again")
    assert history.ids(look(n=2, optional=True), this=own) == [earlier]


def test_a_walk_over_many_executions_finds_the_same(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above some number the artifacts of a type are no longer read at once: the answer is the same."""
    made = [history.put("Examples", span=at, key="a" if at % 2 else "b", node=f"N{at % 3}") for at in range(9)]
    history.put("Examples", again=made[3], node="N0", key="a")
    for _ in range(4):
        history.put("Model")
    asked = [look(n=5), look(n=2, producer="N1"), look(n=2, output_key="a"), look(strategy=rolling_range(4))]
    direct = [history.ids(resolver) for resolver in asked]
    assert direct[0] == [made[at] for at in (3, 8, 7, 6, 5)]
    assert direct[1] == [made[7], made[4]]
    assert direct[2] == [made[3], made[7]]
    assert direct[3] == made[5:]
    from trueline.pipeline import resolvers_rows

    monkeypatch.setattr(resolvers_rows, "_FEW", 0)
    monkeypatch.setattr(resolvers_rows, "_FIRST_PAGE", 2)
    monkeypatch.setattr(resolvers_rows, "_PAGE", 3)
    assert [history.ids(resolver) for resolver in asked] == direct


def test_spans_versions_and_gaps(history: History) -> None:
    pairs = [(1, 0), (2, 0), (2, 1), (5, 0), (9, 0)]
    by = {pair: history.put("Examples", span=pair[0], version=pair[1]) for pair in pairs}
    history.put("Examples", note="no span")  # an Examples of another program may lack it
    assert history.ids(look(strategy=rolling_range(3))) == [by[2, 1], by[5, 0], by[9, 0]]
    assert history.ids(
        look(strategy="SpanRangeStrategy", config={"range_config": {"rolling_range": {"num_spans": 2}}})
    ) == [
        by[5, 0],
        by[9, 0],
    ]
    kept = static_range(2, 5, keep_all_versions=True, min_spans=2)
    assert history.ids(look(strategy=kept)) == [by[2, 0], by[2, 1], by[5, 0]]
    told = history.ask(look(strategy="span_range", config={"num_spans": 1, "skip_num_recent_spans": 1}))
    assert [artifact.id for artifact in told.outputs["examples"]] == [by[5, 0]]
    assert any("it has no span" in sentence for sentence in told.passed)
    with pytest.raises(ArtifactError, match="4 spans of type Examples wanted, 2 found"):
        history.ask(look(strategy=static_range(2, 5)))
    assert history.ids(look(strategy=static_range(2, 5), optional=True)) == [by[2, 1], by[5, 0]]
    assert history.ids(look(strategy=static_range(2, 5, min_spans=3), optional=True)) == [], (
        "a minimum in so many words"
    )


def test_a_broken_newest_span_is_replaced_by_the_next(history: History) -> None:
    ids = [history.put("Examples", span=span) for span in (1, 2, 3)]
    (broken,) = history.store.artifacts(ids=[ids[-1]])
    files.remove_tree(str(broken.uri))
    told = history.ask(look(strategy=rolling_range(2)))
    assert [artifact.id for artifact in told.outputs["examples"]] == ids[:2]
    assert "missing or was never finished" in told.passed[0]


def test_windows_are_groups_of_places_for_a_loop(history: History) -> None:
    ids = [history.put("Examples", span=span) for span in (1, 2, 3, 4, 7)]
    told = history.ask(look(strategy=sequential_rolling_range(3)))
    assert [artifact.id for artifact in told.outputs["examples"]] == ids[:4]
    assert told.groups == {"examples": [[0, 1, 2], [1, 2, 3]]}


def test_pairs_of_several_outputs_stand_at_the_same_places(history: History) -> None:
    examples = {span: history.put("Examples", span=span) for span in (1, 2, 4)}
    statistics = {span: history.put("ExampleStatistics", span=span) for span in (4, 2, 3)}
    pairs = Resolver(strategy=paired_spans(), examples=Examples, statistics=ExampleStatistics)
    told = history.ask(pairs)
    assert [a.id for a in told.outputs["examples"]] == [examples[2], examples[4]]
    assert [a.id for a in told.outputs["statistics"]] == [statistics[2], statistics[4]]
    assert told.groups == {"examples": [[0], [1]], "statistics": [[0], [1]]}
    last = Resolver(strategy=[paired_spans(), pick(-1)], examples=Examples, statistics=ExampleStatistics)
    assert [[a.id for a in found] for found in history.ask(last).outputs.values()] == [[examples[4]], [statistics[4]]]


def test_filters_by_properties(history: History) -> None:
    ids = [
        history.put("Examples", span=span, country=country)
        for span, country in ((1, "DE"), (3, "FR"), (4, "DE"), (5, "DE"), (6, 12))
    ]
    assert history.ids(look(where="span >= 3 and country == 'DE'", n=2)) == [ids[3], ids[2]]
    told = history.ask(look(where="country == 'DE'", n=9, optional=True))
    assert any(f"Examples {ids[4]}: \"country == 'DE'\" cannot be computed" in sentence for sentence in told.passed)
    by_steps = [where("country == 'DE'"), rolling_range(2)]
    assert history.ids(look(strategy=by_steps)) == [ids[2], ids[3]]
    assert history.ids(look(strategy=[filter_property_equal("span", 3), latest()])) == [ids[1]]
    assert history.ids(look(where=f"id < {ids[2]}")) == [ids[1]]
    assert history.ids(look(where="missing is None")) == [ids[4]]
    with pytest.raises(ArtifactError, match="1 artifact of type Examples wanted, 0 found") as caught:
        history.ask(look(where="contry == 'DE'"))
    assert "no artifact has a property 'contry'. Did you mean 'country'?" in str(caught.value)


def test_newest_by_property_in_both_orders(history: History) -> None:
    ids = [history.put("Model", auc=auc) for auc in (0.7, 0.9, 0.9, 0.6)]
    history.put("Model")
    assert history.ids(Resolver(strategy=newest_by_property("auc"), model=Model)) == [ids[2]]
    least = Resolver(strategy="newest_by_property", config={"property": "auc", "order": "ascending"}, n=2, model=Model)
    assert history.ids(least) == [ids[3], ids[0]]


def test_latest_passes_over_runs_whose_gate_closed_later(history: History) -> None:
    """The data of a run that its validator refused are no baseline for the next run."""
    good = history.put("Examples")
    crashed = history.put("Examples", run=history.run(status="FAILED"))
    refused = history.run(status="FAILED")
    bad = history.put("Examples", run=refused)
    history.put("ExampleStatistics", run=refused, node="Validator", state="FAILED", **{GATE: "3 anomalies"})
    running = history.put("Examples", run=history.run(status="RUNNING"))
    told = history.ask(look(n=2))
    assert [a.id for a in told.outputs["examples"]] == [crashed, good]
    assert any("Validator closed its gate in run" in sentence for sentence in told.passed)
    assert any("has not ended yet" in sentence for sentence in told.passed)
    assert history.ids(look(n=4, runs="any")) == [running, bad, crashed, good]
    assert history.ids(look(runs="complete")) == [good]
    history.put("Examples", again=bad)  # a later run, which nothing refused, put the same out from the cache
    assert history.ids(look(n=2)) == [bad, crashed]


def test_sampled_runs_are_seen_by_sampled_runs_alone(history: History) -> None:
    full = history.put("Examples")
    sampled = history.put("Examples", sample=100)
    told = history.ask(look())
    assert [a.id for a in told.outputs["examples"]] == [full]
    assert told.passed == [f"Examples {sampled}: a sampled run made it"]
    assert history.ids(look(), sample=100) == [sampled]


def test_policies_of_models(history: History) -> None:
    models = [history.put("Model") for _ in range(5)]

    def judge(kind: str, model: int, blessed: Any, **more: Any) -> int:
        return history.put(kind, blessed=blessed, current_model_id=model, **more)

    verdicts = [judge("ModelBlessing", model, 1) for model in models[:4]]
    infra = [judge("InfraBlessing", models[at], yes) for at, yes in ((0, 1), (1, True), (2, 0))]
    refused = judge("ModelBlessing", models[3], 0)
    push = history.put("PushedModel", pushed=1, inputs=(models[0],))
    history.put("PushedModel", pushed=0, inputs=(models[4],))

    def found(policy: str) -> dict[str, list[int | None]]:
        outputs = history.ask(Resolver(strategy=latest_blessed(policy))).outputs
        return {key: [artifact.id for artifact in artifacts] for key, artifacts in outputs.items()}

    assert found("exported") == {"model": [models[4]]}
    assert found("evaluator_blessed") == {"model": [models[2]], "model_blessing": [verdicts[2]]}
    assert found("LATEST_INFRA_VALIDATOR_BLESSED") == {"model": [models[1]], "infra_blessing": [infra[1]]}
    assert found("blessed") == {"model": [models[1]], "model_blessing": [verdicts[1]], "infra_blessing": [infra[1]]}
    assert found("pushed") == {"model": [models[0]], "pushed_model": [push]}
    history.put("ModelBlessing", again=verdicts[3])  # judged again from the cache: this is the last word now
    assert found("evaluator_blessed")["model"] == [models[3]]
    (swept,) = history.store.artifacts(ids=[refused])
    assert swept.id == refused


def test_a_swept_refusal_still_refuses(history: History) -> None:
    from dataclasses import replace

    model = history.put("Model")
    history.put("ModelBlessing", blessed=1, current_model_id=model)
    refusal = history.put("ModelBlessing", blessed=0, current_model_id=model)
    (stored,) = history.store.artifacts(ids=[refusal])
    history.store.put_artifacts([replace(stored, state=ArtifactState.DELETED)])
    assert history.ask(Resolver(strategy="latest_blessed")).outputs == {"model": [], "model_blessing": []}


def test_many_refused_models_are_walked_over(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a model's verdicts lie on two pages of the walk."""
    from trueline.pipeline import resolvers_policy

    good = history.put("Model")
    history.put("ModelBlessing", blessed=1, current_model_id=good)
    for _ in range(3):
        model = history.put("Model")
        history.put("ModelBlessing", blessed=1, current_model_id=model)
        history.put("ModelBlessing", blessed=0, current_model_id=model)
    for size in (1, 2, 3, 20):
        monkeypatch.setattr(resolvers_policy, "_FIRST_PAGE", size)
        monkeypatch.setattr(resolvers_policy, "_PAGE", size)
        assert history.ids(Resolver(strategy="latest_blessed")) == [good]


def test_another_pipeline_s_artifacts_on_request(history: History) -> None:
    mine = history.put("Model")
    theirs = history.put("Model", pipeline="other")
    assert history.ids(Resolver(model=Model)) == [mine]
    assert history.ids(Resolver(model=Model, pipeline="other")) == [theirs]
    history.put("ModelBlessing", pipeline="other", blessed=1, current_model_id=theirs)
    assert history.ids(Resolver(strategy="latest_blessed")) == []
    assert history.ids(Resolver(strategy="latest_blessed", pipeline="other")) == [theirs]


def test_what_one_run_put_out(history: History) -> None:
    whole = history.run()
    pair = (history.put("Examples", run=whole), history.put("ExampleStatistics", run=whole))
    history.put("Examples")
    together = Resolver(strategy=latest_pipeline_run_outputs(), examples=Examples, statistics=ExampleStatistics)
    found = history.ask(together).outputs
    assert (found["examples"][0].id, found["statistics"][0].id) == pair


def test_another_database_s_artifacts_are_noted_here_once(history: History, tmp_path: Path) -> None:
    far = History(tmp_path / "far")
    theirs = far.put("Examples", pipeline="producer", span=7, city="Bonn")
    far.store.close()
    history.put("Examples", span=1)
    resolver = look(pipeline="producer", metadata=str(tmp_path / "far" / "metadata.db"))
    first, second = history.ask(resolver).outputs["examples"][0], history.ask(resolver).outputs["examples"][0]
    assert first.id == second.id
    (stored,) = history.store.artifacts(ids=[first.id or 0])
    assert stored.uri == str(tmp_path / "far" / "files" / str(2))
    assert (stored.properties["span"], stored.custom_properties["city"]) == (7, "Bonn")
    assert stored.custom_properties["is_external"] == 1, "nobody here may remove its files"
    assert theirs == 1
    assert history.ids(look()) != [first.id], "looked up, not put out"


# -- functions of one's own -----------------------------------------------------------------------------


def the_middle(query: ArtifactQuery) -> dict[str, list[Artifact]]:
    found = query.artifacts(Examples, where="span > 1")
    return {"examples": [found[len(found) // 2]]}


def writes(query: ArtifactQuery) -> dict[str, list[Artifact]]:
    query.store.put_artifacts([Artifact("Examples")])
    return {}


def nonsense(query: ArtifactQuery) -> dict[str, Any]:
    return {"examples": [99, query.artifacts(Model)[0]], "exampels": []}


def raises(query: ArtifactQuery) -> dict[str, Any]:
    raise KeyError("country")


def test_a_function_of_one_s_own_chooses(history: History) -> None:
    ids = [history.put("Examples", span=span) for span in (1, 2, 3, 4)]
    assert history.ids(look(strategy=the_middle)) == [ids[2]]


def test_a_function_of_one_s_own_is_held_to_its_word(history: History) -> None:
    model = history.put("Model")
    with pytest.raises(Exception, match="open for reading only"):
        history.ask(look(strategy=writes))
    assert len(history.store.artifacts()) == 1
    with pytest.raises(ArtifactError, match="cannot be used") as caught:
        history.ask(look(strategy=nonsense))
    answer, *rest = caught.value.problems
    assert answer.startswith("it has an answer for 'exampels'. Did you mean 'examples'?")
    assert rest == ["examples: there is no artifact 99", f"examples: artifact {model} is Model, not Examples"]
    with pytest.raises(ArtifactError, match="failed: KeyError: 'country'"):
        history.ask(look(strategy=raises))


# -- what is written wrongly ---------------------------------------------------------------------------


def test_all_problems_of_a_resolver_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Pipeline(
            "line",
            [
                look(strategy="rolling_rnage", node_id="a"),
                look(strategy=rolling_range(num_spans=1, skip_num_recent_spans=-1), node_id="b"),
                look(strategy="rolling_range", config={"spans": 3}, n=4, node_id="c"),
                look(strategy="newest_by_property", node_id="d"),
                look(where="span >=", runs="good", node_id="e"),
                look(strategy=[latest(), sequential_rolling_range(2), pick(0)], node_id="f"),
                look(strategy=[latest_blessed(), latest()], node_id="g"),
                look(strategy=paired_spans(), node_id="h"),
                look(strategy=lambda query: {}, node_id="i"),
                look(metadata="postgresql://me:secret@host/db", node_id="j"),
                Resolver(strategy=latest_blessed("best"), node_id="k"),
            ],
            root=tmp_path,
        )
    text = str(caught.value)
    for told in (
        "a has no strategy 'rolling_rnage'. Did you mean 'rolling_range'?",
        "b rolling_range was given skip_num_recent_spans=-1; give a whole number from 0 on",
        "c rolling_range has no parameter 'spans'",
        "c was given n=4, which rolling_range does not take",
        "d newest_by_property needs property=: a property's name",
        "e cannot filter by where='span >='",
        "e cannot look at runs='good'",
        "f sequential_rolling_range makes groups of artifacts and must be the last step",
        "g latest_blessed looks among the runs for itself and stands alone",
        "h needs two or more artifact types, which paired_spans puts together",
        "does not stand at the top level of a file",
        "j was given a metadata database with a password",
        "k latest_blessed was given policy='best'",
    ):
        assert told in text, told
    assert "me:secret" not in text


def test_tfx_s_names_and_forms_mean_the_same(tmp_path: Path) -> None:
    def params(**given: Any) -> dict[str, Any]:
        plan = compile_pipeline(Pipeline("line", [Resolver(**given)], root=tmp_path))
        return dict(plan.nodes[0].params)

    path = "tfx.dsl.input_resolution.strategies.latest_artifact_strategy.LatestArtifactStrategy"
    assert params(strategy=path, config={"desired_num_of_artifacts": 3}, e=Examples) == params(n=3, e=Examples)
    assert params(strategy="LatestBlessedModelStrategy") == params(strategy="latest_blessed")
    span_range = {"range_config": {"static_range": {"start_span_number": 1, "end_span_number": 3}}}
    assert params(strategy="SpanRangeStrategy", config=span_range, e=Examples) == params(
        strategy=static_range(1, 3), e=Examples
    )


def test_an_output_of_a_node_stands_for_its_type_producer_and_name(history: History, tmp_path: Path) -> None:
    history.put("Examples", node="Source", key="examples", span=1)
    history.put("Examples", node="Other", key="examples", span=2)
    source = Source(path=str(tmp_path / "rows.csv"))
    resolver = Resolver(found=source.outputs["examples"])
    assert resolver.params["sources"] == {"found": ["Source", "examples"]}
    assert [a.properties["span"] for a in history.ask(resolver).outputs["found"]] == [1]


def test_a_run_resolves_and_notes_what_it_passed_over(
    data: Path, root: Path, runner: LocalRunner, opened: Callable[[], MetadataStore]
) -> None:
    """The whole way: a span filter in a run, the finding kept with it, and a loop's groups."""
    for times in (1, 2, 3):
        assert runner.run(Pipeline("line", [Source(path=str(data), times=times)], root=root)).ok
    window = Resolver(strategy=sequential_rolling_range(2), examples=Examples, node_id="Windows")
    middle = Resolver(where="span == 2", examples=Examples, node_id="Middle")
    train = Train(examples=middle.outputs.examples)
    result = runner.run(Pipeline("line", [window, bless(model=train.outputs.model)], root=root))
    assert result.ok
    assert [h.properties["span"] for h in result.nodes["Middle"].outputs["examples"]] == [2]
    record = RunStore(opened()).node(result.run_id, "Windows")
    assert record.found is not None
    assert record.found["groups"] == {"examples": [[0, 1], [1, 2]]}

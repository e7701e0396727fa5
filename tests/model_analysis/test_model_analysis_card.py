"""Model cards as text: golden Markdown, a header that YAML reads, nothing of the data that becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ArtifactError, ConfigError
from trueline.model_analysis.card import CardTexts, ModelCard, ModelCardData
from trueline.model_analysis.card import parts_data as d
from trueline.model_analysis.card import parts_judged as j
from trueline.model_analysis.card import parts_model as m
from trueline.model_analysis.card.data import texts_of
from trueline.model_analysis.card.limits import with_limits
from trueline.model_analysis.card.markdown_text import code, escaped, prose
from trueline.model_analysis.card.private import public, public_text
from trueline.model_analysis.card.yaml_text import yaml_text

yaml = pytest.importorskip("yaml")
GOLDEN = Path(__file__).with_name("model_analysis_card_golden.md")
FRONT = re.compile(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))")
"""The expression by which Hugging Face cuts the header off."""
NASTY = "a|b\n---\n<script>alert(1)</script>`*_x_"


def tiny(slice_name: str = "company=acme", **more) -> ModelCardData:
    auc = j.MetricFacts("auc", 0.8, "", 0.75, 0.85, None, 0.7, 0.1, 0.05, 0.15)
    none = j.MetricFacts("precision", undefined="no row is predicted positive")
    found = j.EvaluationFacts(
        task="binary", rows=200, missing_labels=3, overall=(auc, none),
        slices=(j.SliceFacts(slice_name, 60, (replace(auc, value=0.6),)),),
        worst=(j.WorstSlice("auc", slice_name, 60, 0.6, 0.5, 0.7, 0.8),), too_small=(j.TooSmall("company=cab", 4),),
        undefined=(j.Undefined("precision", "Overall", "no row is predicted positive"),), directions={"auc": True},
        judged=True, ok=True, checks=2, has_baseline=True, intervals="Intervals at 95%: by jackknife.",
        candidate="c" * 64, baseline="b" * 64, min_slice_size=10,
    )  # fmt: skip
    data = ModelCardData(
        model=m.ModelFacts(
            "late", "binary", "sklearn", "late", classes=("False", "True"), features=("fare",),
            inputs=(m.Input("fare", "float64", required=True), m.Input("company", "utf8")),
            outputs=(m.Output("probabilities", "float32", "N, 2", "class probabilities"),),
            fingerprint="c" * 64, size_bytes=3000, onnx_bytes=2000, parity=m.ParityFacts(50, 1e-7),
        ),
        texts=CardTexts(description="Is a ride late?", licence="MIT", intended_use="Planning.\n\n- by day\n- by night"),
        training=m.TrainingFacts({"seed": 7, "hyperparameters": {"C": 1.0}}),
        data=d.DataFacts(
            (d.SplitFacts("train", 800), d.SplitFacts("eval", 200)), (d.SourceFacts("rides.csv", 1000),),
            statistics=(d.StatisticsFacts("company", "string", 800, 200, 3, top="acme", top_share=0.5),
                        d.StatisticsFacts("fare", "float", 800, 0, None, 15.0, 5.0, 0.5, 14.0, 60.0)),
            statistics_split="train", schema=(d.SchemaFacts("fare", "float", "required", "at least 0"),), anomalies=(),
        ),
        evaluation=found,
        lineage=(m.LineageEntry("model", "Model", "c" * 64, "Trainer"),),
        environment=m.Environment({"scikit-learn": "1.5.0", "trueline": "0.1.0"}),
    )  # fmt: skip
    return with_limits(replace(data, **more))


def test_the_markdown_of_a_small_card_is_what_was_agreed():
    assert ModelCard(tiny()).to_markdown() == GOLDEN.read_text(encoding="utf-8")


def front_matter(text: str) -> tuple[dict, str]:
    found = FRONT.match(text)
    assert found is not None
    return yaml.safe_load(found[2]), text[found.end() :]


def test_the_header_reads_as_what_hugging_face_asks_for():
    header, rest = front_matter(ModelCard(tiny()).to_markdown())
    assert header["license"] == "mit"
    assert header["library_name"] == "sklearn"
    assert header["pipeline_tag"] == "tabular-classification"
    (index,) = header["model-index"]
    (result,) = index["results"]
    assert index["name"] == "late"
    assert result["task"] == {"type": "tabular-classification"}
    assert result["dataset"] == {"type": "tabular", "name": "rides.csv"}
    assert result["metrics"] == [{"type": "roc_auc", "value": 0.8, "name": "auc"}]  # an undefined value is no result
    assert rest.strip().startswith("# late")


@pytest.mark.parametrize(
    ("task", "inputs", "tag"),
    [
        ("regression", ["float64"], "tabular-regression"),
        ("multiclass", ["utf8"], "text-classification"),
        ("binary", ["bytes"], "image-classification"),
        ("binary", ["utf8", "float64"], "tabular-classification"),
        ("embedding", ["utf8"], "feature-extraction"),
    ],
)
def test_the_task_is_told_by_hugging_faces_names(task, inputs, tag):
    model = m.ModelFacts("x", task, inputs=tuple(m.Input(f"c{i}", t) for i, t in enumerate(inputs)))
    assert ModelCard(ModelCardData(model)).header["pipeline_tag"] == tag
    asked = ModelCardData(model, CardTexts(pipeline_tag="other-task", licence="Our own terms"))
    assert ModelCard(asked).header["pipeline_tag"] == "other-task"
    assert ModelCard(asked).header["license_name"] == "Our own terms"
    assert ModelCard(asked).header["license"] == "other"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), values, max_size=4))
def test_any_header_reads_back_as_itself(value):
    """The law of the emitter: what a strict reader of YAML makes of it is the value."""
    assert (yaml.safe_load(yaml_text(value)) or {}) == value


class Tags(HTMLParser):
    """All elements and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.opened.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)


def tags(html: str) -> Tags:
    parser = Tags()
    parser.feed(html)
    return parser


def nasty() -> ModelCardData:
    data = tiny(f"company={NASTY}", training=m.TrainingFacts({NASTY: NASTY}))
    model = replace(data.model, name=NASTY, classes=(NASTY,), inputs=(m.Input(NASTY, "utf8"),))
    found = replace(data.evaluation, failures=(NASTY,), ok=False, notes=(NASTY,))
    facts = replace(
        data.data, sources=(d.SourceFacts(NASTY, 1),), anomalies=(d.AnomalyFacts("e", NASTY, "error", NASTY),)
    )
    return with_limits(
        replace(data, model=model, evaluation=found, data=facts, texts=CardTexts(owner=NASTY, caveats=NASTY))
    )


def test_no_value_of_the_data_becomes_markup_in_markdown():
    text = ModelCard(nasty()).to_markdown()
    header, rest = front_matter(text)
    assert header["model-index"][0]["name"] == NASTY
    assert "<script" not in rest
    assert [line for line in rest.splitlines() if line.strip() == "---"] == []
    plain = ModelCard(tiny()).to_markdown().splitlines()
    heads = [line for line in plain if line.startswith("#")]
    assert [line for line in rest.splitlines() if line.startswith("#")][1:] == heads[1:]
    cells = [len(re.findall(r"(?<!\\)\|", line)) for line in rest.splitlines() if line.startswith("|")]
    assert cells == [len(re.findall(r"(?<!\\)\|", line)) for line in _tables_like(plain, rest)]


def _tables_like(plain: list[str], rest: str) -> list[str]:
    """Each line of a table is as wide as the rule below its head."""
    lines, width = [], ""
    all_lines = rest.splitlines()
    for i, line in enumerate(all_lines):
        if line.startswith("|"):
            if not all_lines[i - 1].startswith("|"):
                width = all_lines[i + 1]
            lines.append(width)
    assert len(lines) > 20 < len(plain)
    return lines


def test_no_value_of_the_data_becomes_markup_in_html():
    usual, found = tags(ModelCard(tiny()).to_html()), tags(ModelCard(nasty()).to_html())
    assert found.opened.count("script") == usual.opened.count("script")
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert any("<script>alert(1)</script>" in word for word in found.words)  # it is shown, as text
    hrefs = [value for name, value in found.attributes if name == "href"]
    assert all(str(value).startswith("#") for value in hrefs)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("a|b", r"a\|b"),
        ("x\ny", r"x\\ny"),
        ("---", r"\---"),
        ("# no", r"\# no"),
        ("1. one", r"1\. one"),
        ("- a", r"\- a"),
        ("-1.5 degrees", "-1.5 degrees"),
        ("snake_case_name", "snake_case_name"),
        ("_so_", r"\_so\_"),
        ("<b> & </b>", "&lt;b&gt; &amp; &lt;/b&gt;"),
        ("[x](http://y)", r"\[x\](http://y)"),
        ("\u202eabc", r"\\u202eabc"),
    ],
)
def test_a_text_stands_for_itself(given, wanted):
    assert escaped(given) == wanted


def test_names_are_code_where_code_can_hold_them():
    assert code("fare_amount") == "`fare_amount`"
    assert code("a`b") == r"a\`b"
    assert code("a|b") == r"a\|b"


def test_prose_keeps_lists_and_no_markup_that_breaks_the_card():
    assert prose("One.\n\n- two\n- *three*") == "One.\n\n- two\n- *three*"
    assert prose("# Title\n---\n```\n<b>") == "\\# Title\n\\---\n\\```\n&lt;b>"


def test_what_is_not_known_is_said_and_never_praised():
    bare = ModelCard(with_limits(ModelCardData(m.ModelFacts("x", "regression"))))
    text, html = bare.to_markdown(), bare.to_html()
    for said in (text, html):
        assert "not measured" in said.lower()
        assert "passed" not in said
    assert "metrics" not in bare.header
    assert text.count("Not measured.") == 5
    assert "Fairness between groups of people: not measured for this card." in bare.data.limits
    assert "The model's quality was not measured: no evaluation was given." in bare.data.limits


def test_limits_are_found_in_the_facts():
    limits = "\n".join(tiny().limits)
    assert "Slices below 10 rows were not measured (1): company=cab (4)." in limits
    assert "the first is precision on Overall: no row is predicted positive." in limits
    assert "Inputs that are often missing in the data: company (25%)." in limits
    assert "Rows without a label, left out of the evaluation: 3." in limits
    assert "another model" not in limits
    other = tiny()
    other = with_limits(replace(other, model=replace(other.model, fingerprint="d" * 64)))
    assert "The evaluation is of another model: its fingerprint is not this model's." in other.limits


def test_a_card_reads_back_as_itself(tmp_path):
    card = ModelCard(tiny())
    card.save(str(tmp_path / "card"))
    assert {p.name for p in (tmp_path / "card").iterdir()} == {"model_card.json", "model_card.md", "model_card.html"}
    again = ModelCard.load(str(tmp_path / "card"))
    assert again == card
    assert again.to_markdown() == (tmp_path / "card" / "model_card.md").read_text()
    assert again.to_html() == (tmp_path / "card" / "model_card.html").read_text()


def test_a_damaged_card_names_its_place_and_problems(tmp_path):
    with pytest.raises(ArtifactError, match="format 9, this release reads 1"):
        ModelCardData.from_json('{"format": 9}')
    with pytest.raises(ArtifactError) as caught:
        ModelCardData.from_json('{"format": 1, "model": {"name": 3, "task": "binary", "nmae": 1}}', "here")
    assert any("nmae" in p for p in caught.value.problems)
    assert any("name" in p for p in caught.value.problems)
    with pytest.raises(ArtifactError, match="no JSON"):
        ModelCardData.from_json("{")


def test_wrong_texts_are_all_told_at_once():
    with pytest.raises(ConfigError) as caught:
        texts_of({"intended_us": "x", "licence": 3, "tags": [1]})
    first, second, third = caught.value.problems
    assert "Did you mean 'intended_use'" in first
    assert "licence: a int where a text is expected" in second
    assert "tags: a list of texts is expected" in third
    assert texts_of({"tags": "one"}).tags == ("one",)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("/home/me/data/rows.csv", "…/rows.csv"),
        ("read /srv/x/a.csv, then b/c.csv", "read …/a.csv, then b/c.csv"),
        (r"C:\Users\me\rows.csv", "…/rows.csv"),
        ("s3://bucket/secret/rows.csv", "…/rows.csv"),
        ("https://user:pw@example.org/x", "https://example.org/x"),
        ("https://example.org/paper.pdf", "https://example.org/paper.pdf"),
        ("precision/recall and 3/4", "precision/recall and 3/4"),
        ("~/keys/id", "…/id"),
    ],
)
def test_places_and_logins_are_not_told(given, wanted):
    assert public_text(given) == wanted


def test_secrets_are_withheld_by_their_names():
    facts = {"api_key": "abc", "depth": 3, "nested": {"PASSWORD": "x", "path": "/a/b/c"}, "rate": float("nan")}
    assert public(facts) == {
        "api_key": "(withheld)", "depth": 3, "nested": {"PASSWORD": "(withheld)", "path": "…/c"}, "rate": "nan",
    }  # fmt: skip
    plain = {"max_tokens": 5, "tokenizer": "words", "monkey": 1, "password": None}
    assert public(plain) == plain

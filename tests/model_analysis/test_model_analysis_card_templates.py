"""A user's templates: what they may replace, and in which words a broken one is refused before anything runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trueline._core.errors import ConfigError
from trueline.model_analysis.card import CardTexts, ModelCard, ModelCardData, read_templates
from trueline.model_analysis.card import parts_judged as j
from trueline.model_analysis.card import parts_model as m
from trueline.model_analysis.card.template import templates_of

DATA = ModelCardData(
    m.ModelFacts("late|<b>", "binary", "sklearn", label="late"),
    CardTexts(intended_use="Planning."),
    evaluation=j.EvaluationFacts("binary", 10, overall=(j.MetricFacts("auc", 0.8),), judged=True, ok=True),
)
MD, HTML = '{% extends "model_card.md.j2" %}\n', '{% extends "model_card.html.j2" %}\n'


def write(tmp_path, text, name="mine.md.j2"):
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def problems(tmp_path, text, name="mine.md.j2"):
    with pytest.raises(ConfigError) as caught:
        read_templates(write(tmp_path, text, name))
    return caught.value.problems


def test_a_template_replaces_blocks_and_keeps_the_rest(tmp_path):
    own = MD + (
        "{% block intended_use %}\nAsk {{ card.model.name }} first.\n\n{{ super() }}{% endblock %}\n"
        "{% block more_sections %}\n## Ours\n\n"
        "{% for x in card.evaluation.overall %}- {{ x.name|code }}: {{ x.value }}\n{% endfor %}{% endblock %}"
    )
    templates = read_templates(write(tmp_path, own))
    text = ModelCard(DATA, templates).to_markdown()
    assert "## Intended use\n\nAsk late\\|&lt;b&gt; first.\n\nPlanning.\n" in text  # values are escaped here too
    assert "## Ours\n\n- `auc`: 0.8\n" in text
    assert text.startswith("---\nlibrary_name")
    assert "## Lineage" in text
    assert "Ours" not in ModelCard(DATA, templates).to_html()  # its kind alone


def test_both_kinds_may_be_given_and_html_is_escaped(tmp_path):
    pages = write(tmp_path, HTML + "{% block factors %}<p>{{ card.model.name }}</p>{% endblock %}", "page.html.j2")
    texts = write(tmp_path, MD + "{% block factors %}None.{% endblock %}")
    card = ModelCard(DATA, read_templates([pages, texts]))
    assert "<p>late|&lt;b&gt;</p>" in card.to_html()
    assert "## Factors\n\nNone.\n" in card.to_markdown()
    with pytest.raises(ConfigError) as caught:
        read_templates([texts, write(tmp_path, MD, "two.md.j2")])
    assert "one of a kind is taken" in caught.value.problems[0]


def test_a_template_of_our_own_name_extends_ours(tmp_path):
    path = write(tmp_path, MD + "{% block title %}Mine{% endblock %}", "model_card.md.j2")
    assert "\n# Mine\n" in ModelCard(DATA, read_templates(path)).to_markdown()


def test_templates_are_carried_as_text_with_what_they_include(tmp_path):
    path = write(tmp_path, MD + '{% block factors %}{% include "parts/city.md.j2" %}{% endblock %}')
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "city.md.j2").write_text("Cities of {{ card.model.task }}.")
    templates = read_templates(path)
    (tmp_path / "parts" / "city.md.j2").unlink()
    again = templates_of([t.to_json() for t in templates])
    assert "Cities of binary." in ModelCard(DATA, again).to_markdown()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{% block factors %}\n{% if %}", ["mine.md.j2, line 3", "Expected an expression"]),
        ("{% block factors %}{{ crad.model.name }}{% endblock %}", ["line 2", "no variable 'crad'", "'card'"]),
        ("{% block factor %}x{% endblock %}", ["line 2", "no block 'factor'", "'factors'"]),
        ("{% block factors %}{{ card.model.nmae }}{% endblock %}", ["line 2", "ModelFacts has no 'nmae'", "'name'"]),
        (
            "{% block slices %}\n{% for s in card.evaluation.slices %}{{ s.row }}{% endfor %}{% endblock %}",
            ["line 3", "SliceFacts has no 'row'", "'rows'"],
        ),
        ("{% block factors %}{{ card.model.name|upperr }}{% endblock %}", ["line 2", "upperr"]),
        ("{% block factors %}{% include '../secret.md.j2' %}{% endblock %}", ["outside the template's folder"]),
        ("{% block factors %}{% include '/etc/passwd' %}{% endblock %}", ["outside the template's folder"]),
        ("{% block factors %}{% include 'gone.md.j2' %}{% endblock %}", ["no template 'gone.md.j2'"]),
        ("{% block factors %}{% include card.model.name %}{% endblock %}", ["not named by a plain text"]),
    ],
)
def test_a_broken_template_is_refused_with_place_and_remedy(tmp_path, text, said):
    (found, *_) = problems(tmp_path, MD + text)
    for part in said:
        assert part in found


@pytest.mark.parametrize(
    "asked",
    [
        "card.__class__",
        "card.model.__init__.__globals__",
        "card.to_json()",
        "card.model.name.__class__.__mro__",
        "''.__class__",
        "card|attr('__class__')",
        "'{0.__class__}'.format(card)",
    ],
)
def test_templates_see_records_and_nothing_behind_them(tmp_path, asked):
    text = MD + "{% block factors %}{{ " + asked + " }}{% endblock %}"
    with pytest.raises(ConfigError) as caught:
        read_templates(write(tmp_path, text))
    assert any(w in caught.value.problems[0] for w in ("unsafe", "has no '"))


def test_what_only_this_model_has_is_no_problem_before_and_told_with_its_line_after(tmp_path):
    text = MD + "{% block factors %}\n\n{{ card.training.facts.learning_rate }}{% endblock %}"
    templates = read_templates(write(tmp_path, text))
    with pytest.raises(ConfigError, match=r"mine.md.j2, line 4: .*learning_rate"):
        ModelCard(DATA, templates).to_markdown()
    trained = replace(DATA, training=m.TrainingFacts({"learning_rate": 0.1}))
    assert "## Factors\n\n0.1\n" in ModelCard(trained, templates).to_markdown()


def test_files_that_are_no_templates_are_refused(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_templates([str(tmp_path / "card.txt"), str(tmp_path / "gone.md.j2")])
    first, second = caught.value.problems
    assert "ends in .md.j2 or .html.j2" in first
    assert "there is no template 'gone.md.j2'" in second
    (tmp_path / "link.md.j2").symlink_to("/etc/hostname")
    path = write(tmp_path, MD + '{% block factors %}{% include "link.md.j2" %}{% endblock %}')
    with pytest.raises(ConfigError) as caught:
        read_templates(path)
    assert "lies outside the template's folder" in caught.value.problems[0]

"""The line from the command line: what a person types, reads and gets back as an exit code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lines_taxi import EXAMPLES, TaxiLine

from trueline import Model
from trueline.cli import main
from trueline.serving import Client

PIPELINE = str(EXAMPLES / "taxi" / "pipeline.py")


def arguments(taxi, **more):
    return [text for name, value in taxi.params(**more).items() for text in ("--param", f"{name}={value}")]


@pytest.fixture(scope="module")
def ran(tmp_path_factory, taxi_rows):
    """A line that ran once from the command line, its report, and what was printed; its tests only read."""
    before, printed = list(sys.path), io.StringIO()
    taxi = TaxiLine(tmp_path_factory.mktemp("cli"), taxi_rows)
    report = taxi.folder / "report.html"
    with contextlib.redirect_stdout(printed):
        assert main(["run", PIPELINE, *arguments(taxi), "--report", str(report)]) == 0
    sys.path[:] = before
    return taxi, report, printed.getvalue()


def test_run_tells_node_by_node_what_was_found_and_the_report_is_one_file(ran):
    _, report, out = ran
    for text in ("CsvExampleGen", "rows 3,000", "blessed yes", "pushed yes", "complete"):
        assert text in out
    page = report.read_text()
    for text in ("Trainer", "Evaluator", "trip_start_hour", "parity", "No anomalies found"):
        assert text in page
    for outside in ("http://", "https://", "<link", " src="):
        assert outside not in page.replace("http://www.w3.org/2000/svg", "")


def test_runs_show_why_and_lineage_ask_the_memory(ran, capsys):
    taxi, _, _ = ran
    memory = ["--metadata", str(taxi.folder / "line" / "metadata.db")]
    assert main(["runs", "--json", *memory]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["pipeline"], record["status"]) == ("taxi", "COMPLETE")
    assert record["params"]["min_auc"] == "0.8"

    assert main(["show", record["run_id"][:12], *memory]) == 0
    out = capsys.readouterr().out
    assert "InfraValidator" in out
    assert record["run_id"] in out

    assert main(["why", "latest", "Trainer", *memory]) == 0
    assert "first run" in capsys.readouterr().out

    assert main(["lineage", "PushedModel", "--json", *memory]) == 0
    tree = capsys.readouterr().out
    for kind in ("ModelBlessing", "InfraBlessing", "TransformGraph", "Examples", "CsvExampleGen"):
        assert kind in tree
    assert main(["lineage", "Examples", "--down", *memory]) == 0
    assert "PushedModel" in capsys.readouterr().out

    assert main(["show", "latest", "--html", str(taxi.folder / "again.html"), *memory]) == 0
    assert (taxi.folder / "again.html").read_text().startswith("<!doctype html>")


def test_questions_that_have_no_answer_say_what_there_is(ran, capsys):
    taxi, _, _ = ran
    memory = ["--metadata", str(taxi.folder / "line" / "metadata.db")]
    for command, said in (
        (["show", "nothing"], "there is no run 'nothing'"),
        (["why", "latest", "Trainr"], "Did you mean 'Trainer'"),
        (["lineage", "999"], "no artifact with id 999"),
        (["lineage", "Modl"], "no artifact 'Modl'"),
    ):
        capsys.readouterr()
        assert main([*command, *memory]) == 1
        err = capsys.readouterr().err
        assert said in err
        assert "Traceback" not in err


def test_the_memory_is_found_below_the_folder(ran, capsys, monkeypatch):
    taxi, _, _ = ran
    monkeypatch.chdir(taxi.folder)
    assert main(["runs"]) == 0
    assert "taxi" in capsys.readouterr().out
    monkeypatch.chdir(taxi.folder / "data")
    assert main(["runs"]) == 1
    assert "--metadata" in capsys.readouterr().err


def test_a_closed_gate_is_exit_code_3_and_says_why(taxi, capsys):
    assert main(["run", PIPELINE, *arguments(taxi, min_auc=0.9999)]) == 3
    out = capsys.readouterr().out
    assert "Evaluator gate closed: The model is not blessed" in out
    assert taxi.versions == []


def test_a_failed_node_is_exit_code_1_and_json_has_it_all(taxi, taxi_rows, capsys):
    taxi.write([*taxi_rows[:50], "broken"])
    assert main(["run", PIPELINE, *arguments(taxi), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["exit_code"] == 1
    assert result["nodes"]["CsvExampleGen"]["state"] == "FAILED"
    assert "line 51" in result["nodes"]["CsvExampleGen"]["message"]
    assert result["nodes"]["Pusher"]["state"] == "SKIPPED"


def test_wrong_parameters_are_exit_code_2_and_nothing_runs(taxi, capsys):
    assert main(["run", PIPELINE, *arguments(taxi), "--param", "min_ouc=1", "--param", "max_iter=few"]) == 2
    err = capsys.readouterr().err
    assert "min_auc" in err
    assert "max_iter=few" in err
    assert not (taxi.folder / "line").exists()


def test_a_part_of_the_line_runs_alone(taxi, capsys):
    assert main(["run", PIPELINE, *arguments(taxi), "--to", "SchemaGen"]) == 0
    out = capsys.readouterr().out
    assert "SchemaGen" in out
    assert "Run" in out
    assert not (taxi.folder / "line" / "Trainer").exists()


def test_stats_of_a_file(taxi, capsys):
    file = str(taxi.folder / "data" / "taxi.csv")
    assert main(["stats", file]) == 0
    assert "3,000 rows" in capsys.readouterr().out
    assert main(["stats", file, "--json"]) == 0
    (dataset,) = json.loads(capsys.readouterr().out)["datasets"]
    assert int(dataset["num_examples"]) == 3000
    assert main(["stats", file, "--html", str(taxi.folder / "stats.html")]) == 0
    assert "payment_type" in (taxi.folder / "stats.html").read_text()
    assert main(["stats", str(taxi.folder / "none.csv")]) == 1
    assert "no such file" in capsys.readouterr().err


def test_serve_answers_what_was_pushed_and_ends_in_order(ran):
    taxi, _, _ = ran
    command = [str(Path(sys.executable).with_name("trueline")), "serve", str(taxi.serving), "--name", "taxi"]
    with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            events = (json.loads(line) for line in server.stdout if line.startswith("{"))
            ready = next(event for event in events if event["event"] == "ready")
            with Client(f"http://{ready['host']}:{ready['port']}", "taxi") as client:
                rows = [{"fare": 10.0, "trip_miles": 2.0, "payment_type": "Credit Card"}]
                needed = {f["name"] for f in client.metadata()["trueline"]["inputs"] if not f["optional"]}
                rows[0] |= {name: 1 for name in needed if name not in rows[0]}
                answer = client.predict(rows=rows)
            expected = Model.load(str(taxi.serving / taxi.versions[0])).predict_proba(rows)
            assert answer.version == int(taxi.versions[0])
            assert answer.outputs["probabilities"][0] == pytest.approx(expected[0].tolist(), abs=1e-6)
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0


def test_serving_a_folder_that_is_not_there_says_so(tmp_path, capsys):
    assert main(["serve", str(tmp_path / "none")]) == 1
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_the_template_is_a_project_that_runs_by_itself(tmp_path):
    """In a folder of its own, by the installed command, without a parameter."""
    command = str(Path(sys.executable).with_name("trueline"))
    project = tmp_path / "project"
    subprocess.run([command, "init", str(project)], check=True, capture_output=True)
    done = subprocess.run([command, "run", "pipeline.py"], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pushed yes" in done.stdout
    assert len(os.listdir(project / "out" / "serving" / "project")) == 1
    listed = subprocess.run([command, "runs"], cwd=project, capture_output=True, text=True)
    assert "complete" in listed.stdout.lower()

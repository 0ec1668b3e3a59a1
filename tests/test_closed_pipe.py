"""`| head`: a reader that leaves early stops no script, loses no file, and gives no traceback."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest

from ecg.classes import load_weights
from ecg.evaluation.cross_validation import write_out_of_fold
from tests.conftest import ROOT, noise, write_recording


def run_with_closed_pipe(*command, lines=0, errors_too=False):
    """Run a Python script whose output is read for so many lines, then closed; return the exit code and the errors."""
    reader, writer = os.pipe()
    output = os.fdopen(reader, "rb", buffering=0)
    if not lines:
        output.close()
    errors = writer if errors_too else subprocess.PIPE
    process = subprocess.Popen([sys.executable, *map(str, command)], stdout=writer, stderr=errors, cwd=ROOT)
    os.close(writer)
    for _ in range(lines):
        output.readline()
    output.close()
    _, text = process.communicate(timeout=300)
    return process.returncode, (text or b"").decode()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Recordings with labels, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("closed pipe") / "data"
    for i in range(12):
        comments = ("#Age: 60", "#Sex: Male", f"#Dx: {('426783006', '39732003')[i % 2]}")
        write_recording(folder, f"A{i:04d}", noise(2000, seed=i), comments=comments)
    (folder / "A0003.mat").write_bytes(b"nothing")
    return folder


@pytest.fixture(scope="module")
def outputs(model_folder, data):
    """The outputs of a driver whose reader reads nothing."""
    folder = data.parent / "outputs"
    exit_code, errors = run_with_closed_pipe("driver.py", model_folder, data, folder)
    assert exit_code == 1 and "A0003" in errors and "Traceback" not in errors and "Broken" not in errors
    return folder


def test_the_driver_writes_outputs_and_failures(outputs):
    assert "A0003" in (outputs / "failures.csv").read_text()
    assert len(list(outputs.glob("A*.csv"))) == 12 and (outputs / "notes.csv").exists()


@pytest.mark.parametrize("lines", [0, 1])
@pytest.mark.parametrize("errors_too", [False, True], ids=["stdout", "stdout and stderr"])
def test_the_evaluation_writes_its_tables(data, outputs, tmp_path, lines, errors_too):
    arguments = (data, outputs, tmp_path / "scores.csv", tmp_path / "classes.csv", "--leaderboard")
    done = run_with_closed_pipe("evaluate_model.py", *arguments, lines=lines, errors_too=errors_too)
    assert done[0] == 0 and "Traceback" not in done[1] and "Broken" not in done[1]
    assert (tmp_path / "scores.csv").read_text().startswith("AUROC,")
    assert (tmp_path / "classes.csv").read_text().startswith("Classes,")


def test_the_evaluation_writes_its_report(data, outputs, tmp_path):
    pytest.importorskip("jinja2")
    report = tmp_path / "report.html"
    assert run_with_closed_pipe("evaluate_model.py", data, outputs, "--report", report, lines=1) == (0, "")
    assert report.read_text().rstrip().endswith("</html>")


def test_the_folder_check_writes_its_table(data, tmp_path):
    table = tmp_path / "findings.csv"
    assert run_with_closed_pipe("tools/check_data.py", data, "--csv", table) == (1, "")
    assert "A0003" in table.read_text()


def test_the_review_writes_its_table(data, tmp_path):
    names, weights = [f"A{i:04d}" for i in range(12) if i != 3], load_weights()
    p = np.random.default_rng(0).random((len(names), len(weights.classes)))
    write_out_of_fold(tmp_path / "p.csv", names, np.arange(len(names)) % 2, weights, p)
    arguments = ("suspects", data, tmp_path / "p.csv", tmp_path / "suspects.csv")
    assert run_with_closed_pipe("tools/review.py", *arguments) == (0, "")
    with open(tmp_path / "suspects.csv", newline="") as file:
        assert len(list(csv.reader(file))) > 1


MAIN = """
import sys
from pathlib import Path
from ecg import progress
from ecg.cli import run
from ecg.errors import EntryError

def main():
    for number in range(20_000):
        print(f"line {number}")
        progress.print_line("progress")
    Path(sys.argv[1]).write_text("whole")
    print("done", file=sys.stderr)
    return CODE

run(main)
"""


@pytest.mark.parametrize(("code", "exit_code"), [("0", 0), ("1", 1), ("exit('no')", 1), ("1 / 0", 2)])
@pytest.mark.parametrize("errors_too", [False, True])
def test_any_script_runs_to_its_end_and_keeps_its_exit_code(tmp_path, code, exit_code, errors_too):
    (tmp_path / "script.py").write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + MAIN.replace("CODE", code))
    file = tmp_path / "file"
    done = run_with_closed_pipe(tmp_path / "script.py", file, lines=1, errors_too=errors_too)
    assert done[0] == exit_code and "Broken" not in done[1] and file.read_text() == "whole"
    assert errors_too or done[1].startswith("done\n")


def test_help_whose_reader_has_left_is_no_error():
    assert run_with_closed_pipe("tools/check_data.py", "--help") == (0, "")


def test_a_full_disk_is_an_error():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        command = [sys.executable, ROOT / "tools/check_data.py", "--version"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode != 0 and "No space left" in done.stderr and "Traceback" not in done.stderr


def test_every_script_is_run_by_the_same_function():
    for script in (*ROOT.glob("*.py"), *(ROOT / "tools").glob("*.py")):
        text = script.read_text()
        assert ('if __name__ == "__main__":' in text) == text.endswith("    run(main)\n"), script

"""The official scripts: the arguments of every year, files, messages and exit codes.

Each script runs in a process of its own at least once; call_script is faster for the rest.
"""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import helper_code
from ecg.evaluation.leaderboard import standings
from ecg.evaluation.outputs import parse_outputs
from ecg.model.compute import pick_compute
from tests.conftest import CPU, LEADS, ROOT, call_script, header_text, noise, run_script, write_recording

# A rewrite of what the official scripts of 2021 do with an entry: they call load_model once for each set of leads, call
# run_model in a try block, and save the outputs with their own helper_code.py.
HELPER_OF_2021 = """
import os
from scipy.io import loadmat
def find_challenge_files(folder):
    names = sorted(name[:-4] for name in os.listdir(folder) if name.endswith('.hea'))
    return [os.path.join(folder, n + '.hea') for n in names], [os.path.join(folder, n + '.mat') for n in names]
def load_header(header_file):
    return open(header_file).read()
def load_recording(recording_file):
    return loadmat(recording_file)['val']
def get_leads(header):
    lines = header.split('\\n')
    return tuple(line.split(' ')[-1] for line in lines[1 : 1 + int(lines[0].split(' ')[1])])
def save_outputs(output_file, recording_id, classes, labels, probabilities):
    with open(output_file, 'w') as f:
        f.write(f'#{recording_id}\\n')
        for row in (classes, labels, probabilities):
            f.write(','.join(map(str, row)) + '\\n')
"""
TEST_SCRIPT_OF_2021 = """
import os, sys
from team_code import load_model, run_model
from helper_code import *
model_directory, data_directory, output_directory = sys.argv[1:]
header_files, recording_files = find_challenge_files(data_directory)
os.mkdir(output_directory)
models = {leads: load_model(model_directory, leads) for leads in {get_leads(load_header(f)) for f in header_files}}
for header_file, recording_file in zip(header_files, recording_files):
    header, recording = load_header(header_file), load_recording(recording_file)
    try:
        classes, labels, probabilities = run_model(models[get_leads(header)], header, recording)
    except Exception:
        classes, labels, probabilities = [], [], []
    name = os.path.splitext(os.path.basename(header_file))[0]
    save_outputs(os.path.join(output_directory, name + '.csv'), name, classes, labels, probabilities)
"""


@pytest.fixture(scope="module")
def test_data(tmp_path_factory):
    """Four recordings without diagnoses; the first header names the signal file, as some of 2020 do."""
    folder = tmp_path_factory.mktemp("test data")
    for i in range(4):
        write_recording(folder, f"E0750{i}", noise(2000 + 500 * i, seed=i), comments=("#Age: 60", "#Sex: Male"))
    path = folder / "E07500.hea"
    path.write_text(path.read_text().replace("E07500 12", "E07500.mat 12"))
    return folder


@pytest.fixture(scope="module")
def outputs(model_folder, test_data, tmp_path_factory):
    """The outputs of driver.py for ``test_data``."""
    folder = tmp_path_factory.mktemp("driver") / "test outputs"
    result = run_script("driver.py", model_folder, test_data, folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert "4 of 4 recordings done" in result.stdout
    return folder


def assert_outputs_match(a, b):
    """Assert equal labels and scores of two output files; batches of other sizes change scores by rounding."""
    a, b = (parse_outputs(path.read_text()) for path in (a, b))
    assert a[:2] == b[:2]
    np.testing.assert_allclose(a[2], b[2], atol=1e-6 if pick_compute("cpu") == CPU else 0.005)


def test_the_driver_writes_the_official_four_lines(outputs):
    assert sorted(path.name for path in outputs.glob("E*.csv")) == [f"E0750{i}.csv" for i in range(4)]
    lines = (outputs / "E07500.csv").read_text().split("\n")
    assert lines[0] == "#E07500" and len(lines) == 5 and lines[4] == ""
    classes, labels, scores = parse_outputs("\n".join(lines))
    assert len(classes) == len(labels) == len(scores) == 24 and any(labels)


@pytest.mark.parametrize(
    ("run", "script"), [(call_script, "driver.py"), (run_script, "test_model.py"), (run_script, "run_model.py")]
)
def test_the_driver_by_the_names_and_flags_of_other_years(outputs, model_folder, test_data, tmp_path, run, script):
    result = run(script, "-d", test_data, "-m", model_folder, "-o", "out", "-v", "-f", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    for path in outputs.glob("E*.csv"):
        assert (tmp_path / "out" / path.name).read_text() == path.read_text()


def test_a_broken_recording_does_not_change_the_others(outputs, model_folder, test_data, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(test_data, data)
    (data / "E07502.mat").write_bytes((data / "E07502.mat").read_bytes()[:999])
    (data / "E9.hea").write_text("no header\n")
    (data / "E8.hea").write_text(header_text("E8", noise(), rate="1e-310"))
    result = call_script("driver.py", model_folder, data, tmp_path / "out")
    assert result.returncode == 1
    assert "E07502.mat" in result.stderr and "E9.hea" in result.stderr and "Traceback" not in result.stderr
    assert "3 of 6 recordings done" in result.stdout
    assert "E07502" in (tmp_path / "out/failures.csv").read_text()
    for name in ("E07500", "E07501", "E07503"):
        assert_outputs_match(tmp_path / f"out/{name}.csv", outputs / f"{name}.csv")
    _, labels, _ = parse_outputs((tmp_path / "out/E07502.csv").read_text())
    assert len(labels) == 24 and not any(labels)


def test_a_folder_without_a_readable_recording(model_folder, tmp_path):
    (tmp_path / "E1.hea").write_text("no header\n")
    result = call_script("driver.py", model_folder, tmp_path, tmp_path / "out")
    assert result.returncode == 2 and "0 of 1 recordings done" in result.stdout
    assert (tmp_path / "out/E1.csv").exists()


LEAD_SETS_OF_2021 = (
    LEADS,
    ("I", "II", "III", "aVR", "aVL", "aVF"),
    ("I", "II", "III", "V2"),
    ("I", "II", "V2"),
    ("I", "II"),
)


@pytest.fixture(scope="module")
def lead_sets(tmp_path_factory):
    """A recording of each lead set of 2021, and the same with twelve leads and zeros for the missing ones."""
    folder, counts = tmp_path_factory.mktemp("lead sets"), noise(3000, seed=5)
    for leads in LEAD_SETS_OF_2021:
        present = [LEADS.index(lead) for lead in leads]
        write_recording(folder / "data", f"E{len(leads):05d}", counts[present], leads=leads)
        zeros = np.zeros_like(counts)
        zeros[present] = counts[present]
        write_recording(folder / "zeros", f"E{len(leads):05d}", zeros)
    return folder


@pytest.fixture(scope="module")
def outputs_of_2021(model_folder, test_data, lead_sets, tmp_path_factory):
    """The outputs of the official scripts of 2021, called from another folder, with team_code.py and ecg/ of the entry.

    One process runs ``test_data`` and the lead sets, one recording at a time.
    """
    folder = tmp_path_factory.mktemp("2021")
    entry, data = folder / "entry", folder / "data"
    shutil.copytree(ROOT / "ecg", entry / "ecg")
    for name in ("team_code.py", "weights.csv"):
        shutil.copy(ROOT / name, entry)
    (entry / "helper_code.py").write_text(HELPER_OF_2021)
    (entry / "test_model.py").write_text(TEST_SCRIPT_OF_2021)
    shutil.copytree(test_data, data)
    shutil.copytree(lead_sets / "data", data, dirs_exist_ok=True)
    subprocess.run([sys.executable, entry / "test_model.py", model_folder, data, "out"], cwd=folder, check=True)
    assert len(list((folder / "out").iterdir())) == 4 + len(LEAD_SETS_OF_2021)
    return folder / "out"


def test_the_official_scripts_of_2021_with_our_team_code(outputs, outputs_of_2021):
    for path in outputs.glob("E*.csv"):
        assert_outputs_match(outputs_of_2021 / path.name, path)


def test_the_lead_sets_of_2021(outputs_of_2021, lead_sets, model_folder, tmp_path):
    """Missing leads are as zeros, in the official scripts of 2021 and in the driver."""
    for data in ("data", "zeros"):
        assert call_script("driver.py", model_folder, lead_sets / data, tmp_path / data).returncode == 0
    names = [path.stem for path in lead_sets.glob("data/*.hea")]
    outputs = [outputs_of_2021 / f"{name}.csv" for name in names]
    assert len({path.read_text().split("\n", 1)[1] for path in outputs}) == len(LEAD_SETS_OF_2021) == len(outputs)
    for path in outputs:
        assert_outputs_match(path, tmp_path / "data" / path.name)
        assert_outputs_match(path, tmp_path / "zeros" / path.name)


def test_the_commands_of_training_and_scoring(training_data, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in training_data.rglob("*")}
    trained = run_script(
        "train_model.py",
        training_data,
        tmp_path / "model",
        "--recipe",
        "small,width=8,reduction=4,folds=3,simulated_epochs=1",
        "--folds",
        2,
        "--epochs",
        1,
        "--simulated",
        5,
    )
    assert trained.returncode == 0, trained.stderr
    recipe = json.loads((tmp_path / "model/model.json").read_text())["recipe"]
    assert (recipe["name"], recipe["width"], recipe["folds"], recipe["epochs"]) == ("small", 8, 2, 1)
    assert "network 2 of 2  epoch  1/1" in trained.stdout and "sensitivity" in trained.stdout
    assert {path: path.stat().st_mtime_ns for path in training_data.rglob("*")} == before
    assert call_script("driver.py", tmp_path / "model", training_data, tmp_path / "out").returncode == 0
    for run, arguments in (
        (run_script, (training_data, tmp_path / "out", "scores.csv", "classes.csv")),
        (call_script, ("-d", training_data, "-o", tmp_path / "out", "-s", "scores.csv", "-c", "classes.csv")),
    ):
        scored = run("evaluate_model.py", *arguments, folder=tmp_path)
        assert scored.returncode == 0, scored.stderr
        official = (tmp_path / "scores.csv").read_text()
        assert scored.stdout.startswith(official)
        (tmp_path / "scores.csv").unlink()
    names = "AUROC,AUPRC,Accuracy,F-measure,Fbeta-measure,Gbeta-measure,Challenge metric"
    assert official.split("\n")[0] == names and len(official.split("\n")[1].split(",")) == 7
    table = [line.split(",") for line in (tmp_path / "classes.csv").read_text().splitlines()]
    assert [row[0] for row in table] == ["Classes", "AUROC", "AUPRC", "F-measure"]
    assert {len(row) for row in table} == {25}
    assert "sinus rhythm for every recording 0.000" in scored.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train_model.py", "nowhere", "model"), "nowhere: no such folder"),
        (("train_model.py", "empty", "model"), "no .hea file"),
        (("train_model.py", ".", "model", "--folds", "1"), "at least 2 folds"),
        (("train_model.py", ".", "model", "--seed", "-1"), "--seed -1"),
        (("train_model.py", ".", "model", "--device", "abacus"), "--device abacus"),
        (("driver.py", "nowhere", "empty", "out"), "no .hea file"),
        (("driver.py", "nowhere", "data", "out"), "nowhere: holds no trained model"),
        (("evaluate_model.py", "nowhere", "."), "nowhere: no such folder"),
        (("evaluate_model.py",), "LABELS is missing"),
        (("driver.py", "a", "b", "c", "-m", "d"), "too many arguments"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(tmp_path, arguments, message):
    script, *rest = arguments
    (tmp_path / "empty").mkdir()
    write_recording(tmp_path / "data", "A1")
    result = call_script(script, *rest, folder=tmp_path)
    assert result.returncode == 2 and message in result.stderr and "Traceback" not in result.stderr


def test_a_missing_output_is_an_error_that_names_the_file(test_data, tmp_path):
    (tmp_path / "out").mkdir()
    result = call_script("evaluate_model.py", test_data, "out", folder=tmp_path)
    assert result.returncode == 2 and "E07500.csv" in result.stderr


def test_a_score_is_printed_with_its_interval_and_beside_trivial_outputs(outputs, test_data, tmp_path):
    """`test_data` has no diagnoses: the same recordings with some."""
    data = tmp_path / "data"
    shutil.copytree(test_data, data)
    for number, path in enumerate(sorted(data.glob("*.hea"))):
        path.write_text(path.read_text() + f"#Dx: {('426783006', '426783006', '164889003', '1')[number]}\n")
    printed = call_script("evaluate_model.py", data, outputs).stdout
    metric = printed.splitlines()[1].split(",")[-1]
    assert f"Challenge metric {metric} (95 % interval " in printed
    assert "on 4 recordings, 3 of them with a scored diagnosis" in printed
    assert "sinus rhythm for every recording 0.000" in printed
    assert "the most frequent label set here (SNR) for every recording 0.000" in printed
    assert "teams" not in printed and "trained on" not in printed
    compared = call_script("evaluate_model.py", data, outputs, "--leaderboard").stdout
    assert compared.startswith(printed) and "  full test set" in compared and "of 41 teams are above" in compared
    assert "so this is no rank" in compared and "place" not in compared


def test_how_many_teams_of_2020_scored_higher():
    higher = {standing.set: standing.higher for standing in standings(0.520)}
    assert higher["full test set"] == 1  # 0.520 is the paper's team
    assert standings(1.0)[0].higher == 0 and standings(-1.0)[0].higher == len(standings(-1.0)[0].scores) == 41


def test_the_functions_of_the_official_helper():
    counts = noise(100)
    header = header_text("A0001", counts, comments=("#Age: NaN", "#Sex: Female", "#Dx: 1,2"))
    assert helper_code.get_recording_id(header) == "A0001" and helper_code.get_num_leads(header) == 12
    assert np.isnan(helper_code.get_age(header)) and helper_code.get_sex(header) == "Female"
    assert helper_code.get_labels(header) == ["1", "2"] and helper_code.get_frequency(header) == 500
    assert helper_code.get_num_samples(header) == 100
    assert helper_code.get_adc_gains(header, ("I", "X")).tolist() == [1000, 0]
    assert helper_code.get_baselines(header, ("I", "V6")).tolist() == [0, 0]
    assert helper_code.sort_leads(("V1", "X", "II", "I")) == ("I", "II", "V1", "X")
    np.testing.assert_array_equal(helper_code.choose_leads(counts, header, ("V6", "I"))[0], counts[11])
    assert helper_code.is_integer("3.0") and not helper_code.is_finite_number("nan") and not helper_code.is_number("x")


def test_outputs_can_be_saved_and_loaded(tmp_path):
    helper_code.save_outputs(tmp_path / "A1.csv", "A1", ["1", "2"], [0, 1], [0.25, 0.5])
    assert (tmp_path / "A1.csv").read_text() == "#A1\n1,2\n0,1\n0.25,0.5\n"
    assert helper_code.load_outputs(tmp_path / "A1.csv") == ("A1", ("1", "2"), ("0", "1"), (0.25, 0.5))


@pytest.mark.parametrize(
    "script", ["driver.py", "train_model.py", "evaluate_model.py", "test_model.py", "run_model.py"]
)
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["--no-such-option"]])
def test_help_and_wrong_arguments_are_answered_without_pytorch(script, arguments):
    """PyTorch takes seconds to import."""
    program = f"import runpy, sys; sys.modules['torch'] = None; sys.argv = {[script, *arguments]};"
    command = [sys.executable, "-c", f"{program} runpy.run_path({script!r}, run_name='__main__')"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == (2 if "--no-such-option" in arguments else 0) and "Traceback" not in done.stderr


def test_the_driver_imports_nothing_that_delays_its_first_output(model_folder, training_data, tmp_path):
    """PyTorch's compiler alone takes a second."""
    program = f"import sys; sys.argv[1:] = {[str(model_folder), str(training_data), str(tmp_path)]}; import driver;"
    program += "assert driver.main() == 0; print({'torch._dynamo', 'sympy', 'scipy', 'joblib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "set()", done.stderr

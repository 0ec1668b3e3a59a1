"""benchmarks/lead_sets.py: the accuracy with fewer leads, on the held-out folds."""

import csv

import numpy as np

from ecg.classes import load_weights
from ecg.data.header import read_header
from ecg.data.listing import find_recordings
from ecg.decision.labels import highest_expected_metric
from ecg.evaluation.metrics import challenge_metric
from ecg.model.description import read_description
from tests.conftest import call_script


def test_figures_with_all_leads_are_those_of_out_of_fold_csv(model_folder, training_data, tiny_recipe):
    done = call_script("benchmarks/lead_sets.py", model_folder, training_data, "--float32")
    assert done.returncode == 0, done.stderr
    table = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("|")]
    metric = {row[0].strip(): row[1].split()[0] for row in table[2:]}
    assert len(metric) == 6
    with open(model_folder / "out_of_fold.csv", newline="") as file:
        p = {row.pop("recording"): list(row.values())[1:] for row in csv.DictReader(file)}
    weights, headers = load_weights(), find_recordings(training_data)
    labels = np.array([weights.encode(read_header(path).diagnoses) for path in headers])
    probabilities = np.array([p[path.stem] for path in headers], float)
    hospitals = read_description(model_folder).hospitals
    outputs = highest_expected_metric(tiny_recipe, weights.matrix, probabilities, hospitals)
    assert metric["12"] == f"{challenge_metric(weights, labels, outputs):.3f}"
    assert metric["3: I, II, V2"] == metric["4: I, II, III, V2"]


def test_a_folder_without_all_recordings_of_the_model_is_an_error(model_folder, training_data, tmp_path):
    for path in (training_data / "g1").iterdir():
        (tmp_path / path.name).symlink_to(path)
    done = call_script("benchmarks/lead_sets.py", model_folder, tmp_path)
    assert done.returncode == 2 and "6 recordings of" in done.stderr
    done = call_script("benchmarks/lead_sets.py", "models/open", tmp_path)
    assert done.returncode == 2 and "out_of_fold.csv" in done.stderr

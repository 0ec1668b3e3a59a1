"""tools/adapt.py: a model fitted to a hospital by labels, frequencies or recordings alone, and what says so then."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

import helper_code
from driver import remark_on_folder
from ecg.classes import find_class, load_weights
from ecg.data.header import read_diagnoses
from ecg.data.listing import find_recordings
from ecg.data.record import read_record, signal_digest
from ecg.decision.adaptation import (
    ENOUGH,
    LARGEST_SHIFT,
    LIMIT,
    cross_validated,
    is_rhythm,
    remark_on_hospital,
    shifted,
    shifts_by_frequencies,
    shifts_by_labels,
    shifts_by_recordings,
)
from ecg.decision.frequencies import read_frequencies
from ecg.evaluation.metrics import auroc_auprc
from ecg.evaluation.outputs import load_labels_and_outputs
from ecg.model.description import read_description
from ecg.model.folder import model_digest
from ecg.simulation.dataset import simulate_folder
from ecg.simulation.signal import simulate_signal
from tests.conftest import ROOT, assert_same_weights, call_script, noise, write_recording

WEIGHTS = load_weights()
OPEN = ROOT / "models/open"
SNR, SB, AF, LAD, PVC = (find_class(WEIGHTS.classes, name) for name in ("SNR", "SB", "AF", "LAD", "PVC"))


@pytest.fixture(scope="module")
def hospital(tmp_path_factory) -> Path:
    """64 simulated recordings of a hospital that labels every second one with premature beats, and never an axis."""
    folder = tmp_path_factory.mktemp("hospital")
    for i, header in enumerate(simulate_folder(folder, 64, seed=7)):
        text = header.read_text()
        codes = set(read_diagnoses(header)) - {"39732003", "47665007"} | ({"427172004"} if i % 2 else set())
        header.write_text(re.sub("#Dx: .*", f"#Dx: {','.join(sorted(codes or {'426783006'}))}", text))
    return folder


@pytest.fixture(scope="module")
def adapted(hospital, tmp_path_factory) -> tuple[Path, str]:
    """The model adapted to the hospital, and what the tool printed."""
    folder = tmp_path_factory.mktemp("adapted") / "model"
    result = call_script("tools/adapt.py", OPEN, hospital, folder)
    assert result.returncode == 0 and result.stderr == ""
    return folder, result.stdout


def outputs_of(model: Path, data: Path, folder: Path) -> tuple[np.ndarray, np.ndarray, str]:
    """The labels of ``data``, the scores of ``model``, and what the driver printed."""
    driven = call_script("driver.py", model, data, folder)
    assert driven.returncode == 0
    labels, _, scores, malformed, _ = load_labels_and_outputs(list(map(str, find_recordings(data))), folder, WEIGHTS)
    assert not malformed
    return labels, scores, driven.stdout


def refused(*arguments) -> str:
    """The one line of a refusal of tools/adapt.py."""
    result = call_script("tools/adapt.py", *arguments)
    assert result.returncode == 2 and result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    return result.stderr


def some_of(folder: Path, number: int, copy: Path) -> Path:
    """A copy of the first ``number`` recordings of ``folder``."""
    copy.mkdir()
    for header in find_recordings(folder)[:number]:
        for path in (header, header.with_suffix(".mat")):
            shutil.copy(path, copy)
    return copy


def refused_options(*arguments) -> bool:
    result = call_script("tools/adapt.py", *arguments)
    return result.returncode == 2 and "not allowed with" in result.stderr


# ------------------------------------------------------------------------------------------------------ the shifts


def test_mean_probabilities_move_towards_the_hospitals_frequencies_and_the_ranking_stays(hospital, adapted, tmp_path):
    labels, before, _ = outputs_of(OPEN, hospital, tmp_path / "before")
    _, after, _ = outputs_of(adapted[0], hospital, tmp_path / "after")
    frequency = labels.mean(axis=0)
    far = abs(before.mean(axis=0) - frequency) > 0.03
    assert far[PVC] and far[LAD]
    assert (abs(after.mean(axis=0) - frequency)[far] < 0.8 * abs(before.mean(axis=0) - frequency)[far]).all()
    auroc, auroc_after = (auroc_auprc(labels, scores)[0] for scores in (before, after))
    np.testing.assert_allclose(auroc, auroc_after, atol=0.02)  # of each network equal, of their mean nearly


def test_only_the_biases_of_the_networks_change_by_the_shifts_in_model_json(adapted):
    folder, _ = adapted
    adaptation = read_description(folder).adapted
    assert adaptation.recordings == 64 and adaptation.basis == "labels" and adaptation.model == model_digest(OPEN)
    for path in OPEN.glob("*.safetensors"):
        old, new = load_file(path), load_file(folder / path.name)
        assert [name for name in old if not old[name].equal(new[name])] == ["head.bias"]
        np.testing.assert_allclose((new["head.bias"] - old["head.bias"].float()).numpy(), adaptation.shifts, atol=1e-5)
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"fold-{i}.safetensors" for i in range(1, 5)),
        "model.json",
        "weights.csv",
    ]


def test_few_labels_shift_less_than_many_and_labels_that_fit_not_at_all():
    random = np.random.default_rng(0)
    p = random.beta(0.5, 2, (3, 1000, 2))
    labels = np.stack([random.random(1000) < p[:, :, 0].mean(axis=0), random.random(1000) < 0.6], axis=1)
    few, many = (shifts_by_labels(p[:, :n], labels[:n]) for n in (25, 1000))
    assert abs(many[0]) < 0.2 and 0 < few[1] < many[1]
    assert shifted(p, many).mean(axis=(0, 1))[1] == pytest.approx(labels[:, 1].mean(), abs=0.01)
    np.testing.assert_allclose(shifted(p, np.zeros(2)), p, atol=1e-8)


def test_the_order_of_each_networks_probabilities_stays():
    p = np.random.default_rng(1).random((2, 50, 3))
    assert (np.argsort(p, axis=1) == np.argsort(shifted(p, np.array([-3, 0.5, 8])), axis=1)).all()


def test_known_frequencies_are_reached_and_others_stay():
    p = np.random.default_rng(2).random((2, 4000, 4))
    shifts = shifts_by_frequencies(p, np.array([0.03, np.nan, 0.0, 1.0]))
    mean = shifted(p, shifts).mean(axis=(0, 1))
    assert mean[0] == pytest.approx(0.03, abs=1e-3) and shifts[1] == 0
    assert mean[2] < 0.001 and mean[3] > 0.999 and (abs(shifts) <= LARGEST_SHIFT).all()


def test_cross_validation_uses_no_label_of_the_part_that_it_shifts():
    random = np.random.default_rng(3)
    p, labels = random.random((1, 50, 2)), random.random((50, 2)) < 0.3
    first = cross_validated(p, labels)
    for i in range(50):
        changed = labels.copy()
        changed[i] ^= True
        assert (cross_validated(p, changed)[0, i] == first[0, i]).all()
    kept = cross_validated(p, labels, np.array([True, False]))
    assert (kept[..., 0] == first[..., 0]).all() and np.allclose(kept[..., 1], p[..., 1])


# ------------------------------------------------------------------------------------------------- what is printed


def test_the_table_and_the_verdict(hospital, adapted):
    _, printed = adapted
    labels = np.array([WEIGHTS.encode(read_diagnoses(path)) for path in find_recordings(hospital)])
    for column, name in ((PVC, "premature ventricular contractions (PVC)"), (LAD, "left axis deviation (LAD)")):
        line = next(line for line in printed.splitlines() if line.startswith(name))
        frequency, before, after, shift = map(float, line.removeprefix(name).split())
        assert frequency == pytest.approx(labels[:, column].mean(), abs=6e-4)
        assert (before < after < frequency and shift > 1) if column == PVC else (before > after and shift < -1)
    assert "Challenge metric on these 64 recordings, each part with shifts from the labels of the others:" in printed
    before, after = map(float, re.search(r"([\d.]+) before, ([\d.]+) after", printed).groups())
    assert after > before and "Keep MODEL" not in printed and "warning" not in printed


def test_few_recordings_are_warned_of_and_fewer_refused(hospital, tmp_path):
    some_of(hospital, 12, tmp_path / "twelve")
    some_of(hospital, 9, tmp_path / "nine")
    (tmp_path / "twelve/broken.hea").write_text("broken 12 500 5000\n")
    write_recording(tmp_path / "twelve", "X1", noise(3000), comments=("#Dx: 55555,STEMI",))
    result = call_script("tools/adapt.py", OPEN, tmp_path / "twelve", tmp_path / "adapted")
    assert result.returncode == 0 and read_description(tmp_path / "adapted").adapted.recordings == 12
    for line in (
        "warning: 12 recordings may make a model worse; from 50 on that is improbable",
        "skipped: ",
        "1 recordings without a diagnosis of the model's classes are left out",
        "not understood in #Dx, and so not used: STEMI (1)",
    ):
        assert line in result.stdout, line
    assert "9 usable recordings are too few; give 10, or better 50" in refused(OPEN, tmp_path / "nine", tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_recordings_that_the_model_was_trained_on_are_warned_of(model_folder, training_data, tmp_path):
    result = call_script("tools/adapt.py", model_folder, training_data, tmp_path / "adapted")
    assert result.returncode == 0 and "warning: the model was trained on 20 of the recordings" in result.stdout


def test_a_class_can_be_kept(hospital, tmp_path):
    result = call_script(
        "tools/adapt.py", OPEN, hospital, tmp_path / "adapted", "--keep", "LAD", "--keep", "premature ventricular"
    )
    shifts = read_description(tmp_path / "adapted").adapted.shifts
    assert result.returncode == 0 and shifts[LAD] == shifts[PVC] == 0 and shifts[AF] != 0
    assert "XYZ: none of the classes: sinus rhythm (SNR)" in refused(OPEN, hospital, tmp_path / "no", "--keep", "XYZ")


# ---------------------------------------------------------------------------------------------- known frequencies


def test_known_frequencies_need_no_labels(hospital, tmp_path):
    data = Path(shutil.copytree(hospital, tmp_path / "data"))
    for header in data.glob("*.hea"):
        header.write_text(re.sub("#Dx: .*\n", "", header.read_text()))
    (tmp_path / "known.csv").write_text("class,frequency\nAF,0.4\nleft axis deviation,0.02\n17338001, 0.3\n")
    result = call_script("tools/adapt.py", OPEN, data, tmp_path / "adapted", "--frequencies", tmp_path / "known.csv")
    assert result.returncode == 0 and "Whether this helps cannot be said" in result.stdout
    description = read_description(tmp_path / "adapted")
    assert description.adapted.basis == "known frequencies"
    assert set(np.flatnonzero(description.adapted.shifts)) == {AF, LAD, PVC}
    assert description.trained_on == read_description(OPEN).trained_on
    _, before, _ = outputs_of(OPEN, data, tmp_path / "before")
    _, after, printed = outputs_of(tmp_path / "adapted", data, tmp_path / "after")
    assert "adapted to a hospital by 64 of its recordings and known frequencies of the classes" in printed
    for column, known in ((AF, 0.4), (LAD, 0.02), (PVC, 0.3)):
        was, is_now = before[:, column].mean(), after[:, column].mean()
        assert abs(is_now - known) < 0.6 * abs(was - known)
    np.testing.assert_allclose(before[:, SNR], after[:, SNR], atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("AF,0.1\nXYZ,0.2\n", "XYZ: none of the classes: sinus rhythm (SNR)"),
        ("AF,8\n", "AF: 8 is no frequency from 0 to 1 (0.08 or 8 % for 8 %)"),
        ("AF,nan\n", "AF: nan is no frequency"),
        ("AF,-0.1\n", "AF: -0.1 is no frequency"),
        ("AF,0.1\n164889003,0.2\n", "names atrial fibrillation twice"),
        ("AF\n", "AF: is not class,frequency"),
        ("AF,often\n", "AF,often: is not class,frequency"),
        ("class,frequency\n\n", "names no class; write lines such as AF,0.08"),
        ("", "names no class"),
        ("AF,0,08\n", "AF,0,08: has more than a class and a frequency; write 0.08, or separate by semicolons"),
    ],
)
def test_frequencies_that_are_none_are_refused(hospital, tmp_path, text, message):
    (tmp_path / "f.csv").write_text(text)
    assert message in refused(OPEN, hospital, tmp_path / "no", "--frequencies", tmp_path / "f.csv")
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    "text",
    [
        "AF,0.08\nSNR,0.7\n",
        "AF;0,08\nSNR;0,7\n",
        "sep=;;\nAF;0,08;\nSNR;0,7;\n",
        "AF\t0.08\nSNR\t0.7\n",
        "AF,8%\nSNR,70 %\n",
        'AF,"0,08"\nSNR,"0,7"\n',
        "Klasse;H\u00e4ufigkeit\nAF;8 %\nSNR;70 %;\n",
        "class;frequency (%)\nAF;8,0\nSNR;70 %\n",
        "\ufeffclass,frequency\r\nAF,8e-2\r\nSNR,0.7\r\n",
    ],
)
def test_ways_to_write_frequencies(tmp_path, text):
    (tmp_path / "f.csv").write_text(text)
    classes = load_weights().classes
    expected = [{"164889003": 0.08, "426783006": 0.7}.get(code, np.nan) for code in classes]
    np.testing.assert_allclose(read_frequencies(tmp_path / "f.csv", classes), expected)


# ------------------------------------------------------------------------------------------------- without labels


RHYTHM, AXIS = WEIGHTS.classes[SNR], WEIGHTS.classes[LAD]


@pytest.mark.parametrize(("usual", "here"), [(0.8, 0.3), (0.5, 0.5), (0.2, 0.6)])
def test_another_frequency_of_a_rhythm_is_found_without_labels(usual, here):
    random = np.random.default_rng(4)
    labels = random.random((3000, 2)) < here
    evidence = random.normal(np.where(labels, 1.5, -1.5), 1)  # of log-odds 3 x evidence, at equal frequencies
    p = shifted(1 / (1 + np.exp(-3 * evidence)), np.log([usual / (1 - usual)] * 2))[np.newaxis]
    classes, mean = (RHYTHM, AXIS), np.array([usual, usual])
    many = shifts_by_recordings(p, classes, mean, deviation=10)  # the prior hardly counts
    few, unlimited = (shifts_by_recordings(p[:, :30], classes, mean, deviation) for deviation in (0.5, 100))
    assert shifted(mean, many)[0] == pytest.approx(here, abs=0.02)
    assert shifted(p, many).mean(axis=(0, 1))[0] == pytest.approx(here, abs=0.02)
    assert abs(few[0]) < abs(unlimited[0]) if usual != here else abs(many[0]) < 0.2
    assert many[1] == 0  # hospitals do not label an axis alike


def test_probabilities_without_evidence_shift_nothing():
    classes = [WEIGHTS.classes[column] for column in (SNR, SB)]
    assert not shifts_by_recordings(np.tile([0.4, 0.01], (2, 500, 1)), classes, np.array([0.4, 0.01])).any()
    assert np.isfinite(shifts_by_recordings(np.array([[[0.0, 1.0]]]), classes, np.array([1.0, 0.0]))).all()


@pytest.mark.parametrize("number", [50, 5000])
def test_probabilities_that_drift_shift_little(number):
    """Noise makes all recordings look a little more like another rhythm: that is no frequency."""
    usual = np.array([0.75, 0.05])
    drifted = np.tile(shifted(usual, 0.1), (1, number, 1))
    assert (abs(shifts_by_recordings(drifted, [WEIGHTS.classes[SNR], WEIGHTS.classes[SB]], usual)) < 1).all()
    far = np.tile(shifted(usual, 4.0), (1, number, 1))
    assert (shifts_by_recordings(far, [WEIGHTS.classes[SNR], WEIGHTS.classes[SB]], usual) <= LIMIT).all()


def test_a_shift_that_ends_at_the_limit_is_warned_of(tmp_path):
    for i in range(10):  # without noise, so all are surely slow
        slow = simulate_signal(["SB"], 60, "male", 500, 10, np.random.default_rng(i), noise=False)
        write_recording(tmp_path / "data", f"R{i}", slow, comments=())
    result = call_script("tools/adapt.py", OPEN, tmp_path / "data", tmp_path / "adapted", "--unlabelled")
    assert result.returncode == 0
    assert "warning: sinus bradycardia seems far more or less frequent than where the model was tr" in result.stdout
    shifts = read_description(tmp_path / "adapted").adapted.shifts
    assert shifts[SB] == LIMIT and shifts[SNR] < 0


def test_a_usual_folder_and_a_small_one_have_no_remark():
    classes, usual = [WEIGHTS.classes[column] for column in (LAD, SNR)], np.array([0.2, 0.75])
    rare, common = (np.tile([0.2, p], (1, ENOUGH, 1)) for p in (0.01, 0.99))
    at_limit = remark_on_hospital(rare, classes, usual)
    assert (
        " in 20 % or fewer of the recordings, and was in 75 % where the model was trained. Short or noisy" in at_limit
    )
    own = remark_on_hospital(common, ("LAD", "SNR"), np.array([0.2, 0.3]))
    assert " % or more of the recordings, and was in 30 % where" in own
    assert remark_on_hospital(rare[:, 1:], classes, usual) == ""
    assert remark_on_hospital(np.tile([0.9, 0.75], (1, ENOUGH, 1)), classes, usual) == ""
    assert remark_on_hospital(rare[..., :1], classes[:1], usual[:1]) == ""


def test_the_remark_looks_at_some_outputs_and_leaves_out_failures_and_missing_ones(tmp_path):
    description, headers = read_description(OPEN), [Path(f"R{i}.hea") for i in range(1001)]
    rare = description.mean_probabilities.copy()
    rare[SNR] = 0.1
    for i, path in enumerate(headers[::3]):  # 334 of 1,001, and half of them are failures
        scores = [0] * 24 if i % 2 else rare.tolist()
        helper_code.save_outputs(tmp_path / f"{path.stem}.csv", path.stem, description.classes, [0] * 24, scores)
    assert "sinus rhythm seems to be in 20 % or fewer" in remark_on_folder(description, headers, tmp_path)
    assert remark_on_folder(replace(description, mean_probabilities=None), headers, tmp_path) == ""
    voting = replace(description, recipe=replace(description.recipe, challenge_labels="vote"))
    assert remark_on_folder(voting, headers, tmp_path) == ""
    for path in headers[:720:6]:
        (tmp_path / f"{path.stem}.csv").unlink()
    assert remark_on_folder(description, headers, tmp_path) == ""  # fewer than 50 are left
    assert remark_on_folder(description, headers[1:2], tmp_path) == remark_on_folder(description, [], tmp_path) == ""


def test_recordings_without_labels_are_enough(hospital, tmp_path):
    data = some_of(hospital, 20, tmp_path / "data")
    for header in data.glob("*.hea"):
        header.write_text(re.sub("#Dx: .*\n", "", header.read_text()))
    result = call_script("tools/adapt.py", OPEN, data, tmp_path / "adapted", "--unlabelled", "--keep", "SB")
    assert result.returncode == 0 and "Whether this helps cannot be said" in result.stdout
    for name in ("sinus bradycardia (SB)", "atrial fibrillation (AF)"):
        assert re.search(re.escape(name) + r" +- .*\+0\.00\n", result.stdout)
    description = read_description(tmp_path / "adapted")
    assert description.adapted.basis == "recordings alone" and description.adapted.recordings == 20
    assert description.trained_on == read_description(OPEN).trained_on and description.hospitals is not None
    assert not description.adapted.shifts[~is_rhythm(WEIGHTS.classes)].any() and not description.adapted.shifts[SB]
    assert description.mean_probabilities is None
    _, before, _ = outputs_of(OPEN, data, tmp_path / "before")
    _, after, printed = outputs_of(tmp_path / "adapted", data, tmp_path / "after")
    assert "the model is adapted to a hospital by 20 of its recordings, without labels" in printed
    others = ~is_rhythm(WEIGHTS.classes)
    np.testing.assert_allclose(before[:, others], after[:, others], atol=1e-5)
    assert (after[:, SNR] < before[:, SNR]).all()  # sinus rhythm is rarer than where the model was trained


def test_labels_that_exist_are_not_used_but_tell_whether_it_helps(hospital, tmp_path):
    data = some_of(hospital, 20, tmp_path / "data")
    for header in find_recordings(data)[12:]:
        header.write_text(re.sub("#Dx: .*", "#Dx: Unknown", header.read_text()))
    result = call_script("tools/adapt.py", OPEN, data, tmp_path / "adapted", "--unlabelled")
    assert "Challenge metric on these 12 recordings, whose labels were not used:" in result.stdout
    description = read_description(tmp_path / "adapted")
    assert description.trained_on == read_description(OPEN).trained_on and description.adapted.recordings == 20
    assert refused_options(OPEN, data, tmp_path / "no", "--unlabelled", "--frequencies", "f.csv")


def test_a_model_of_an_earlier_version_needs_labels(hospital, model_copy, tmp_path):
    content = json.loads((model_copy / "model.json").read_text())
    del content["mean_probabilities"]
    (model_copy / "model.json").write_text(json.dumps(content))
    message = "was trained before there was --unlabelled; use labels, or train it again"
    assert message in refused(model_copy, hospital, tmp_path / "no", "--unlabelled")
    assert call_script("tools/adapt.py", model_copy, hospital, tmp_path / "adapted").returncode == 0


def test_a_model_without_rhythms_needs_labels(hospital, model_copy, tmp_path):
    for name in ("model.json", "weights.csv"):
        path = model_copy / name
        path.write_text(re.sub(r"\b(\d{8,9})\b", r"own-\1", path.read_text()))
    message = "has none of the classes that --unlabelled fits (SNR, SB, STach); use labels"
    assert message in refused(model_copy, hospital, tmp_path / "no", "--unlabelled")


@pytest.mark.parametrize("change", [[], {}, 1, {"426783006": 0.5}, "nan", "2"])
def test_crafted_mean_probabilities_are_refused(hospital, model_copy, tmp_path, change):
    content = json.loads((model_copy / "model.json").read_text())
    if isinstance(change, str):
        content["mean_probabilities"]["426783006"] = float(change)
    else:
        content["mean_probabilities"] = change
    (model_copy / "model.json").write_text(json.dumps(content))
    assert "model.json: " in refused(model_copy, hospital, tmp_path / "no", "--unlabelled")


# -------------------------------------------------------------------------------------------- the adapted model


def test_driver_and_evaluation_and_report_say_that_the_model_is_adapted(hospital, adapted, tmp_path):
    """And that it learned from the labelled recordings."""
    line = "the model is adapted to a hospital by 64 of its recordings and their labels"
    _, _, printed = outputs_of(adapted[0], hospital, tmp_path / "out")
    assert f"\n{line}\nnotes on 64 recordings are in" in printed
    notes = list(csv.DictReader((tmp_path / "out/notes.csv").open()))
    assert notes[0] == {"recording": "", "kind": "model", "note": line}
    assert sum(note["kind"] == "trained on" for note in notes) == 64
    report = tmp_path / "report.html"
    scored = call_script("evaluate_model.py", hospital, tmp_path / "out", "--report", report)
    assert f"\nNote: {line}\n" in scored.stdout and f"Note: {line}." in report.read_text()
    again = call_script("driver.py", OPEN, hospital, tmp_path / "out")  # of another model, the note goes
    assert again.returncode == 0 and line not in again.stdout
    scored = call_script("evaluate_model.py", hospital, tmp_path / "out").stdout
    assert line not in scored
    remark = r"sinus rhythm seems to be in [345]\d % of the recordings, and was in 75 % where the model was trained[.] "
    assert re.search(rf"\n{remark}", again.stdout) and re.search(rf"\nNote: {remark}", scored)
    assert not re.search(remark, printed)


def test_the_labelled_recordings_join_the_training_recordings(hospital, adapted, model_copy, tmp_path):
    before, after = read_description(OPEN).trained_on, read_description(adapted[0]).trained_on
    digests = [signal_digest(read_record(header)) for header in find_recordings(hospital)]
    assert all(digest in after and digest not in before for digest in digests)
    assert before.digests < after.digests and len(after.digests) == len(before.digests) + 64
    content = json.loads((model_copy / "model.json").read_text())  # of an earlier version, without digests
    del content["trained_on"]
    (model_copy / "model.json").write_text(json.dumps(content))
    assert call_script("tools/adapt.py", model_copy, hospital, tmp_path / "adapted").returncode == 0
    after = read_description(tmp_path / "adapted").trained_on
    assert after.key and all(digest in after for digest in digests)


def test_a_release_and_other_decisions_keep_the_adaptation(hospital, adapted, tmp_path):
    assert call_script("tools/release.py", adapted[0], tmp_path / "release").returncode == 0
    one, other = (read_description(folder) for folder in (adapted[0], tmp_path / "release"))
    assert one.as_json() == other.as_json() and "adapted" in one.as_json()
    assert np.array_equal(one.clinical_thresholds, read_description(OPEN).clinical_thresholds)
    assert "adapted" not in read_description(OPEN).as_json()


def test_nothing_is_overwritten(hospital, adapted, model_copy, tmp_path):
    kept = Path(shutil.copytree(model_copy, tmp_path / "kept"))
    assert "is not empty; give a new folder" in refused(model_copy, hospital, model_copy)
    assert "is not empty; give a new folder" in refused(OPEN, hospital, model_copy)
    assert "is not empty; give a new folder" in refused(OPEN, hospital, hospital)
    assert "is adapted already; adapt the model that it was made from" in refused(adapted[0], hospital, tmp_path / "no")
    assert "holds no trained model" in refused(tmp_path, hospital, tmp_path / "no")
    assert_same_weights(model_copy, kept)
    assert (model_copy / "model.json").read_bytes() == (kept / "model.json").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        None,
        [],
        "yes",
        {"shifts": {}},
        {"shifts": None},
        {"shifts": {"426783006": 1}},
        {"recordings": 0},
        {"recordings": True},
        {"recordings": 1e300},
        {"recordings": "many"},
        {"basis": "guesses"},
        {"basis": ["labels"]},
        {"model": "x"},
        {"model": None},
        {"model": "<script>" * 8},
        {"infinite": float("inf")},
        {"infinite": float("nan")},
        {"infinite": 1e6},
        {"infinite": "1" * 5000},
        {"infinite": [1]},
    ],
)
def test_a_crafted_record_of_an_adaptation_is_refused(adapted, training_data, tmp_path, change):
    """``infinite`` stands for the shift of one class."""
    content = json.loads((adapted[0] / "model.json").read_text())
    if isinstance(change, dict) and "infinite" in change:
        content["adapted"]["shifts"]["426783006"] = change["infinite"]
    elif isinstance(change, dict):
        content["adapted"] |= change
    else:
        content["adapted"] = change
    (tmp_path / "model.json").write_text(json.dumps(content))
    result = call_script("driver.py", tmp_path, training_data, tmp_path / "out")
    assert result.returncode == 2 and "model.json: not a model of this entry" in result.stderr
    assert result.stderr.count("\n") == 1

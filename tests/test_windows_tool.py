"""Answers by window of long recordings, and their picture."""

import csv
import dataclasses

import numpy as np
import pytest

from ecg.data.record import INVALID
from ecg.data.windows import covering_windows
from ecg.errors import EntryError, NonFiniteError, RecordError
from ecg.model.folder import save_model
from ecg.simulation.signal import simulate_signal
from team_code import load_model, run_by_window, run_model
from tests.conftest import CPU, ROOT, call_script, header_text, noise, run_script, write_recording

RATE = 500
OPEN = ROOT / "models/open"


@pytest.fixture(scope="module")
def model(model_folder):
    return load_model(model_folder, compute=CPU)


@pytest.fixture(scope="module")
def open_model():
    return load_model(OPEN, compute=CPU)


def run(model, counts, rate=RATE, **options):
    return run_by_window(model, header_text("A1", counts, rate=str(rate)), counts, **options)


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def two_rhythms(minutes=2) -> np.ndarray:
    """So many minutes of sinus rhythm, then as many of atrial fibrillation."""
    rng = np.random.default_rng(1)
    parts = [simulate_signal([label], 60, "female", RATE, 60 * minutes, rng) for label in ("SNR", "AF")]
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("rate", [100, 257, 500, 1000])
@pytest.mark.parametrize("samples", [20, 999, 2000, 9000, 43_211])
def test_windows_cover_the_recording_and_their_mean_is_the_answer_for_it(model, samples, rate):
    counts = noise(samples)
    answers = run(model, counts, rate)
    _, _, p = run_model(model, header_text("A1", counts, rate=str(rate)), counts)
    np.testing.assert_allclose(answers.probabilities.mean(axis=0), p, rtol=1e-12)
    assert answers.start[0] == 0 and answers.end[-1] == pytest.approx(samples / rate, abs=1 / model.recipe.rate)
    assert (answers.start[1:] < answers.end[:-1]).all() and (np.diff(answers.start) > 0).all()
    longest = model.recipe.window / model.recipe.rate
    assert (answers.end - answers.start <= longest + 1e-9).all() and answers.end.max() <= samples / rate
    assert (answers.valid == 1).all() and answers.answered.all() and set(np.unique(answers.labels)) <= {0, 1}


@pytest.mark.parametrize("decision", ["challenge", "clinical"])
def test_a_window_has_the_answer_that_its_part_has_as_a_recording(open_model, decision):
    counts = two_rhythms()
    answers = run(open_model, counts, decision=decision)
    for window in (0, 7, len(answers.start) - 1):
        part = counts[:, round(answers.start[window] * RATE) : round(answers.end[window] * RATE)]
        _, labels, p = run_model(open_model, header_text("A1", part), part, decision=decision)
        np.testing.assert_allclose(answers.probabilities[window], p, atol=1e-5)
        assert answers.labels[window].tolist() == labels


def test_the_windows_say_when_atrial_fibrillation_began(open_model):
    answers = run(open_model, two_rhythms())
    p = answers.probabilities[:, open_model.classes.index("164889003")]
    assert (p[answers.end <= 120] < 0.1).all() and (p[answers.start >= 120] > 0.9).all()


@pytest.mark.parametrize("silence", [0, 77, INVALID])
def test_times_are_those_of_the_recording_though_silent_ends_are_cut(open_model, silence):
    counts = two_rhythms(minutes=1)
    before, after = (np.full((12, round(seconds * RATE)), silence, np.int16) for seconds in (33.4, 21))
    expected, answers = run(open_model, counts), run(open_model, np.hstack([before, counts, after]))
    held = 1 / RATE if silence == 77 else 0  # a value held to the end is kept once
    np.testing.assert_allclose(answers.start[:-1], expected.start[:-1] + 33.4 - held, atol=1e-9)
    assert answers.start[-1] == pytest.approx(expected.start[-1] + 33.4, abs=0.011)
    assert answers.end[-1] == pytest.approx(33.4 + 120, abs=0.011)
    np.testing.assert_allclose(answers.probabilities, expected.probabilities, atol=0.02)


def test_the_published_recipe_keeps_silent_ends(training_data, tiny_recipe, model):
    description = dataclasses.replace(model.description, recipe=dataclasses.replace(model.recipe, trim=False))
    untrimmed = dataclasses.replace(model, description=description)
    counts = np.hstack([np.zeros((12, 10_000), np.int16), noise(10_000)])
    answers = run(untrimmed, counts)
    assert answers.start[0] == 0 and not answers.answered[0] and answers.answered[-1]
    assert answers.end[-1] == pytest.approx(40)


@pytest.mark.parametrize("gap", [INVALID, 0, 12])
def test_a_window_without_a_signal_has_no_answer(model, gap):
    counts = noise(60 * RATE)
    counts[:, 20 * RATE : 40 * RATE] = gap
    answers = run(model, counts)
    inside = (answers.start >= 20) & (answers.end <= 40)
    assert inside.sum() >= 3 and np.isnan(answers.probabilities[inside]).all() and not answers.labels[inside].any()
    assert (answers.answered == ~inside).all()
    missing = np.clip(np.minimum(answers.end, 40) - np.maximum(answers.start, 20), 0, None)
    expected = 1 - missing / (answers.end - answers.start) if gap == INVALID else np.ones(len(missing))
    np.testing.assert_allclose(answers.valid, expected, atol=0.002)


def test_one_lead_that_is_there_is_a_signal(model):
    counts = noise(40 * RATE)
    counts[np.arange(12) != 4, 10 * RATE : 30 * RATE] = INVALID
    answers = run(model, counts)
    assert answers.answered.all() and answers.valid.min() == pytest.approx(1 / 12)


def test_what_is_no_answer_is_an_error(model, model_folder):
    with pytest.raises(RecordError, match="not an ECG"):
        run(model, np.zeros((12, 5000), np.int16))
    with pytest.raises(EntryError, match="no decision"):
        run(model, noise(5000), decision="guess")
    broken = load_model(model_folder, compute=CPU)
    broken.networks[0].head.bias.data[3] = np.nan
    with pytest.raises(NonFiniteError, match="no finite probability"):
        run(broken, noise(5000))


def test_the_tool_writes_what_the_function_returns(model_folder, model, tmp_path):
    counts = noise(20_000)
    counts[:, 6000:14_000] = INVALID
    header = write_recording(tmp_path, "A1", counts)
    exact = ("--device", "cpu", "--float32")
    done = run_script("tools/windows.py", model_folder, header.with_suffix(".mat"), tmp_path / "out.csv", *exact)
    assert (done.returncode, done.stderr) == (0, "note: missing samples: 40 %\n")
    answers, rows = run_by_window(model, header.read_text(), counts), read(tmp_path / "out.csv")
    assert f"{len(rows)} windows, {(~answers.answered).sum()} of them without a signal" in done.stdout
    columns = list(rows[0])
    assert columns[:4] == ["start_s", "end_s", "valid", "labels"] and len(columns) == 4 + 24
    assert [column.split("_")[-1] for column in columns[4:]] == list(model.classes)
    assert "AF_164889003" in columns
    names = [column.split("_")[0] for column in columns[4:]]
    for i, row in enumerate(rows):
        assert float(row["start_s"]) == pytest.approx(answers.start[i], abs=1e-3)
        assert float(row["end_s"]) == pytest.approx(answers.end[i], abs=1e-3)
        assert float(row["valid"]) == pytest.approx(answers.valid[i], abs=1e-3)
        p = [float(row[column] or "nan") for column in columns[4:]]
        np.testing.assert_allclose(p, answers.probabilities[i], atol=1e-6)
        assert row["labels"] == ";".join(names[k] for k in np.flatnonzero(answers.labels[i]))


def test_the_tool_draws_and_chooses_classes(tmp_path):
    pytest.importorskip("matplotlib")
    header = write_recording(tmp_path, "A1", two_rhythms(minutes=1), comments=())
    table, picture = tmp_path / "out.csv", tmp_path / "out.svg"
    done = call_script("tools/windows.py", OPEN, header, table, "--plot", picture, "--decide", "clinical")
    assert done.returncode == 0, done.stderr
    drawn = picture.read_text()
    assert [name in drawn for name in ("sinus rhythm", "atrial fibrillation", "left axis")] == [True, True, False]
    assert "0:01:00" in drawn and "hours:minutes" in drawn
    assert read(table)[0]["labels"] == "SNR" and read(table)[-1]["labels"] == "AF"
    done = call_script("tools/windows.py", OPEN, header, table, "--plot", picture, "--classes", "PVC,atrial fib")
    assert done.returncode == 0, done.stderr
    assert list(read(table)[0])[4:] == ["PVC_427172004", "AF_164889003"]
    drawn = picture.read_text()
    assert "premature ventricular contractions" in drawn and "sinus rhythm" not in drawn


def test_a_model_without_clinical_thresholds_is_drawn_too(model_folder, model, tmp_path):
    pytest.importorskip("matplotlib")
    older = tmp_path / "model"
    older.mkdir()
    save_model(older, dataclasses.replace(model.description, clinical_thresholds=None), model.networks)
    header = write_recording(tmp_path, "A1", noise(20_000))
    done = call_script("tools/windows.py", older, header, tmp_path / "out.csv", "--plot", tmp_path / "out.svg")
    assert done.returncode == 0 and "clinical threshold" not in (tmp_path / "out.svg").read_text()
    done = call_script("tools/windows.py", older, header, tmp_path / "other.csv", "--decide", "clinical")
    assert done.returncode == 2 and "train it again" in done.stderr and not (tmp_path / "other.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["out.csv", "--plot", "out.xyz"], "must end in .png, .svg, .pdf"),
        (["out.csv", "--classes", "AF,nothing"], "nothing: none of the classes"),
        (["no/such/folder/out.csv"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_line(model_folder, tmp_path, arguments, message):
    header = write_recording(tmp_path, "A1")
    done = call_script("tools/windows.py", model_folder, header, *arguments, folder=tmp_path)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_signal_that_is_no_ecg_is_refused(model_folder, tmp_path):
    header = write_recording(tmp_path, "A1", np.zeros((12, 5000), np.int16))
    done = call_script("tools/windows.py", model_folder, header, tmp_path / "out.csv")
    assert done.returncode == 2 and "not an ECG" in done.stderr and not (tmp_path / "out.csv").exists()


def test_a_recording_of_the_training_is_named(model_folder, training_data, tmp_path):
    done = call_script("tools/windows.py", model_folder, training_data / "g1/HR00003.hea", tmp_path / "out.csv")
    assert done.returncode == 0 and "trained on" in done.stderr


def test_a_long_recording_is_drawn_by_its_highest_probabilities(tmp_path):
    timeline = pytest.importorskip("ecg.report.timeline")
    windows = 48 * 240
    start = 15.0 * np.arange(windows)
    p, labels = np.zeros((windows, 2)), np.zeros((windows, 2), bool)
    p[5000, 0], labels[5000, 0] = 0.9, True  # a single window of AF in two days
    p[6000:7000] = np.nan
    classes = ["164889003", "own class"]
    for thresholds in (np.array([0.5, np.inf]), None):
        path = tmp_path / "out.svg"
        timeline.draw_timeline(path, "A$1$\n", 15.0 * windows + 1, start, start + 16, classes, p, labels, thresholds)
        drawn = path.read_text()
        assert "highest probability (0 to 1) of each 12 windows" in drawn and "own class" in drawn
        assert drawn.count(timeline.BLUE) == 1 and "48:00" in drawn
    timeline.draw_timeline(path, "A1", 15.0 * windows + 1, start, start + 16, [], p[:, :0], labels[:, :0], None)
    assert "no class has a label" in path.read_text()


def test_the_windows_are_those_of_the_driver(model):
    """A window's number and place are covering_windows', whatever the batches."""
    counts = noise(90_000)
    (samples,) = {round(90_000 * model.recipe.rate / RATE)}
    offsets = np.concatenate([batch.offset for batch in covering_windows(np.array([samples]), model.recipe)])
    assert (run(model, counts).start * model.recipe.rate).round().astype(int).tolist() == offsets.tolist()

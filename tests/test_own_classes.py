"""Own classes: their table, the labels that headers give them, and a model trained on them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecg.classes import load_weights, write_weights
from ecg.data.header import parse_header, read_diagnoses, read_header
from ecg.decision.calibration import calibration_shifts
from ecg.errors import EntryError
from ecg.evaluation.metrics import challenge_metric
from ecg.evaluation.trivial import score_trivial_outputs
from ecg.model.folder import build_network
from ecg.recipe import parse_recipe
from ecg.simulation.cases import simulated_classes
from ecg.training.setup import PRETRAINING, prepare
from team_code import load_model, pretrain, training_code
from tests.conftest import CPU, ROOT, call_script, noise, write_recording

TABLE = """name,means,reward
MI,IMI|AMI|164865005|Old infarct,2
Conduction,713427006|LBBB|1st degree AV block,
Chagas,chagas label: true,0.5
"""


def write_table(path, text=TABLE):
    path.write_text(text)
    return path


@pytest.fixture
def weights(tmp_path):
    return load_weights(write_table(tmp_path / "classes.csv"))


@pytest.mark.parametrize(
    ("comments", "classes"),
    [
        ("#Dx: imi", ["MI"]),
        ("#Dx: 164865005.0; AMI", ["MI"]),
        ("#Dx: old infarct, 59118001", ["MI", "Conduction"]),  # the equivalent code of 713427006
        ("#Dx: lbbb", ["Conduction"]),
        ("#Dx: 270492004\n# Chagas label: True", ["Conduction", "Chagas"]),
        ("# Chagas label:  TRUE ", ["Chagas"]),
        ("# Chagas label: False", []),
        ("#Dx: 426783006", []),
    ],
)
def test_codes_and_words_of_a_header_mean_own_classes(weights, tmp_path, comments, classes):
    path = write_recording(tmp_path / "data", "A1", comments=comments.split("\n"))
    diagnoses = read_header(path).diagnoses
    assert diagnoses == read_diagnoses(path) and weights.not_understood(diagnoses) == []
    assert [name for name, label in zip(weights.classes, weights.encode(diagnoses)) if label] == classes
    assert weights.is_labelled(diagnoses)  # without sinus rhythm among the classes, other diagnoses are negatives
    assert not weights.is_labelled(())
    np.testing.assert_array_equal(weights.matrix, np.diag([2, 1, 0.5]))


def test_a_label_of_the_challenge_of_2025_is_named_if_no_class_uses_it():
    header = parse_header("A1 1 500 4\nA1.mat 16 1000/mV 16 0 0 0 0 I\n# Chagas label: False\n#Dx: STEMI, 164889003")
    assert load_weights().not_understood(header.diagnoses) == ["STEMI", "chagas label: false"]
    assert not load_weights().is_labelled(("STEMI", "164865005"))  # as published: no scored diagnosis


def test_a_name_alone_is_what_means_its_class(tmp_path):
    weights = load_weights(write_table(tmp_path / "classes.csv", "name,means\nAF,\nSTEMI\n"))
    assert weights.classes == ("AF", "STEMI")
    assert weights.encode(["164889003"]).tolist() == [True, False] and weights.encode(["stemi"]).tolist() == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,means\n", "has no class; each line is"),
        ("name,means\nMI,a\nMI,b\n", "names a class twice"),
        ("name,means\nOld MI,a\n", "'Old MI' is empty, or has a blank"),
        ("name,means\n,a\n", "'' is empty"),
        ("name,means\nMI,a|b\nST,B\n", "B means two classes"),
        ("name,means\nRBBB,59118001\nBlock,713427006.0|59118001\n", "means two classes"),
        ("name,means,reward\nMI,a,much\n", "'much' of MI is not a number"),
        ("name,means,reward\nMI,a,nan\n", "the reward nan of MI is not between -1000 and 1000"),
        ("name,means,reward\nMI,a,100000\n", "the reward 100000 of MI is not between"),
        ("name,means,reward\nSNR,426783006,\nRhythm,164890007,164889003\n", "164889003 of Rhythm is not between"),
        ("name,means\nRhythm,164890007,164889003\n", "has more cells than columns; separate what means a class by |"),
        ("name,codes\nAF,164889003\n", "its columns are name, codes; they must be name, means, reward"),
        ("AF,164889003\n", "neither a table of own classes, whose first line is name,means,reward, nor"),
        ("", "neither a table of own classes"),
        ("name,means\nAF,a\naf,b\n", "AF is also the Challenge's name for atrial fibrillation"),
        ("name,means\nMI,a\nmi,b\n", "names a class twice"),
        (
            "name,means\nPR,164947007\n",
            "PR is also the Challenge's name for pacing rhythm; give the class another name, or",
        ),
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_line(tmp_path, text, reason):
    with pytest.raises(EntryError, match="classes.csv") as error:
        load_weights(write_table(tmp_path / "classes.csv", text))
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("content", "rewards"),
    [
        ("name;means;reward\nRhythm;AF|STEMI;1,5\nBlock;RBBB;2\n".encode("latin-1"), [1.5, 2]),
        ("name\tmeans\nRhythm\tAF, STEMI\nBlock\tRBBB\n".encode("utf-16"), [1, 1]),
        (b"name,means\nRhythm,164889003;STEMI\nBlock,59118001 713427006\n", [1, 1]),
        (b"sep=;\r\nname;means;;\r\nRhythm;AF|STEMI;;\r\nBlock;RBBB\r\n;;;\r\n", [1, 1]),
        (b'"sep=,";;\r\nname,means\r\nRhythm,"AF;STEMI"\r\nBlock,RBBB\r\n', [1, 1]),
        (b"Sep=\t\nname\tmeans\treward\t\nRhythm\tAF, STEMI\t3\nBlock\tRBBB\n", [3, 1]),
    ],
)
def test_a_table_may_be_as_a_spreadsheet_writes_it(tmp_path, content, rewards):
    (tmp_path / "classes.csv").write_bytes(content)
    weights = load_weights(tmp_path / "classes.csv")
    assert weights.classes == ("Rhythm", "Block") and weights.matrix.diagonal().tolist() == rewards
    assert weights.encode(["164889003"]).tolist() == weights.encode(["stemi"]).tolist() == [True, False]
    assert weights.encode(["59118001"]).tolist() == [False, True]


def test_a_reward_matrix_may_have_decimal_commas_and_empty_columns(tmp_path):
    (tmp_path / "weights.csv").write_text(
        "sep=;\n;426783006;164889003;;\n426783006;1;0,25;;\n164889003;0,25;1;;\n;;;;\n"
    )
    np.testing.assert_array_equal(load_weights(tmp_path / "weights.csv").matrix, [[1, 0.25], [0.25, 1]])


def test_classes_that_no_recording_has_are_named(infarcts, tmp_path, capsys):
    recipe = parse_recipe("small,folds=2,simulated=0")
    prepare(
        infarcts, tmp_path / "m", recipe, CPU, None, write_table(tmp_path / "c.csv", "name,means\nMI,\nFoo,99999\n")
    )
    assert "no recording has Foo: " in capsys.readouterr().out
    table = write_table(tmp_path / "none.csv", "name,means\nFoo,99999\nBar,\n")
    with pytest.raises(EntryError, match="no recording has Foo, Bar; check what means the classes"):
        prepare(infarcts, tmp_path / "n", recipe, CPU, None, table)


def test_the_columns_of_a_table_go_by_their_names(tmp_path):
    weights = load_weights(write_table(tmp_path / "classes.csv", "name,reward,means\nRhythm,2,164889003\n"))
    assert weights.matrix.tolist() == [[2]] and weights.encode(["164889003"]).tolist() == [True]


@pytest.mark.parametrize(
    ("comments", "diagnoses"),
    [
        ("#Dx: Unknown", ()),
        ("#Dx: NaN", ()),
        ("#Dx: ?", ()),
        ("#Dx: 'RBBB', SVPB; right bundle branch block", ("59118001", "63593006")),
        ("#Dx: ['426783006', '164889003']", ("426783006", "164889003")),
        ("#Dx: 426783006 (sinus rhythm)", ("426783006",)),
        ("#Dx: 426783006 164889003 STEMI", ("426783006", "164889003", "STEMI")),
        ("#Dx: AF/RBBB + LAD", ("164889003", "59118001", "39732003")),
        ("#Dx: ST/T change, old infarct", ("ST/T change", "old infarct")),
        ("#Dx: first-degree atrioventricular (AV) block", ("270492004",)),
        ("# Chagas label: 1", ("chagas label: true",)),
        ("# Chagas label: No", ("chagas label: false",)),
        ("# Chagas label: Unknown", ()),
    ],
)
def test_what_a_header_says_of_its_diagnoses(comments, diagnoses):
    lines = ["A1 1 500 4", "A1.mat 16 1000/mV 16 0 0 0 0 I", comments]
    assert parse_header(lines).diagnoses == diagnoses


@pytest.mark.parametrize("words", [["unknown"], ["NaN", "?"]])
def test_no_diagnosis_is_no_label_even_without_sinus_rhythm(weights, words):
    header = parse_header(["A1 1 500 4", "A1.mat 16 1000/mV 16 0 0 0 0 I", f"#Dx: {','.join(words)}"])
    assert not weights.is_labelled(header.diagnoses) and weights.not_understood(header.diagnoses) == []


@pytest.mark.parametrize(
    "table", [TABLE, (ROOT / "weights.csv").read_text(), ",MI,NORM|Normal ECG\nMI,1,0\nNORM|Normal ECG,0,1\n"]
)
def test_the_written_matrix_has_the_same_classes(tmp_path, table):
    weights = load_weights(write_table(tmp_path / "classes.csv", table))
    write_weights(tmp_path / "weights.csv", weights)
    again = load_weights(tmp_path / "weights.csv")
    assert again.classes == weights.classes and again.column == weights.column
    np.testing.assert_array_equal(again.matrix, weights.matrix)


@pytest.mark.parametrize("table", sorted((ROOT / "examples" / "classes").glob("*.csv")), ids=lambda path: path.name)
def test_the_examples_are_tables_of_classes(table):
    assert load_weights(table).normal is None


def test_the_metric_without_sinus_rhythm_is_the_share_of_the_labels_rewards(weights):
    labels = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 0]], bool)
    outputs = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]], bool)
    # rewards: 2 of 2 for MI in a union of two, 0, 0, 2 in a union of two; of the labels: 2, 1, 0, (2 + 1) / 2
    assert challenge_metric(weights, labels, outputs) == pytest.approx((1 + 0 + 0 + 1) / (2 + 1 + 1.5))
    assert challenge_metric(weights, labels, labels) == 1
    assert not any("sinus" in trivial.name for trivial in score_trivial_outputs(weights, labels))
    p = np.full((4, 3), 0.5)
    assert (calibration_shifts(p, labels, np.array(["A"] * 4), None)[:2] != 0).sum() <= 2


@pytest.fixture(scope="module")
def infarcts(tmp_path_factory):
    """24 recordings: a slow wave or noise alone, labelled MI, NORM or neither, in words."""
    folder = tmp_path_factory.mktemp("infarcts")
    for number in range(24):
        word = ("MI", "Norm", "STEMI")[number % 3]
        slow = 2000 * np.sin(np.arange(2500) / 400) * (word == "MI")
        comments = (f"#Age: {40 + number}", "#Sex: Male", f"#Dx: {word}")
        write_recording(folder, f"X{number:02d}", (noise(seed=number) + slow).astype(np.int16), comments=comments)
    return folder


@pytest.mark.parametrize("table", ["name,means\nMI,\n", ",MI,NORM\nMI,1,0\nNORM,0,1\n"], ids=["one", "two"])
def test_a_model_of_own_classes_is_trained_run_and_scored(infarcts, tiny_recipe, tmp_path, table, capsys):
    classes = write_table(tmp_path / "classes.csv", table)
    training_code(infarcts, tmp_path / "model", tiny_recipe, CPU, classes=classes)
    printed = capsys.readouterr().out
    assert "24 recordings to train on, 0 without a scored label" in printed
    assert "sinus rhythm is not one of the classes" in printed and "no simulated recordings" in printed
    model = load_model(tmp_path / "model", compute=CPU)
    assert model.classes == load_weights(classes).classes and model.recipe.decide == "clinical"
    run = call_script("driver.py", tmp_path / "model", infarcts, tmp_path / "outputs", "--device", "cpu", "--float32")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "outputs" / "X00.csv").read_text().splitlines()[1] == ",".join(model.classes)
    arguments = (infarcts, tmp_path / "outputs", tmp_path / "scores.csv", "--report", tmp_path / "report.html")
    scored = call_script("evaluate_model.py", *arguments, "--classes", tmp_path / "model" / "weights.csv")
    assert scored.returncode == 0 and "Sinus rhythm is not one of the classes" in scored.stdout, scored.stderr
    assert "STEMI (8)" in scored.stderr and "MI (8)" not in scored.stderr.replace("STEMI (8)", "")
    compared = call_script("evaluate_model.py", *arguments[:2], "--classes", classes, "--leaderboard")
    assert compared.returncode == 2 and "not on these" in compared.stderr
    checked = call_script("tools/check_data.py", infarcts, "--classes", classes)
    assert "MI 8" in checked.stdout


def test_simulated_recordings_do_not_teach_classes_that_they_cannot_show(infarcts, tiny_recipe, tmp_path, capsys):
    """Pretraining changes the head of a class only if the simulation shows it by one of its codes."""
    table, recipe = "name,means\nMI,{}\nAF,164889003\n", replace(tiny_recipe, weight_decay=0.0)
    changes = {}
    for means in ("MI", "MI|713426002"):
        classes = write_table(tmp_path / "classes.csv", table.format(means))
        training = prepare(infarcts, tmp_path / means.replace("|", "-"), recipe, CPU, classes=classes)
        assert simulated_classes(training.weights).tolist() == ["|" in means, True]
        simulated, real = training.simulated[:1], training.real[:1]
        known = training.known_labels(np.append(simulated, real))
        assert known is None if "|" in means else known.tolist() == [[False, True], [True, True]]
        state = pretrain(training, 0)
        assert state is not None
        torch.manual_seed(int(np.random.SeedSequence([recipe.seed, PRETRAINING]).generate_state(1)[0]))
        untrained = build_network(training.recipe, 2).head.bias
        changes[means] = abs(state["head.bias"] - untrained)[0].item()
    assert "the simulation does not show MI" in capsys.readouterr().out
    assert changes["MI"] == 0 < changes["MI|713426002"]


def test_a_folder_with_one_label_of_its_own_needs_no_table(tiny_recipe, tmp_path, capsys):
    """As the Challenge of 2025 gives it; with one of the Challenge's classes the label is an unknown word."""
    for number in range(8):
        comments = ("#Age: 60", "#Sex: Male", f"# Chagas label: {number % 2 == 0}", "# Source: CODE-15%")
        write_recording(tmp_path / "data", f"T{number}", noise(seed=number), comments=comments)
    training_code(tmp_path / "data", tmp_path / "model", replace(tiny_recipe, epochs=1), CPU)
    assert "the only class is Chagas, by the headers' chagas label" in capsys.readouterr().out
    assert load_model(tmp_path / "model", compute=CPU).classes == ("Chagas",)
    assert load_weights(tmp_path / "model" / "weights.csv").encode(["chagas label: true"]).all()
    write_recording(tmp_path / "data", "T9")
    with pytest.raises(EntryError, match="too few for 2 folds"):
        prepare(tmp_path / "data", tmp_path / "other", tiny_recipe, CPU)
    assert "1 recordings to train on, 8 without" in capsys.readouterr().out

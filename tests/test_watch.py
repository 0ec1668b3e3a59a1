"""The epoch log of a training, and the page to watch a training with."""

import csv
import json
import re

import pytest

from ecg.errors import EntryError
from ecg.training.epoch_log import EPOCH_LOG, read_epoch_log, write_epoch_log
from ecg.training.time_left import PlannedFit, TimeLeft
from ecg.training.work_dir import training_lock
from tests.browser import in_browser, needs_browser
from tests.conftest import run_script


def test_the_log_has_a_line_for_each_epoch(model_folder):
    history = read_epoch_log(model_folder / EPOCH_LOG)
    assert {name: [epoch["epoch"] for epoch in epochs] for name, epochs in history.items()} == {
        "simulated-1": [1], "fold-1": [1, 2], "simulated-2": [1], "fold-2": [1, 2],
    }  # fmt: skip
    description = json.loads((model_folder / "model.json").read_text())
    assert history["fold-2"] == description["folds"][1]["history"]
    assert "challenge_metric" not in history["simulated-1"][0]  # pretraining holds nothing out
    assert history["fold-1"][-1]["learning_rate"] == pytest.approx(0)  # the end of the one-cycle schedule


def test_an_epoch_is_logged_once(tmp_path):
    for epochs in (1, 2, 2):  # an epoch repeats if a training is killed after logging it
        write_epoch_log(tmp_path / EPOCH_LOG, "a", [{"epoch": epoch + 1, "loss": 0.5} for epoch in range(epochs)])
        write_epoch_log(tmp_path / EPOCH_LOG, "b", [{"epoch": 1, "loss": 0.25, "challenge_metric": -0.1}])
    assert read_epoch_log(tmp_path / EPOCH_LOG) == {
        "a": [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.5}],
        "b": [{"epoch": 1, "loss": 0.25, "challenge_metric": -0.1}],
    }
    assert len(list(csv.reader((tmp_path / EPOCH_LOG).open()))) == 4


@pytest.mark.parametrize("content", ["", "a,b\n", "network,epoch,learning_rate,loss,challenge_metric\nx,1,?,1,1\n"])
def test_an_invalid_log_is_an_error(tmp_path, content):
    (tmp_path / EPOCH_LOG).write_text(content)
    with pytest.raises(EntryError, match="not the log"):
        read_epoch_log(tmp_path / EPOCH_LOG)


def test_a_damaged_log_is_replaced(tmp_path):
    (tmp_path / EPOCH_LOG).write_text("network;epoch;learning_rate;loss\n")
    write_epoch_log(tmp_path / EPOCH_LOG, "a", [{"epoch": 1, "loss": 0.5}])
    assert read_epoch_log(tmp_path / EPOCH_LOG) == {"a": [{"epoch": 1, "loss": 0.5}]}


def watch(model, page) -> str:
    done = run_script("tools/watch.py", model, page, "--once")
    assert done.returncode == 0, done.stderr
    return page.read_text()


@pytest.fixture
def unfinished(tmp_path):
    """A model folder whose training has reached its first fold."""
    log = tmp_path / "model/.training" / EPOCH_LOG
    log.parent.mkdir(parents=True)
    write_epoch_log(log, "simulated-1", [{"epoch": 1, "loss": 0.5}])
    write_epoch_log(log, "fold-1", [])
    return tmp_path / "model"


def test_running_interrupted_and_finished_trainings(unfinished, model_folder, tmp_path):
    with training_lock(unfinished):
        running = watch(unfinished, tmp_path / "page.html")
    assert "The training is running" in running and 'http-equiv="refresh"' in running
    assert "The training was interrupted" in watch(unfinished, tmp_path / "page.html")
    done = watch(model_folder, tmp_path / "page.html")
    assert "The training is done" in done and "http-equiv" not in done


def test_before_the_first_epoch(model_copy, tmp_path):
    with training_lock(model_copy):  # the folder holds an earlier model
        assert "The training is running" in watch(model_copy, tmp_path / "page.html")


def test_a_model_without_a_log(model_copy, tmp_path):
    (model_copy / EPOCH_LOG).unlink()
    assert "network 2" in watch(model_copy, tmp_path / "page.html")


@needs_browser
def test_every_table_and_curve_is_on_the_page(model_folder, tmp_path):
    watch(model_folder, tmp_path / "page.html")
    script = """
      const rows = (id) => document.querySelectorAll(`#${id} ~ .scroll tbody`)[0].rows.length;
      const curves = document.querySelectorAll("[role=img] .curve").length;
      return [rows("epochs"), rows("scores"), rows("thresholds"), curves];
    """
    assert in_browser(tmp_path / "page.html", script, tmp_path) == [6, 8, 24, 6]


@needs_browser
def test_a_touch_shows_the_values_of_an_epoch_in_the_legend(model_folder, tmp_path):
    watch(model_folder, tmp_path / "page.html")
    script = """
      const charts = [...document.querySelectorAll(".training-chart")];
      const rows = (chart) => [...chart.querySelectorAll("tbody tr")];
      const values = () => charts.map((chart) => rows(chart).map((row) => row.cells[1].textContent));
      const before = values();
      for (const chart of charts) {
        const svg = chart.querySelector("svg"), box = svg.querySelector("rect").getBoundingClientRect();
        const place = { clientX: box.left + 2, clientY: box.top + 5, pointerType: "touch" };
        svg.dispatchEvent(new PointerEvent("pointerdown", place));
      }
      const titles = charts.map((chart) => chart.querySelector("svg > title").textContent);
      return [titles, before, values()];
    """
    titles, before, after = in_browser(tmp_path / "page.html", script, tmp_path)
    history = read_epoch_log(model_folder / EPOCH_LOG)
    kinds = [("fold", "challenge_metric"), ("fold", "loss"), ("simulated", "loss")]
    assert len(titles) == 3 and "simulated recordings only" in titles[2] and "simulated" not in titles[1]
    for chart, (kind, column) in enumerate(kinds):
        for network in (1, 2):
            epochs = history[f"{kind}-{network}"]
            assert before[chart][network - 1] == f"{epochs[-1][column]:.4f} (epoch {len(epochs)})"
            assert after[chart][network - 1] == f"{epochs[0][column]:.4f}"


def test_the_time_left_of_a_running_training(unfinished, tmp_path):
    with training_lock(unfinished):
        assert "the time left is known after its next epoch" in watch(unfinished, tmp_path / "page.html")
        time_left = TimeLeft([PlannedFit("simulated-1", 0, True, 3, 1000), PlannedFit("fold-1", 0, False, 10, 1200)])
        time_left.end_epoch(unfinished / ".training", "simulated-1", 10, 0)
        assert "<b>about 23 min left</b>" in watch(unfinished, tmp_path / "page.html")  # 2 x 100 s and 10 x 120 s
    assert "min left" not in watch(unfinished, tmp_path / "page.html")


def test_classes_have_full_names_in_clinical_order(model_folder, tmp_path):
    page = watch(model_folder, tmp_path / "page.html")
    names = ("sinus rhythm", "atrial fibrillation", "1st degree AV block", "left axis deviation", "T wave inversion")
    places = [page.index(f"<td>{name} ") for name in names]
    assert places == sorted(places)


def test_every_chart_has_a_title_and_a_description(model_folder, tmp_path):
    page = watch(model_folder, tmp_path / "page.html")
    ids = re.findall(r'aria-labelledby="(\S+) (\S+)"', page)
    assert len(ids) == 3
    for title, description in ids:
        assert f'<title id="{title}">' in page and f'<desc id="{description}">One curve for each of 2 networks' in page


def test_a_folder_without_a_model_or_training(tmp_path):
    done = run_script("tools/watch.py", tmp_path, tmp_path / "page.html")
    assert done.returncode == 2 and "model.json" in done.stderr

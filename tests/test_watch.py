"""A training's log, and the page to watch it by: as it runs, and when it is done."""

import csv
import json

import pytest

from ecg.errors import EntryError
from ecg.history import LOG, log_epochs, read_log
from tests.browser import in_browser, needs_browser
from tests.conftest import run_script


def test_a_training_leaves_a_line_an_epoch(model_folder, tiny_recipe):
    history = read_log(model_folder / LOG)
    assert {name: [epoch["epoch"] for epoch in epochs] for name, epochs in history.items()} == {
        "simulated": [1], "fold-1": [1, 2], "fold-2": [1, 2],
    }  # fmt: skip
    told = json.loads((model_folder / "model.json").read_text())
    assert history["fold-2"] == told["folds"][1]["history"]
    assert "challenge_metric" not in history["simulated"][0]  # held out from nothing
    assert history["fold-1"][-1]["learning_rate"] == pytest.approx(0)  # one cycle is at its end


def test_the_log_says_each_epoch_once(tmp_path):
    for epochs in (1, 2, 2):  # as when a training is killed after its log, and begun again
        log_epochs(tmp_path / LOG, "a", [{"epoch": epoch + 1, "loss": 0.5} for epoch in range(epochs)])
        log_epochs(tmp_path / LOG, "b", [{"epoch": 1, "loss": 0.25, "challenge_metric": -0.1}])
    assert read_log(tmp_path / LOG) == {
        "a": [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.5}],
        "b": [{"epoch": 1, "loss": 0.25, "challenge_metric": -0.1}],
    }
    assert len(list(csv.reader((tmp_path / LOG).open()))) == 4


@pytest.mark.parametrize("content", ["", "a,b\n", "network,epoch,learning_rate,loss,challenge_metric\nx,1,?,1,1\n"])
def test_no_log(tmp_path, content):
    (tmp_path / LOG).write_text(content)
    with pytest.raises(EntryError, match="no log"):
        read_log(tmp_path / LOG)


@needs_browser
def test_a_training_that_is_done(model_folder, tmp_path):
    done = run_script("tools/watch.py", model_folder, tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    script = """
      const rows = (id) => document.querySelectorAll(`#${id} ~ .scroll tbody`)[0].rows.length;
      return [rows("epochs"), rows("scores"), rows("thresholds"), document.querySelectorAll(".curve").length];
    """
    assert in_browser(tmp_path / "page.html", script, tmp_path) == [5, 7, 24, 5]
    assert "http-equiv" not in (tmp_path / "page.html").read_text()


@needs_browser
def test_a_training_that_runs(tmp_path):
    (tmp_path / "model/.training").mkdir(parents=True)
    log_epochs(tmp_path / "model/.training" / LOG, "simulated", [{"epoch": 1, "loss": 0.5}])
    log_epochs(tmp_path / "model/.training" / LOG, "fold-1", [])
    done = run_script("tools/watch.py", tmp_path / "model", tmp_path / "page.html", "--once")
    assert done.returncode == 0, done.stderr
    script = "return [document.querySelector('meta[http-equiv=refresh]').content, document.body.textContent]"
    every, text = in_browser(tmp_path / "page.html", script, tmp_path)
    assert every == "30" and "The training goes on" in text


def test_nothing_to_watch(tmp_path):
    done = run_script("tools/watch.py", tmp_path, tmp_path / "page.html")
    assert done.returncode == 2 and "no training to be seen there" in done.stderr

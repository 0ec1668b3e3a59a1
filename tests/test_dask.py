"""A store built by a Dask cluster, as joblib hands its work over: the same as by this machine's processes."""

import filecmp

import joblib
import pytest

from ecg.classes import load_weights
from ecg.data.listing import find_headers
from ecg.labels.folder_check import check_folder
from ecg.training.store import open_store
from tests.conftest import noise, write_recording

distributed = pytest.importorskip("distributed", reason="Dask is not installed")


@pytest.fixture(scope="module")
def cluster():
    """Two workers of this machine; on a real one they share the folders."""
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """More recordings than are decoded without other processes; one is broken."""
    folder = tmp_path_factory.mktemp("data")
    for i in range(70):
        write_recording(folder, f"A{i:04d}", noise(1000 + i, seed=i))
    (folder / "A0007.mat").write_bytes(b"no signal")
    return folder


def test_a_store_is_built_by_the_cluster(cluster, folder, tiny_recipe, tmp_path, capsys):
    headers, weights = find_headers(folder), load_weights()
    open_store(headers, tmp_path / "here", weights, tiny_recipe, simulated=5)
    with joblib.parallel_config(backend="dask"):
        open_store(headers, tmp_path / "there", weights, tiny_recipe, simulated=5)
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "there").iterdir())
    same, *_ = filecmp.cmpfiles(tmp_path / "here", tmp_path / "there", names, shallow=False)
    assert sorted(same) == names
    assert capsys.readouterr().out.count("69 recordings to train on, 0 without a scored label, 1 unreadable") == 2
    done = cluster.run(lambda dask_worker: len(dask_worker.state.tasks) + dask_worker.transfer_outgoing_count_total)
    assert sum(done.values()) > 0  # it was the workers who did it


def test_a_folder_is_checked_by_the_cluster(cluster, folder, tiny_recipe):
    here = check_folder(folder, load_weights(), tiny_recipe)
    with joblib.parallel_config(backend="dask"):
        there = check_folder(folder, load_weights(), tiny_recipe)
    assert here == there and len(here) == 70

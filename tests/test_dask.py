"""A Dask cluster builds the same store as the processes of this machine; joblib distributes the work."""

import filecmp

import joblib
import pytest

from ecg.classes import load_weights
from ecg.data.listing import find_recordings
from ecg.labels.folder_check import check_folder
from ecg.training.store import open_store
from tests.conftest import noise, write_recording

distributed = pytest.importorskip("distributed", reason="Dask is not installed")


@pytest.fixture(scope="module")
def cluster():
    """Two workers on this machine. The workers of a real cluster share the folders."""
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """So many recordings that other processes decode them; one is broken."""
    folder = tmp_path_factory.mktemp("data")
    for i in range(70):
        write_recording(folder, f"A{i:04d}", noise(1000 + i, seed=i))
    (folder / "A0007.mat").write_bytes(b"no signal")
    return folder


def test_a_store_is_built_by_the_cluster(cluster, folder, tiny_recipe, tmp_path, capsys):
    headers, weights = find_recordings(folder), load_weights()
    open_store(headers, tmp_path / "local", weights, tiny_recipe, simulated=5)
    with joblib.parallel_config(backend="dask"):
        open_store(headers, tmp_path / "dask", weights, tiny_recipe, simulated=5)
    names = sorted(path.name for path in (tmp_path / "local").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "dask").iterdir())
    same, *_ = filecmp.cmpfiles(tmp_path / "local", tmp_path / "dask", names, shallow=False)
    assert sorted(same) == names
    assert capsys.readouterr().out.count("69 recordings to train on, 0 without a scored label, 1 unreadable") == 2
    tasks = cluster.run(lambda dask_worker: len(dask_worker.state.tasks) + dask_worker.transfer_outgoing_count_total)
    assert sum(tasks.values()) > 0  # the workers did the work


def test_a_folder_is_checked_by_the_cluster(cluster, folder, tiny_recipe):
    local = check_folder(folder, load_weights(), tiny_recipe)
    with joblib.parallel_config(backend="dask"):
        by_dask = check_folder(folder, load_weights(), tiny_recipe)
    assert local == by_dask and len(local) == 70

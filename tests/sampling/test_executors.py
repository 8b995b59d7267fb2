"""The same numbers wherever blocks are computed, even where a worker dies on the way."""

import logging
import os
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import uncertainty as un
from uncertainty.files.library import load_function
from uncertainty.sampling import blocks

DRAWS = 2**18
ON_TWO_DEVICES = """
import jax, numpy as np, uncertainty as un
assert len(jax.local_devices()) == 2
from uncertainty.sampling import blocks
blocks.EVALUATIONS = 2**16
priors = {"schema": 1, "assumptions": {n: {"lognormal": {"median": 1, "sigma": 1}} for n in "ab"}}
problem = un.build_problem(priors, model=lambda a, b: a * b)
one, two = (un.stream(problem, 5 * 2**16, executor=name) for name in ("serial", "devices"))
for name in ("y", "y_moments"):
    assert np.array_equal(*(tree["prior_sketch"][name].values for tree in (one, two)))
print(two.attrs["executor"])
"""


@pytest.fixture(scope="module")
def problem(lognormals):
    # A function of this module would have to be imported by the workers.
    return un.build_problem(lognormals.priors(), model=lambda a, b, c: a * b * c)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "EVALUATIONS", 2**16)


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def same(one, other):
    for name in ("y", "y_moments"):
        assert np.array_equal(*(tree["prior_sketch"][name].values for tree in (one, other)))


@pytest.mark.slow
def test_all_local_devices_give_the_numbers_of_one():
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES],
        env={**os.environ, **flags},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "devices"


def test_devices_serve_where_there_is_only_one(problem):
    same(un.stream(problem, 2**14), un.stream(problem, 2**14, executor="devices"))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_dask_gives_the_numbers_of_one_process(problem, client, small_blocks):
    seen = []
    found = un.stream(problem, DRAWS, executor=client, watch=lambda s: seen.append(s.done))
    same(found, un.stream(problem, DRAWS))
    assert seen == [(k + 1) * 2**16 for k in range(DRAWS // 2**16)]
    assert found.attrs["executor"] == "dask"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_dask_survives_the_death_of_a_worker(problem, client, small_blocks):
    expected = un.stream(problem, 4 * DRAWS)
    killed = []

    def kill_one(progress):
        if not killed:
            pids = client.run(os.getpid)
            killed.append(next(iter(pids.values())))
            os.kill(killed[0], 9)

    found = un.stream(problem, 4 * DRAWS, executor=client, watch=kill_one)
    same(found, expected)
    client.wait_for_workers(2, timeout=60)
    assert killed[0] not in client.run(os.getpid).values()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_model_of_a_file_travels_to_the_workers(lognormals, client, tmp_path):
    (tmp_path / "m.py").write_text("def f(a, b, c):\n    return a * b * c\n")
    own = un.build_problem(lognormals.priors(), model=load_function(f"{tmp_path / 'm.py'}:f"))
    same(un.stream(own, 2**12), un.stream(own, 2**12, executor=client))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_address_is_an_executor(problem, client):
    address = client.scheduler.address
    same(un.stream(problem, 2**12), un.stream(problem, 2**12, executor=address))


@pytest.mark.parametrize("workers", [1, 2])
def test_any_executor_of_the_standard_protocol_serves(problem, small_blocks, workers):
    with ThreadPoolExecutor(workers) as pool:
        tree = un.stream(problem, DRAWS, executor=pool)
        assert pool.submit(int, "1").result() == 1  # it is not shut down
    same(tree, un.stream(problem, DRAWS))
    assert tree.attrs["executor"] == "ThreadPoolExecutor"


def test_an_interrupted_run_leaves_no_blocks_with_an_executor(problem, small_blocks):
    interrupted, submitted = threading.Event(), []

    def stop(progress):
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        submit = pool.submit

        def only_the_first(function, plan, block):
            work = (function, plan, block) if not submitted else (interrupted.wait, 60)
            submitted.append(submit(*work))
            return submitted[-1]

        pool.submit = only_the_first
        with pytest.raises(KeyboardInterrupt):
            un.stream(problem, 4 * DRAWS, executor=pool, watch=stop)
        late = [future.cancelled() for future in submitted[2:]]  # the second may have begun
        interrupted.set()
    assert late
    assert all(late)


def test_what_is_not_an_executor_is_refused(problem):
    with pytest.raises(un.InputError, match="must be a name, an address, an executor or a Dask"):
        un.stream(problem, 2**12, executor=3)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("tcp://127.0.0.1:9", "no Dask scheduler answers at tcp://127.0.0.1:9"),
        ("tls://127.0.0.1:9", "needs certificates"),
        ("ucx://127.0.0.1:9", "needs UCX"),
        ("tpc://127.0.0.1:9", "did you mean 'tcp'"),
        ("foo://bar", "must be one of tcp, tls"),
        ("tcp://host", "is not the address of a scheduler, such as tcp://host:8786"),
        ("tcp://[::1", "is not the address of a scheduler"),
        ("tcp://host:99999", "is not the address of a scheduler"),
        ("127.0.0.1:8786", "did you mean 'tcp://127.0.0.1:8786'"),
        ("seriel", "did you mean 'serial'"),
    ],
)
def test_an_address_without_a_scheduler_is_answered_with_what_is_missing(problem, address, text):
    pytest.importorskip("distributed")
    with pytest.raises(un.InputError, match=re.escape(text)):
        un.stream(problem, 2**12, executor=address)


def test_what_listens_and_is_not_a_scheduler_is_refused(problem):
    pytest.importorskip("distributed")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(un.InputError, match="no Dask scheduler answers"):
            un.stream(problem, 2**12, executor=address)


def test_without_dask_the_extra_is_named(problem, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(un.InputError, match=r"pip install '.*\[dask\]'"):
        un.stream(problem, 2**12, executor="dask")

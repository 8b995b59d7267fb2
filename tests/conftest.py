"""Strict numerics for every test, and the oracle that most of them share."""

import gc
import os
from pathlib import Path
from types import MappingProxyType

import jax
import numpy as np
import pytest

from uncertainty.arrays import forget_programs

jax.config.update("jax_numpy_rank_promotion", "raise")
gc.set_threshold(200_000, 30, 30)  # tracing makes many objects, hardly any of them garbage


def pytest_configure(config):
    """Compile without LLVM's optimizations, as most programs run here once: a third of the time.

    What runs on demand is compiled as users' programs are: it draws much, and compares bits.
    """
    if config.getoption("markexpr") == "not slow":
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory, worker_id):
    """Share compilations between tests and processes; nothing outside the test run is touched."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder if worker_id == "master" else folder.parent
    settings = {
        "jax_compilation_cache_dir": str(shared / "jax"),
        "jax_compilation_cache_max_size": 2**32,  # a limit brings a lock
        "jax_persistent_cache_min_compile_time_secs": 0.2,
    }
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("UNCERTAINTY_CACHE", "")
        for name, value in settings.items():
            jax.config.update(name, value)
            environment.setenv(name.upper(), str(value))
        yield


@pytest.fixture(scope="module", autouse=True)
def _few_memory_maps():
    """Let go of compiled programs before the process has as many maps as Linux allows.

    Each program of XLA keeps some maps of its own. A process may have 65,530 of them
    (vm.max_map_count); 1,200 tests come near that, and the next compilation then crashes.
    """
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_text().count("\n") > 15_000:
        jax.clear_caches()
        forget_programs()
        gc.collect()


class Lognormals:
    """A product of lognormals: every answer about it has a closed form."""

    sigmas = MappingProxyType({"a": 0.8, "b": 0.5, "c": 0.3})
    medians = MappingProxyType({"a": 2.0, "b": 3.0, "c": 0.5})
    total = float(np.sqrt(sum(s * s for s in sigmas.values())))
    median = float(np.prod(list(medians.values())))

    @classmethod
    def priors(cls):
        laws = {n: {"median": cls.medians[n], "sigma": cls.sigmas[n]} for n in cls.sigmas}
        return {"schema": 1, "assumptions": {n: {"lognormal": law} for n, law in laws.items()}}

    @staticmethod
    def model(a, b, c):
        return a * b * c

    @classmethod
    def quantile(cls, p):
        from scipy.special import ndtri

        return cls.median * np.exp(cls.total * ndtri(p))


@pytest.fixture(scope="session")
def lognormals():
    return Lognormals

"""Strict numerics for every test, and the oracle that most of them share."""

from types import MappingProxyType

import jax
import numpy as np
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory):
    """Share compilations between tests; nothing outside the test run is touched."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("jax")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


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

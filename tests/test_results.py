"""Results: the layout, and round trips bit for bit."""

import json

import numpy as np
import pytest
import xarray as xr

import uncertainty as un


@pytest.fixture(scope="module")
def tree():
    return un.simulate(un.build_problem("gpt-4o"), draws=256, seed=7)


def test_layout(tree):
    assert {"prior", "prior_predictive", "central", "prior_statistics"} <= tree.children.keys()
    assert tree["prior_predictive"]["energy_wh"].dims == ("chain", "draw")
    assert tree["prior_predictive"]["energy_wh"].attrs["boundary"] == "facility"
    assert tree["prior"]["pue_excess"].attrs["source"] == "google2025"
    assert next(iter(tree["prior"].data_vars)) == "utilization"


def test_provenance(tree):
    facts = tree.attrs
    assert facts["seed"] == 7
    assert "output_tokens_median" in facts["priors_text"]
    files = json.loads(facts["prior_files"])
    assert [file["path"] for file in files] == [
        "priors/base/datacenter.yaml", "priors/gpt-4o.yaml", "priors/catalogue/hardware.yaml",
        "priors/evidence/mlenergy-formula.yaml",
    ]  # fmt: skip
    assert facts["priors_sha256"] == files[1]["sha256"]
    assert "jax" in json.loads(facts["versions"])


def test_round_trip_is_bit_for_bit(tree, tmp_path):
    again = un.load(un.save(tree, tmp_path / "new" / "run.nc"))
    assert again.identical(tree)
    for group in tree.children:
        for name, values in tree[group].data_vars.items():
            assert values.values.tobytes() == again[group][name].values.tobytes()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run.nc"]


def test_round_trip_keeps_what_is_no_number(tmp_path):
    problem = un.build_problem(
        "gpt-4o", model=lambda active_parameters: {"a": 0.0 / active_parameters - 1}
    )
    tree = un.simulate(problem, draws=64)
    tree["prior_predictive"]["a"].values[0, 0] = np.nan
    tree["prior_predictive"]["a"].values[0, 1] = -np.inf
    assert un.load(un.save(tree, tmp_path / "x.nc")).identical(tree)


def test_a_failed_save_leaves_what_was_there(tree, tmp_path):
    path = un.save(tree, tmp_path / "run.nc")
    before = path.read_bytes()
    broken = tree.copy()
    broken.attrs["bad"] = object()
    with pytest.raises(TypeError):
        un.save(broken, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [None, b"no netcdf", "other"])
def test_files_that_are_no_result_are_refused(content, tmp_path):
    path = tmp_path / "x.nc"
    if content == "other":
        xr.Dataset({"a": 1}).to_netcdf(path, engine="h5netcdf")
    elif content:
        path.write_bytes(content)
    with pytest.raises(un.InputError, match="no such file|no NetCDF file|no result"):
        un.load(path)

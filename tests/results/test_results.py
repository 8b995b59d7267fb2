"""Results: the layout, and round trips bit for bit."""

import hashlib
import json
from functools import partial

import numpy as np
import pytest
import xarray as xr

import uncertainty as un
from uncertainty.inference import whole
from uncertainty.results import check_tree, in_short

EVIDENCE = ("mlenergy-chat", "mlenergy-reasoning", "mlenergy-2024", "powerx")


@pytest.fixture(scope="module")
def tree():
    return un.simulate(un.build_problem("gpt-4o"), draws=256, seed=7)


def test_a_result_has_its_groups_dimensions_and_provenance_of_inputs(tree):
    assert {"prior", "prior_predictive", "central", "prior_statistics"} <= tree.children.keys()
    assert tree["prior_predictive"]["energy_wh"].dims == ("chain", "draw")
    assert tree["prior_predictive"]["energy_wh"].attrs["boundary"] == "facility"
    assert tree["prior"]["pue_excess"].attrs["source"] == "google2025"
    assert next(iter(tree["prior"].data_vars)) == "memory_bandwidth_bytes_per_s"


def test_a_result_says_which_files_seed_and_versions_made_it(tree):
    facts = tree.attrs
    assert facts["seed"] == 7
    assert "output_tokens_median" in facts["priors_text"]
    files = json.loads(facts["prior_files"])
    assert [file["path"] for file in files] == [
        "priors/base/facility.yaml", "priors/base/roofline.yaml", "priors/roofline-efficiency.yaml",
        "priors/base/serving.yaml", "priors/gpt-4o.yaml", "priors/catalogue/hardware.yaml",
        *(f"priors/evidence/{name}.yaml" for name in EVIDENCE),
    ]  # fmt: skip
    assert facts["priors_sha256"] == files[4]["sha256"]
    assert "jax" in json.loads(facts["versions"])


def test_round_trip_is_bit_for_bit(tree, tmp_path):
    again = un.load(un.save(tree, tmp_path / "new" / "run.nc"))
    assert again.identical(tree)
    for group in tree.children:
        for name, values in tree[group].data_vars.items():
            assert values.values.tobytes() == again[group][name].values.tobytes()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run.nc"]


def test_what_is_kept_in_short_has_all_draws_and_gives_all_that_follows(every_kind, tmp_path):
    for kind in ("nested", "learned"):
        tree = every_kind[kind]
        short = un.load(un.save(in_short(tree, "y"), tmp_path / "run.nc"))
        for group in {"prior", "prior_predictive", "posterior"} & {*tree.children}:
            for name, values in tree[group].data_vars.items():
                assert short[group][name].identical(values)
        assert un.summarize(short).identical(un.summarize(tree, quantities=["y"]))
    again = whole(short)
    for group in ("log_prior", "log_likelihood", "posterior_predictive", "observed_data"):
        for name, values in tree[group].data_vars.items():
            np.testing.assert_array_equal(again[group][name].values, values.values)
    assert un.check_fit(short).equals(un.check_fit(tree))
    page = un.write_report(short, tmp_path / "report")
    assert {"updated.svg", "movement.svg", "fit.svg"} <= {path.name for path in page}


def test_statistics_of_outputs_that_were_not_asked_for_are_refused(lognormals, tmp_path):
    laws = lognormals.priors()["assumptions"]
    laws["c"]["varies"] = "query"
    model = lambda a, b, c: {"y": a * b * c, "x": a * c}  # noqa: E731  # one line says it
    problem = un.build_problem({"schema": 1, "assumptions": laws}, model=model)
    tree = un.simulate(problem, draws=64, quantities=["x"])
    assert {*tree["prior_predictive"].data_vars} == {"x", "y"}
    assert un.summarize(tree)["quantity"].values.tolist() == ["x"]
    with pytest.raises(un.InputError, match="no statistics of y were kept"):
        un.summarize(tree, quantities=["y"])
    with pytest.raises(un.InputError, match="z"):
        un.simulate(problem, draws=64, quantities=["z"])


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
    with pytest.raises(un.InputError, match="attribute 'bad' of / cannot be saved"):
        un.save(broken, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_attributes_that_netcdf_does_not_hold_are_kept_as_json(small, tmp_path):
    added = {"none": None, "facts": {"a": [1, "x"]}, "flag": True, "texts": ["a", "b"]}
    tree = small.copy()
    tree.attrs |= added
    tree["prior"]["a"].attrs["facts"] = added
    again = un.load(un.save(tree, tmp_path / "x.nc"))
    assert {name: json.loads(again.attrs[name]) for name in added} == added
    assert json.loads(again["prior"]["a"].attrs["facts"]) == added
    assert tree.attrs["none"] is None  # saving changes nothing of what is saved


@pytest.mark.parametrize("value", [2**70, "a\0b", 1 + 2j, "\ud800"])
def test_what_no_file_can_keep_is_refused_in_a_sentence(small, tmp_path, value):
    tree = small.copy()
    tree.attrs["odd"] = value
    with pytest.raises(un.InputError, match="cannot be (saved|written)"):
        un.save(tree, tmp_path / "x.nc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, b"", b"no netcdf", "other"])
def test_files_that_are_no_result_are_refused(content, tmp_path):
    path = tmp_path / "x.nc"
    if content == "other":
        xr.Dataset({"a": 1}).to_netcdf(path, engine="h5netcdf")
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(un.InputError, match="no such file|is not a result"):
        un.load(path)


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 5000, "\ud800", "/proc"])
def test_names_that_no_file_has_are_refused(small, name):
    with pytest.raises(un.InputError, match="no such file|is not a file"):
        un.load(name)
    with pytest.raises(un.InputError, match="cannot be written"):
        un.save(small, name)


@pytest.fixture(scope="module")
def small(lognormals):
    return un.simulate(un.build_problem(lognormals.priors(), model=lognormals.model), draws=64)


def test_one_changed_byte_anywhere_is_damage(small, tmp_path):
    path = un.save(small, tmp_path / "run.nc")
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    places = random.integers(0, len(whole), 200)
    for place in [*range(10), *places, *range(len(whole) - 100, len(whole))]:
        content = bytearray(whole)
        content[place] ^= 1 << int(random.integers(8))
        path.write_bytes(content)
        with pytest.raises(un.InputError, match="is damaged"):
            un.load(path)


def test_a_file_cut_or_lengthened_is_damaged(small, tmp_path):
    path = un.save(small, tmp_path / "run.nc")
    whole = path.read_bytes()
    for end in [1, 7, 8, 100, len(whole) // 2, len(whole) - 91, len(whole) - 1]:
        for content in (whole[:end], whole + whole[:end]):
            path.write_bytes(content)
            with pytest.raises(un.InputError, match="is damaged"):
                un.load(path)


def test_a_result_that_others_changed_is_refused(small, tmp_path):
    path = un.save(small, tmp_path / "run.nc")
    with xr.open_datatree(path, engine="h5netcdf") as opened:  # other readers take it as it is
        other = opened.load()
    assert other.identical(small)
    other.to_netcdf(path, engine="h5netcdf")
    with pytest.raises(un.InputError, match="checksum is missing"):
        un.load(path)


def test_a_whole_file_that_is_no_result_is_refused_in_a_sentence(tmp_path):
    for content in (b"", b"words", b"\x89HDF\r\n\x1a\n" + bytes(200)):
        seal = hashlib.sha256(content).hexdigest().encode()
        (tmp_path / "x.nc").write_bytes(content + b"\nuncertainty result, sha256 " + seal)
        with pytest.raises(un.InputError, match=r"x\.nc: cannot be read"):
            un.load(tmp_path / "x.nc")


WRONG = [3.5, "[", "[[]]", '{"a": {}}']


def refused(tree, match):
    """Neither kept, nor reported: in a sentence."""
    with pytest.raises(un.InputError, match=match):
        check_tree(tree)


def test_every_attribute_is_there_and_of_its_type_or_named(small):
    """Each odd value is taken, where it may stand, or refused in a sentence that names it."""
    needed = ["title", "notices", "warnings", "versions", "prior_files", "seed", "priors_sha256"]
    for name in needed:
        odd = small.copy()
        del odd.attrs[name]
        refused(odd, f"attribute '{name}' is missing")
    optional = [
        "recipe",
        "problem",
        "evidence",
        "lost_means",
        "rarest",
        "rarest_spread",
        "rarest_query",
        "pareto_k",
        "sampler",
    ]
    for name in [*needed, "draws", "queries", *optional]:
        for value in WRONG:
            text = name in ("title", "priors_sha256", "problem", "sampler")
            odd = small.copy()
            odd.attrs[name] = value
            if (text and isinstance(value, str)) or (name == "pareto_k" and value == 3.5):
                check_tree(odd)
            else:
                refused(odd, f"attribute '{name}' must be a")


@pytest.mark.parametrize(("name", "value"), [("units", 1.0), ("quoted", "often"), ("law", None)])
def test_labels_of_variables_are_texts(small, name, value):
    odd = small.copy()
    odd["central"]["y"].attrs[name] = value
    refused(odd, f"attribute '{name}' of /central/y must be a")


@pytest.mark.parametrize("name", ["versions", "notices", "seed"])
def test_a_spoiled_result_is_neither_saved_nor_reported(small, tmp_path, name):
    missing, wrong = small.copy(), small.copy()
    del missing.attrs[name]
    wrong.attrs[name] = "["
    for odd in (missing, wrong):
        for use, *more in (
            *((w, tmp_path / "x") for w in (un.save, un.write_report, un.write_assumptions)),
            (un.write_provenance, tmp_path / "x"), (un.summarize,), (un.exceedance, 1.0),
            (un.share_per_query,), (un.summarize_inputs,), (un.predict, [{}]),
            (partial(un.rank_inputs, method="correlation"),),
        ):  # fmt: skip
            with pytest.raises(un.InputError, match=f"attribute '{name}' (is missing|must be)"):
                use(odd, *more)
    assert not list(tmp_path.iterdir())


def test_what_is_loaded_is_checked_as_what_is_saved(small, tmp_path, monkeypatch):
    odd = small.copy()
    del odd.attrs["seed"]
    with monkeypatch.context() as unchecked:
        unchecked.setattr("uncertainty.results.tree.check_tree", lambda tree: None)
        path = un.save(odd, tmp_path / "x.nc")
    with pytest.raises(un.InputError, match=r"x\.nc: .* attribute 'seed' is missing"):
        un.load(path)


def test_missing_groups_and_odd_arrays_are_named(small):
    def changed(change, match):
        odd = small.copy()
        change(odd)
        refused(odd, match)

    changed(lambda t: t.children["central"].orphan(), "group 'central' is missing")
    changed(lambda t: t.children["prior"].orphan(), "group 'prior' is missing")
    changed(lambda t: t["central"].__delitem__("y"), "central/y is missing")
    changed(lambda t: t["prior_predictive"].__delitem__("y"), "prior_predictive/y is missing")
    words = xr.DataArray([["a"] * 4] * 16, dims=("chain", "draw"))
    changed(lambda t: t["prior_predictive"].update({"y": words}), "must hold numbers")
    flags = xr.ones_like(small["prior_predictive"]["y"], bool)
    changed(lambda t: t["prior_predictive"].update({"y": flags}), "must hold numbers")
    turned = small["prior_predictive"]["y"].T
    changed(lambda t: t["prior_predictive"].update({"y": turned}), "the dimensions chain")
    changed(lambda t: t.attrs.update(result_format=0), "has format 0, and this version reads 1")
    changed(lambda t: t.attrs.update(inference_library="other"), "not written by uncertainty")


def test_inputs_that_are_no_numbers_are_not_ranked(small):
    odd = small.copy(deep=True)
    name = next(iter(odd["prior"].data_vars))
    odd["prior"][name].values[0, 0] = np.nan
    with pytest.raises(un.InputError, match=f"{name} is not a number in some of the draws"):
        un.rank_inputs(odd, method="correlation")


@pytest.fixture(scope="module")
def every_kind(lognormals):
    """One small result of each layout."""
    laws = lognormals.priors()["assumptions"]
    flat = un.build_problem(lognormals.priors(), model=lognormals.model)
    varied = {"schema": 1, "assumptions": {**laws, "c": {**laws["c"], "varies": "query"}}}
    nested = un.build_problem(varied, model=lognormals.model)
    evidence = {"schema": 1, "observes": "y", "error": {"lognormal": {"sigma": 0.3}},
                "columns": ["value"], "rows": [[4.0], [5.0]]}  # fmt: skip
    learned = un.build_problem(varied, model=lognormals.model, evidence=evidence)
    return {
        "flat": un.simulate(flat, draws=64),
        "nested": un.simulate(nested, draws=64),
        "stream": un.stream(nested, draws=2048),
        "learned": un.infer(learned, draws=100, warmup=100, chains=2, prior_draws=64),
    }


@pytest.mark.parametrize(
    "kind",
    [  # what was learned has the groups of a prior too
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("flat", "nested")),
        "stream",
        "learned",
    ],
)
def test_a_sealed_result_that_contradicts_itself_is_refused(every_kind, kind, tmp_path):
    whole = every_kind[kind]
    assert un.load(un.save(whole, tmp_path / "x.nc")).identical(whole)  # all of it is kept
    counts = ["draws", "queries", "randomizations", "posterior_chains", "posterior_draws"]
    for name in counts:
        for value in (10**9, 0, -1) if name in whole.attrs else ():
            if name == "queries" and value > 0 and kind != "stream":
                continue  # kept nowhere else, and any number may be
            odd = whole.copy()
            odd.attrs[name] = value
            refused(odd, f"attributes? .*{name}'")
    for group, node in whole.children.items():
        for dim in (str(dim) for dim in node.sizes):
            # How many of these there are is nobody else's matter.
            if node.sizes[dim] > 1 and dim not in ("place", "behind", "scale", "input"):
                odd = whole.copy()
                odd[group] = node.to_dataset().isel({dim: slice(1)})
                refused(odd, "must|is not the number|there are|not what")
        needed = {"y", "y_edges", "y_moments", "evidence", *(["a"] if kind == "learned" else [])}
        if group not in ("prior_exceedance", "sample_stats"):
            for name in needed & {*map(str, node.data_vars)}:
                odd = whole.copy()
                odd[group] = node.to_dataset().drop_vars(name)
                refused(odd, f"{group}/{name} is missing")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["flat", "nested", "stream"])
def test_what_is_not_finite_is_refused_or_said(every_kind, kind, value, tmp_path):
    """No traceback, no warning of NumPy, and no figure that hides it."""
    from uncertainty.report.result import doubts, headline

    whole = every_kind[kind]
    for group, node in whole.children.items():
        for name in {"a", "y", "y_edges", "y_moments", "evidence", "lp"} & {*node.data_vars}:
            if node[name].dtype.kind != "f":
                continue
            odd = whole.copy(deep=True)
            odd[group].dataset.variables[name].values.reshape(-1)[:1] = value
            try:
                loaded = un.load(un.save(odd, tmp_path / "x.nc"))
                table = un.summarize(loaded)
                if group == "prior_predictive" and kind == "flat":
                    row = table.sel(quantity="y", statistic="query")
                    assert not np.isfinite(float(row["mean"]))
                    assert doubts(loaded, headline(loaded, "y", [un.summarize(loaded)]))
                if "prior" in loaded.children:
                    un.summarize_inputs(loaded)
                un.exceedance(loaded, 1.0, "y")
                un.rank_inputs(loaded, method="correlation")
            except un.InputError:
                continue

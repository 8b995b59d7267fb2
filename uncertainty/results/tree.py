"""What a result holds: an `xarray.DataTree` as ArviZ lays it out, saved whole and checked.

Dimensions are ``chain`` (an independent randomization) and ``draw``. Groups:

- ``prior``: assumptions; ``prior_predictive``: outputs (one query for each epistemic draw), numbers
  of which only a chain has a distribution: ArviZ's ``plot_ppc_dist`` takes ``sample_dims="chain"``;
- ``central``: outputs at the central assumptions;

and where something varies per query:

- ``prior_statistics``: of the queries of each draw;
- ``prior_query_quantiles``: of all queries of a chain;
- ``prior_control``: outputs with what varies per query at its median, and
  ``prior_control_quantiles``: the same from many more points.

With evidence also, over the chains and draws of a Markov chain:

- ``posterior``: assumptions, and the effect of each group of rows; ``posterior_predictive``:
  a new measurement of each row under the name of its evidence and, as coordinates, outputs (one
  query for each draw);
- ``log_prior``: of each assumption on its natural scale; ``log_likelihood``: of each row;
  ``sample_stats``; ``observed_data``: what was measured, NaN where it was censored (its limits are
  coordinates, ``NAME_at_least`` and ``NAME_at_most``);
- ``unconstrained_posterior``: the standard normal scores that were sampled;
- ``posterior_statistics`` and ``posterior_query_quantiles`` where something varies per query.

A streamed result has no draws, but for each output, by ``statistic`` and ``chain``:

- ``prior_sketch``: counts of values in bins of equal relative width, with ``NAME_edges``, the
  ends of these bins (a bin without a width holds a value that repeats, or is infinite; what is not
  a number has none; each ``statistic`` has its own where they differ), and ``NAME_moments``:
  number, number not finite, mean, variance and standard deviation (and ``NAME_grain``, the distance
  between values that lie on a lattice);

and where they were asked for:

- ``prior_exceedance``: share of the values above each threshold;
- ``prior_correlation``: of each unknown input's normal score with the output, by ``scale``;
- ``prior_largest`` and ``prior_largest_inputs``: the largest values, and the inputs behind them.
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.errors import DISTRIBUTION, InputError
from uncertainty.results.estimate import LEVELS, QUERY_STATISTICS
from uncertainty.writing import reason, refuse_inputs, replacing

if TYPE_CHECKING:
    import xarray as xr

STATISTICS = ("typical", "mean", "query")
"""Of the queries of one state of the world: their median, their mean, or any one of them."""
MOMENTS = ("number", "not_finite", "mean", "variance", "sd")
"""What ``NAME_moments`` holds of each chain."""
BATCHES = 4
"""Parts of a Markov chain that stand in for independent randomizations in standard errors."""

_FORMAT = 1
"""Of the layout above; results of another format are refused by `load`."""
_LIBRARIES = ("jax", "numpyro", "numpy", "scipy", "xarray", "arviz-stats")
_SEAL = b"\nuncertainty result, sha256 "
"""Stands after the end of the HDF5 file, where its readers do not look, before the checksum."""
_SEALED = len(_SEAL) + 64
_COMPRESSED = 1000  # numbers: of fewer, compression would take more time than it saves bytes
_HDF5 = b"\x89HDF\r\n\x1a\n"

Labels: TypeAlias = Mapping[str, Mapping[str, str]]
Arrays: TypeAlias = Mapping[str, "Floats | float | tuple[Sequence[str], np.ndarray]"]
"""Arrays by name, with dimensions where these are not those of the group."""


class _Group(NamedTuple):
    """What a group must hold: a row of the table `_GROUPS`."""

    dims: tuple[str, ...] = ()
    """The first dimensions of its arrays."""
    like: str = ""
    """A group with as many chains and draws."""
    needed: str = ""
    """The kind of result that has it; empty where it may be missing."""
    names: tuple[str, ...] = ()
    """Which names it must hold: those of outputs, of updated assumptions, of evidence."""
    labels: Mapping[str, Sequence[object]] = {}
    """What stands along a dimension, where it is read by name or place."""


_DRAWN = ("chain", "draw")
_BY_STATISTIC = {"statistic": QUERY_STATISTICS}
_BY_LEVEL = {"level": LEVELS.tolist()}
_GROUPS: Mapping[str, _Group] = {
    "central": _Group((), "", "any", ("outputs",)),
    "prior": _Group(_DRAWN, "", "drawn", ("updated",)),
    "prior_predictive": _Group(_DRAWN, "prior", "drawn", ("outputs",)),
    "prior_statistics": _Group(
        (*_DRAWN, "statistic"), "prior", "nested", ("summarized",), _BY_STATISTIC
    ),
    "prior_query_quantiles": _Group(
        ("chain", "level"), "prior", "nested", ("summarized",), _BY_LEVEL
    ),
    "prior_control": _Group(_DRAWN, "prior", "", ("summarized",)),
    "prior_control_quantiles": _Group(
        ("chain", "level"), "prior", "controlled", ("summarized",), _BY_LEVEL
    ),
    "posterior": _Group(_DRAWN, "", "learned", ("updated",)),
    "posterior_predictive": _Group(_DRAWN, "posterior", "learned", ("replicated", "outputs")),
    "log_prior": _Group(_DRAWN, "posterior", "whole", ("updated",)),
    "log_likelihood": _Group(_DRAWN, "posterior", "whole", ("evidence",)),
    "sample_stats": _Group(_DRAWN, "posterior", "learned"),
    "observed_data": _Group((), "", "whole", ("evidence",)),
    "unconstrained_posterior": _Group(_DRAWN, "posterior", "learned", ("updated",)),
    "posterior_statistics": _Group(
        (*_DRAWN, "statistic"), "posterior", "learned nested", ("summarized",), _BY_STATISTIC
    ),
    "posterior_query_quantiles": _Group(
        ("batch", "level"), "posterior", "learned nested", ("summarized",), _BY_LEVEL
    ),
    "prior_sketch": _Group(
        (), "", "streamed", ("outputs",), {"statistic": ("query",), "moment": MOMENTS}
    ),
    "prior_exceedance": _Group(("statistic", "chain"), "prior_sketch"),
    "prior_correlation": _Group(("statistic", "chain", "scale", "input"), "prior_sketch"),
    "prior_largest": _Group(("statistic", "place")),
    "prior_largest_inputs": _Group(("statistic", "behind", "place")),
}

_TEXTS = [str]
_FILE = {"path": str, "sha256": str, "text": str}
_OPEN = {"rows": [int], "shared": [str], "averaged": [str]}
_MEASURED = {
    **dict.fromkeys(
        ("name", "title", "source", "sha256", "path", "text", "observes", "boundary"), str
    ),
    "rows": int,
    "open": [_OPEN],
}
_WORDS: Mapping[object, str] = {str: "a text", int: "a whole number", float: "a number"}
_Attribute: TypeAlias = tuple[str, object, str]
_ATTRIBUTES: Mapping[str, _Attribute] = {
    **dict.fromkeys(
        (
            "title", "subject", "model", "scenario", "given", "priors", "priors_text",
            "priors_sha256", "created_at", "inference_library_version",
        ),
        ("any", str, ""),
    ),
    **dict.fromkeys(("seed", "draws", "randomizations", "queries"), ("any", int, "")),
    "versions": ("any", {...: str}, "a mapping of texts, as JSON"),
    "prior_files": ("any", [_FILE], "a list of files with path, sha256 and text, as JSON"),
    "notices": ("any", _TEXTS, "a list of texts, as JSON"),
    "warnings": ("any", _TEXTS, "a list of texts, as JSON"),
    "evidence": ("learned", [_MEASURED], "a list of evidence, as JSON"),
    "updated": ("learned", _TEXTS, "a list of texts, as JSON"),
    "pareto_k": ("learned", float, ""),
    "posterior_chains": ("learned", int, ""),
    "posterior_draws": ("learned", int, ""),
    **dict.fromkeys(("problem", "command", "executor", "updated_by", "sampler"), ("", str, "")),
    "recipe": ("", (None, {"priors": str}), "a mapping or null, as JSON"),
    "lost_means": ("", _TEXTS, "a list of texts, as JSON"),
    "ruled_means": ("", _TEXTS, "a list of texts, as JSON"),
    **dict.fromkeys(
        ("rarest", "rarest_spread", "rarest_query"),
        ("", {...: float}, "a mapping of numbers, as JSON"),
    ),
    "open_medians": ("", {...: [float]}, "a mapping of pairs of numbers, as JSON"),
    **dict.fromkeys(
        (
            "log_evidence", "log_evidence_se", "sketch_relative_error", "log_share_per_query",
            "log_share_per_query_se",
        ),
        ("", float, ""),
    ),
    "short": ("", int, ""),
}  # fmt: skip
"""The kind of result that needs each attribute of a result (none where it may be missing), its
shape (see `_fits`), and what that is called where it is written as JSON."""
_LABELS = (
    "units", "source", "basis", "group", "note", "solved_for", "varies", "law", "coordinate",
    "boundary", "part_of", "long_name", "quoted",
)  # fmt: skip
"""Attributes of variables: each is a text where it is there."""


def provenance(**facts: str | int | float) -> dict[str, str | int | float]:
    """Attributes that say where a result comes from, with the versions that made it."""
    versions = {"uncertainty": version(DISTRIBUTION), **{n: version(n) for n in _LIBRARIES}}
    return {
        **facts,
        "result_format": _FORMAT,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "inference_library": "uncertainty",
        "inference_library_version": versions["uncertainty"],
        "versions": json.dumps(versions),
    }


def build_tree(
    groups: Mapping[str, Arrays],
    labels: Labels,
    attributes: Mapping[str, str | int | float],
    coords: Mapping[str, Sequence[object] | Floats],
    prior: "xr.DataTree | None" = None,
) -> "xr.DataTree":
    """Lay out a result.

    Parameters
    ----------
    groups : mapping of str to mapping of str to array
        Arrays by group and name, as (dims, array) where the dimensions are not those of the group.
    labels : mapping
        Attributes (unit, source, ...) of inputs and outputs by name.
    attributes : mapping
        From `provenance`.
    coords : mapping
        Coordinates of dimensions by name, in those groups that have them.
    prior : xarray.DataTree, optional
        A result whose groups and attributes stand beside these.
    """
    import xarray as xr  # late: it takes most of a second

    datasets, facts = dict[str, xr.Dataset](), dict[Hashable, object]()
    if prior is not None:
        datasets = {str(name): node.to_dataset() for name, node in prior.children.items()}
        facts = dict(prior.attrs)
    for group, arrays in groups.items():
        dataset = xr.Dataset()
        for name, values in arrays.items():
            pair = values if isinstance(values, tuple) else (_GROUPS[group].dims, values)
            dataset[name] = (*pair, dict(labels.get(name, {})))
        if group in ("posterior_predictive", "observed_data"):
            # ArviZ compares every variable of the one group with that of the other. Outputs, which
            # were not observed, and the limits of censored rows, which nothing predicts, stand
            # beside them as coordinates: read by name as before, but not compared.
            rows = groups["log_likelihood"]
            dataset = dataset.set_coords([n for n in dataset.data_vars if n not in rows])
        numbers = {dim: np.arange(dataset.sizes[dim]) for dim in _DRAWN if dim in dataset.dims}
        given = {name: list(values) for name, values in coords.items() if name in dataset.dims}
        datasets[group] = dataset.assign_coords({**numbers, **given})
    root = xr.Dataset(attrs={**facts, **attributes})
    return xr.DataTree.from_dict({"/": root, **datasets})


def is_streamed(tree: "xr.DataTree") -> bool:
    """Whether a result has a sketch in place of draws."""
    return "prior_sketch" in tree.children


def is_nested(tree: "xr.DataTree") -> bool:
    """Whether something varies from query to query."""
    if is_streamed(tree):
        return "typical" in tree["prior_sketch"].to_dataset()["statistic"].values
    return "prior_statistics" in tree.children


def summarized(tree: "xr.DataTree") -> list[str]:
    """Outputs of which there are statistics over queries; all where nothing varies per query."""
    group = "prior_statistics" if "prior_statistics" in tree.children else "central"
    return [str(name) for name in tree[group].data_vars]


def in_short(tree: "xr.DataTree", quantity: str) -> "xr.DataTree":
    """Keep the draws of a result, and statistics over queries of one output.

    Of a posterior the scores that were sampled stay, those of groups to 32 bits, and what follows
    from them is left out, most of the bytes: `uncertainty.inference.whole` computes it again.
    """
    import xarray as xr

    kept, learned = dict[str, xr.Dataset](), "posterior" in tree.children
    updated = json.loads(str(tree.attrs["updated"])) if learned else []
    for name, node in tree.children.items():
        group, row = node.to_dataset(), _GROUPS[name]
        if "summarized" in row.names:
            group = group[[quantity]]
        elif row.needed == "whole":
            continue
        elif name == "unconstrained_posterior":
            effects = [v for v in group.data_vars if group[v].ndim > len(_DRAWN)]
            rounded = group[effects].astype(np.float32).astype(np.float64)
            group = group[updated].merge(rounded)
        elif row.needed == "learned":
            # Draws of assumptions and of outputs; not those of single rows and their groups.
            group = group.drop_dims([dim for dim in group.dims if dim not in _DRAWN])
        kept[name] = group
    facts = {**tree.attrs, "short": 1} if learned else tree.attrs
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=facts), **kept})


def inputs_of(tree: "xr.DataTree") -> list[Path]:
    """Files that a result was computed from, as they are called from the current folder."""
    text = tree.attrs.get("prior_files", "")
    return [Path(file["path"]) for file in json.loads(text)] if _is_json(text, [_FILE]) else []


def warnings_of(tree: "xr.DataTree") -> list[str]:
    """Sentences on why the result is not to be trusted; empty where it is."""
    return list(json.loads(str(tree.attrs.get("warnings", "[]"))))


def save(tree: "xr.DataTree", path: str | Path) -> Path:
    """Write a result to a NetCDF file, whole or not at all.

    Attributes that NetCDF does not hold (None, mappings, lists, booleans) are kept as JSON.

    Parameters
    ----------
    tree : xarray.DataTree
    path : str or Path
        Its folder is made where there is none.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If it cannot be written, is one of the files that the result was computed from, or holds
        what no file can keep, or what `load` would refuse.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=256)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     same = un.load(un.save(tree, f"{folder}/run.nc"))
    >>> same.identical(tree)
    True
    """
    path = Path(path)
    refuse_inputs([path], inputs_of(tree))
    copy = tree.copy(deep=False)  # of the labels, not the numbers
    for node in copy.subtree:
        node.attrs = _plain(node.attrs, node.path)
        for name, values in node.variables.items():
            values.attrs = _plain(values.attrs, f"{node.path.rstrip('/')}/{name}")
    check_tree(copy)
    try:
        # In memory first: the HDF5 library can crash where a disk is full.
        content = _netcdf(copy)
    except Exception as error:  # of xarray or h5py, each of its own kinds
        raise InputError.of(str(path), f"cannot be written: {reason(error)}") from error
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.write(_SEAL + hashlib.sha256(content).hexdigest().encode())
    return path


def _netcdf(tree: "xr.DataTree") -> bytes:
    """Lay a result out as NetCDF-4, which is HDF5 with dimensions.

    xarray's own way takes 10 ms a variable, since h5netcdf looks each dimension up again and again.
    """
    import h5py
    from xarray.conventions import encode_cf_variable, encode_dataset_coordinates

    buffer, number = io.BytesIO(), count()  # dimensions are numbered throughout a file
    with h5py.File(buffer, "w", track_order=True) as file:
        for node in tree.subtree:
            group = file if node is tree else file.create_group(node.path, track_order=True)
            dataset = node.to_dataset(inherit=False)
            variables, facts = encode_dataset_coordinates(dataset)
            group.attrs.update(facts)
            # Dimensions first: the others refer to them.
            arrays = {
                dim: group.create_dataset(str(dim), (size,), ">f4")
                for dim, size in dataset.sizes.items()
                if dim not in variables
            }
            for name in sorted(variables, key=lambda name: name not in dataset.sizes):
                variable = variables[name].copy(deep=False)
                variable.encoding = {"_FillValue": None}  # every number is what it says
                variable = encode_cf_variable(variable, name=name)
                values, options = np.asarray(variable.values), dict[str, object]()
                if values.dtype.kind in "UO":
                    values, options["dtype"] = values.astype(object), h5py.string_dtype()
                elif values.size > _COMPRESSED:
                    # Bytes of one significance side by side: a constant takes no room, and draws
                    # of one sign and size a fifth less.
                    options = {"chunks": values.shape, "compression": 1, "shuffle": True}
                arrays[name] = array = group.create_dataset(str(name), data=values, **options)
                array.attrs.update(variable.attrs)
                if name not in dataset.sizes:
                    for place, dim in enumerate(variable.dims):
                        array.dims[place].attach_scale(arrays[dim])
            for dim, size in dataset.sizes.items():
                nothing = f"This is a netCDF dimension but not a netCDF variable.{size:10}"
                arrays[dim].make_scale(str(dim) if dim in variables else nothing)
                arrays[dim].attrs["_Netcdf4Dimid"] = np.int32(next(number))
    return buffer.getvalue()


def _plain(attributes: Mapping[Hashable, object], place: str) -> dict[str, object]:
    """Give attributes that NetCDF holds."""
    plain: dict[str, object] = {}
    for name, value in attributes.items():
        number = isinstance(value, Real | np.ndarray) and not isinstance(value, bool | np.bool_)
        try:
            plain[str(name)] = value if number or isinstance(value, str) else json.dumps(value)
        except (TypeError, ValueError) as error:
            text = f"attribute {name!r} of {place} cannot be saved: {reason(error)}"
            raise InputError.of("<result>", f"{text}; give text, a number or JSON") from error
    return plain


def load(path: str | Path) -> "xr.DataTree":
    """Read a result that `save` wrote, bit for bit, into memory.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    xarray.DataTree

    Raises
    ------
    InputError
        If there is no such file, or it is damaged, or not a result of this version.

    Examples
    --------
    >>> load("nowhere.nc")
    Traceback (most recent call last):
    ...
    uncertainty.errors.InputError: nowhere.nc: no such file
    """
    import xarray as xr  # late: it takes most of a second

    where = str(path)
    if not os.path.isfile(path):  # noqa: PTH113  # Path.is_file raises on odd names
        there = os.path.exists(path)  # noqa: PTH110  # so does this
        raise InputError.of(where, "is not a file" if there else "no such file")
    try:
        fault = _broken_seal(Path(path))
        if fault:
            raise InputError.of(where, fault)
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            result = tree.load()
    except InputError:
        raise
    except Exception as error:  # of the system, xarray, h5netcdf or h5py, each of its own kinds
        raise InputError.of(where, f"cannot be read: {reason(error)}") from error
    check_tree(result, where)
    return result


def _broken_seal(path: Path) -> str:
    """Say what is wrong with a file as bytes, before any library makes sense of them."""
    left = path.stat().st_size - _SEALED
    with path.open("rb") as file:
        first = file.read(len(_HDF5))
        file.seek(max(left, 0))
        seal = file.read(_SEALED)
        if not seal.startswith(_SEAL) and first != _HDF5:
            return "is damaged, or is not a result of uncertainty"
        if not seal.startswith(_SEAL):
            return (
                "is damaged or changed (its checksum is missing), or is not a result of this "
                "version of uncertainty; run it anew"
            )
        file.seek(0)
        digest = hashlib.sha256()
        while left > 0 and (chunk := file.read(min(2**22, left))):  # a part of the memory at once
            digest.update(chunk)
            left -= len(chunk)
    if digest.hexdigest().encode() != seal[len(_SEAL) :]:
        return "is damaged: its content is not what was written; run it anew"
    return ""


def check_tree(tree: "xr.DataTree", where: str = "<result>") -> None:
    """Refuse a result that lacks, or contradicts, what is read from it later.

    Raises
    ------
    InputError
        Naming the first three faults.
    """
    facts, groups, faults = tree.attrs, tree.children, list[str]()
    if facts.get("inference_library") != "uncertainty":
        faults = ["it was not written by uncertainty"]
    elif facts.get("result_format") != _FORMAT:
        other = facts.get("result_format", "none")
        faults = [f"it has format {other}, and this version reads {_FORMAT}; run it anew"]
    kinds = {"any", "streamed" if "prior_sketch" in groups else "drawn"}
    kinds |= {"learned"} if "posterior" in groups else set()
    kinds |= {"whole"} if "posterior" in groups and not tree.attrs.get("short") else set()
    kinds |= {"controlled"} if "prior_control" in groups else set()
    if "prior_statistics" in groups:
        kinds |= {"nested", "learned nested"} if "learned" in kinds else {"nested"}
    # In steps: what one has refused cannot be read by the next.
    faults = faults or [*_wrong_attributes(tree, kinds)]
    faults = faults or [*_wrong_groups(tree, kinds)]
    faults = faults or [*_wrong_sizes(tree)]
    faults = faults or [*_wrong_counts(tree), *_wrong_numbers(tree)]
    if faults:
        raise InputError.of(where, f"is not a result that can be used: {'; '.join(faults[:3])}")


def _wrong_attributes(tree: "xr.DataTree", kinds: set[str]) -> Iterator[str]:
    for name, (needed, shape, words) in _ATTRIBUTES.items():
        value = tree.attrs.get(name)
        if name not in tree.attrs:
            if needed in kinds:
                yield f"attribute {name!r} is missing"
        elif not (_is_json(value, shape) if words else _fits(value, shape)):
            yield f"attribute {name!r} must be {words or _WORDS[shape]}"
    if "learned" in kinds and tree.attrs.get("evidence") == "[]":
        yield "attribute 'evidence' must be a list of evidence, as JSON"
    for node in tree.subtree:
        for variable, values in node.variables.items():
            for name in _LABELS:
                if not isinstance(values.attrs.get(name, ""), str):
                    yield f"attribute {name!r} of {node.path}/{variable} must be a text"
            if values.attrs.get("quoted", "mean") not in STATISTICS:
                yield f"attribute 'quoted' of {node.path}/{variable} must be a statistic"


def _is_json(value: object, shape: object) -> bool:
    try:
        return isinstance(value, str) and _fits(json.loads(value), shape)
    except (ValueError, RecursionError):
        return False


def _fits(value: object, shape: object) -> bool:
    """Whether a value has a shape.

    A type; a list with the shape of its items; a mapping with the shape of each key, or (under an
    ellipsis) of all; or a tuple of shapes, of which it has one.
    """
    if isinstance(shape, tuple):
        return any(_fits(value, one) for one in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(item, shape[0]) for item in value)
    if isinstance(shape, dict):
        keys = (
            dict.fromkeys(value, shape[...]) if ... in shape and isinstance(value, dict) else shape
        )
        return isinstance(value, dict) and all(
            k in value and _fits(value[k], keys[k]) for k in keys
        )
    if shape is None or shape is str:
        return value is None if shape is None else isinstance(value, str)
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole or (shape is float and isinstance(value, float | np.floating))


def _wrong_groups(tree: "xr.DataTree", kinds: set[str]) -> Iterator[str]:
    """Compare groups, the names in them and their first dimensions with the table."""
    groups, facts = tree.children, tree.attrs
    missing = [n for n, row in _GROUPS.items() if row.needed in kinds and n not in groups]
    if missing:
        yield from (f"group {name!r} is missing" for name in missing)
        return
    evidence = [e["name"] for e in json.loads(facts["evidence"])] if "learned" in kinds else []
    outputs = [str(name) for name in groups["central"].data_vars]
    names = {
        "outputs": outputs,
        "updated": json.loads(facts["updated"]) if "learned" in kinds else [],
        "evidence": evidence,
        "replicated": evidence if "whole" in kinds else [],
        "summarized": summarized(tree) or outputs,  # none at all is a fault
    }
    drawn = groups["prior_sketch" if "streamed" in kinds else "prior_predictive"].data_vars
    part = "_(edges|moments|grain)$" if "streamed" in kinds else "$"
    lost = (re.sub(part, "", str(name)) for name in drawn if name not in names["outputs"])
    lost = (name for name in dict.fromkeys(lost) if name not in names["outputs"])
    yield from (f"central/{name} is missing" for name in lost)
    for group, node in groups.items():
        row = _GROUPS.get(group, _Group())
        ends = ("", "_edges", "_moments") if group == "prior_sketch" else ("",)
        for name in (f"{n}{end}" for part in row.names for n in names[part] for end in ends):
            if name not in node.variables:
                yield f"{group}/{name} is missing"
        for variable, values in node.data_vars.items():
            # Whether a step diverged is true or false; what is named is computed with.
            if values.dtype.kind not in ("fiu" if row.names else "fiub"):
                yield f"{group}/{variable} must hold numbers"
            elif values.dims[: len(row.dims)] != row.dims or (group == "central" and values.dims):
                dims = ", ".join(row.dims) or "of a number"
                yield f"{group}/{variable} must have the dimensions {dims}"


def _wrong_sizes(tree: "xr.DataTree") -> Iterator[str]:
    """Compare the dimensions of groups that are read together."""
    groups = tree.children
    for group, node in groups.items():
        row = _GROUPS.get(group, _Group())
        for dim, needed in row.labels.items():
            there = node.coords[dim].values.tolist() if dim in node.coords else []
            # Levels are read by place, the others by name.
            if there != [*needed] if dim == "level" else not {*needed} <= {*there}:
                yield f"{group} must have, by {dim}, {', '.join(map(str, needed[:5]))}"
        sizes = dict(groups[row.like].sizes) if row.like in groups else {}
        sizes |= {"batch": sizes["chain"] * BATCHES} if "chain" in sizes else {}
        # Draws that weights have chosen have no statistics of a sampler: that group is empty.
        for dim in row.dims if node.data_vars else ():
            if dim in (*_DRAWN, "batch") and node.sizes[dim] != sizes.get(dim, node.sizes[dim]):
                yield f"{group} must have as many of {dim} as the group {row.like}"
    for item in json.loads(tree.attrs["evidence"]) if "observed_data" in groups else ():
        for group in ("log_likelihood", "posterior_predictive", "observed_data"):
            if groups[group][item["name"]].shape[-1:] != (item["rows"],):
                yield f"{group}/{item['name']} must have the {item['rows']} rows of its evidence"
    for name in tree["central"].data_vars if "prior_sketch" in groups else ():
        for part, last in (("", f"{name}_bin"), ("_moments", "moment")):
            if groups["prior_sketch"][f"{name}{part}"].dims != ("statistic", "chain", last):
                yield f"prior_sketch/{name}{part} must have the dimensions statistic, chain, {last}"


def _wrong_counts(tree: "xr.DataTree") -> Iterator[str]:
    """Compare what a result says of its size with its arrays: standard errors follow from it."""
    facts, nested = tree.attrs, is_nested(tree)
    if is_streamed(tree):
        sketch = tree["prior_sketch"].dataset
        chains = sketch.sizes["chain"]
        whole = facts["draws"] * (facts["queries"] if nested else 1)
        for name in tree["central"].data_vars:
            counted = sketch[f"{name}_moments"].sel(statistic="query", moment="number").sum()
            if counted != whole:
                yield f"attributes 'draws' and 'queries' are not what prior_sketch/{name} counts"
    else:
        chains = tree["prior"].sizes["chain"]
        if facts["draws"] != chains * tree["prior"].sizes["draw"]:
            yield f"attribute 'draws' is {facts['draws']}, which is not the number in the prior"
    if chains < 2 or facts["randomizations"] != chains:
        yield f"attribute 'randomizations' is {facts['randomizations']}, and there are {chains}"
    if facts["queries"] < (2 if nested else 1):
        yield f"attribute 'queries' is {facts['queries']}, which is too few"
    if facts["seed"] < 0:
        yield "attribute 'seed' must not be negative"
    for dim in _DRAWN if "posterior" in tree.children else ():
        if facts[f"posterior_{dim}s"] != tree["posterior"].sizes[dim]:
            yield f"attribute 'posterior_{dim}s' is not the number in the posterior"


def _wrong_numbers(tree: "xr.DataTree") -> Iterator[str]:
    """Find numbers that no result has; others may show what a model gave, infinite or NaN."""
    scores = tree.children.get("unconstrained_posterior")
    for name, values in scores.data_vars.items() if scores is not None else ():
        bad = float((~np.isfinite(values.values)).mean()) if values.size else 0.0
        if bad:
            share = f"{100 * bad:.3g} % of the draws"
            yield f"unconstrained_posterior/{name} is not finite for {share}"
    if not is_streamed(tree):
        return
    sketch = tree["prior_sketch"].dataset
    for name in tree["central"].data_vars:
        edges, counts = sketch[f"{name}_edges"].values, sketch[str(name)].values
        # The outermost are infinite where draws were; what is NaN ascends nowhere.
        if not (edges[..., 1:] >= edges[..., :-1]).all():
            yield f"prior_sketch/{name}_edges must ascend"
        if edges.shape[-1] != counts.shape[-1] + 1 or not (counts >= 0).all():
            yield f"prior_sketch/{name} must hold counts, one less than its edges"
        if not (sketch[f"{name}_moments"].sel(moment=["number", "not_finite"]).values >= 0).all():
            yield f"prior_sketch/{name}_moments must count what it holds"

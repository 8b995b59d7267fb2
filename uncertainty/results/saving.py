"""A result on disk: saved whole, sealed with a checksum, and checked when it is loaded."""

import hashlib
import json
import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uncertainty.errors import InputError
from uncertainty.results.estimate import LEVELS, QUERY_STATISTICS
from uncertainty.results.tree import FORMAT, MOMENTS, inputs_of
from uncertainty.writing import reason, refuse_inputs, replacing

if TYPE_CHECKING:
    import xarray as xr


_SEAL = b"\nuncertainty result, sha256 "
"""Stands after the end of the HDF5 file, where its readers do not look, before the checksum."""
_SEALED = len(_SEAL) + 64
_CHUNK = 2**22


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
        what no file can keep.

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
    try:
        # In memory first: the HDF5 library can crash where a disk is full.
        content = bytes(_with_plain_attributes(tree).to_netcdf(None, engine="h5netcdf"))
    except InputError:
        raise
    except Exception as error:  # of xarray, h5netcdf or h5py, each of its own kinds
        raise InputError.of(str(path), f"cannot be written: {reason(error)}") from error
    seal = _SEAL + hashlib.sha256(content).hexdigest().encode()
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.write(seal)
    return path


def _with_plain_attributes(tree: "xr.DataTree") -> "xr.DataTree":
    """Copy the labels, not the numbers, with attributes that NetCDF holds."""
    copy = tree.copy(deep=False)
    for node in copy.subtree:
        node.attrs = _plain(node.attrs, node.path)
        for name, values in node.variables.items():
            values.attrs = _plain(values.attrs, f"{node.path.rstrip('/')}/{name}")
    return copy


def _plain(attributes: Mapping[Hashable, object], place: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in attributes.items():
        number = isinstance(value, Real | np.ndarray) and not isinstance(value, bool | np.bool_)
        try:
            found[str(name)] = value if number or isinstance(value, str) else json.dumps(value)
        except (TypeError, ValueError) as error:
            text = f"attribute {name!r} of {place} cannot be saved: {reason(error)}"
            raise InputError.of("<result>", f"{text}; give text, a number or JSON") from error
    return found


def _checksum(path: Path, size: int) -> bytes:
    """Hash the first `size` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(_CHUNK, size))):
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest().encode()


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
    faults = list(_faults(result))
    if faults:
        raise InputError.of(where, f"is not a result that can be used: {'; '.join(faults[:3])}")
    return result


def _broken_seal(path: Path) -> str:
    """Say what is wrong with a file as bytes, before any library makes sense of them."""
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(8)
        file.seek(max(size - _SEALED, 0))
        seal = file.read(_SEALED)
    if not seal.startswith(_SEAL):
        if first != b"\x89HDF\r\n\x1a\n":
            return "is damaged, or is not a result of uncertainty"
        return (
            "is damaged or changed (its checksum is missing), or is not a result of this version "
            "of uncertainty; run it anew"
        )
    if _checksum(path, size - _SEALED) != seal[len(_SEAL) :]:
        return "is damaged: its content is not what was written; run it anew"
    return ""


def _faults(tree: "xr.DataTree") -> Iterator[str]:
    """Check at once all that is read from a result later."""
    if tree.attrs.get("inference_library") != "uncertainty":
        yield "it was not written by uncertainty"
        return
    if tree.attrs.get("result_format") != FORMAT:
        found = tree.attrs.get("result_format", "none")
        yield f"it has format {found}, and this version reads {FORMAT}; run it anew"
        return
    learned = "posterior" in tree.children
    optional = {name: kind for name, kind in _OPTIONAL.items() if name in tree.attrs}
    wanted = {**_ALWAYS, **(_LEARNED if learned else {}), **optional}
    faults = [*_wrong_attributes(tree.attrs, wanted), *_wrong_groups(tree)]
    yield from faults
    if not faults:  # else the arrays are not there to be compared
        faults = [*_wrong_sizes(tree)]
        yield from faults or [*_wrong_counts(tree), *_wrong_numbers(tree)]


def _wrong_attributes(
    attributes: Mapping[Hashable, object],
    wanted: Mapping[str, tuple[str, Callable[[object], bool]]],
) -> Iterator[str]:
    for name, (told, holds) in wanted.items():
        if name not in attributes:
            yield f"attribute {name!r} is missing"
        elif not holds(attributes[name]):
            yield f"attribute {name!r} must be {told}"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)


def _json(holds: Callable[[object], bool]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        try:
            return isinstance(value, str) and holds(json.loads(value))
        except (ValueError, RecursionError):
            return False

    return check


def _list_of(holds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _mapping_with(**keys: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, dict)
        and all(key in value and holds(value[key]) for key, holds in keys.items())
    )


def _mapping_of(holds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(map(holds, value.values()))


_TEXT = "a text", _is_text
_WHOLE = "a whole number", _is_whole
_NUMBER = "a number", _is_number
_TEXTS = "a list of texts, as JSON", _json(_list_of(_is_text))
_FILE = _mapping_with(path=_is_text, sha256=_is_text, text=_is_text)
_MEASURED = _mapping_with(
    **dict.fromkeys(
        ("name", "title", "source", "sha256", "path", "text", "observes", "boundary"), _is_text
    ),
    rows=_is_whole,
    open=_list_of(
        _mapping_with(
            rows=_list_of(_is_whole), shared=_list_of(_is_text), averaged=_list_of(_is_text)
        )
    ),
)
_ALWAYS = {
    **dict.fromkeys(
        (
            "title", "subject", "model", "scenario", "given", "priors", "priors_text",
            "priors_sha256", "created_at", "inference_library_version",
        ),
        _TEXT,
    ),
    **dict.fromkeys(("seed", "draws", "randomizations", "queries"), _WHOLE),
    "versions": ("a mapping of texts, as JSON", _json(_mapping_of(_is_text))),
    "prior_files": ("a list of files with path, sha256 and text, as JSON", _json(_list_of(_FILE))),
    "notices": _TEXTS,
    "warnings": _TEXTS,
}  # fmt: skip
"""What every result says of itself, each with how it is told and checked."""
_LEARNED = {
    "evidence": (
        "a list of evidence, as JSON",
        _json(lambda v: bool(v) and _list_of(_MEASURED)(v)),
    ),
    "updated": _TEXTS,
    "pareto_k": _NUMBER,
    "posterior_chains": _WHOLE,
    "posterior_draws": _WHOLE,
}
"""The same where there is a posterior."""
_OPTIONAL = {
    "problem": _TEXT,
    "recipe": (
        "a mapping or null, as JSON",
        _json(lambda v: v is None or _mapping_with(priors=_is_text)(v)),
    ),
    "command": _TEXT,
    "executor": _TEXT,
    "updated_by": _TEXT,
    "log_evidence": _NUMBER,
    "log_evidence_se": _NUMBER,
    "sketch_relative_error": _NUMBER,
}

_DRAWN = ("chain", "draw")
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "prior": _DRAWN,
    "prior_predictive": _DRAWN,
    "central": (),
    "prior_statistics": _DRAWN,
    "prior_query_quantiles": ("chain", "level"),
    "prior_control": _DRAWN,
    "prior_control_quantiles": ("chain", "level"),
    "posterior": _DRAWN,
    "posterior_predictive": _DRAWN,
    "log_prior": _DRAWN,
    "log_likelihood": _DRAWN,
    "sample_stats": _DRAWN,
    "unconstrained_posterior": _DRAWN,
    "posterior_statistics": _DRAWN,
    "posterior_query_quantiles": ("batch", "level"),
}
"""The dimensions that the arrays of a group begin with."""
_OF_STREAM = ("", "_edges", "_moments")
_OF_POSTERIOR = (
    "prior_predictive", "posterior_predictive", "log_prior", "log_likelihood", "sample_stats",
    "observed_data", "unconstrained_posterior",
)  # fmt: skip

_LABELS: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    **{f"{group}_statistics": {"statistic": QUERY_STATISTICS} for group in ("prior", "posterior")},
    **{
        f"{group}_quantiles": {"level": tuple(LEVELS.tolist())}
        for group in ("prior_query", "prior_control", "posterior_query")
    },
    "prior_sketch": {"statistic": ("query",), "moment": MOMENTS},
}
"""What stands along a dimension of a group, for what is read there by name or place."""
_OF_CHAINS = {group for group, begin in _GROUPS.items() if begin == _DRAWN} - {
    group for group in _GROUPS if group.startswith("prior")
}
"""Groups over the draws of the posterior."""


def _wrong_groups(tree: "xr.DataTree") -> Iterator[str]:
    groups = tree.children
    needed = ["central"]
    needed += ["prior_sketch"] if "prior_sketch" in groups else ["prior", "prior_predictive"]
    needed += _OF_POSTERIOR if "posterior" in groups else ()
    missing = [name for name in needed if name not in groups]
    yield from (f"group {name!r} is missing" for name in missing)
    if missing:
        return
    for group, node in groups.items():
        begin = _GROUPS.get(group, ())
        for name, values in node.data_vars.items():
            if values.dtype.kind not in "fiub":
                yield f"{group}/{name} must hold numbers"
            elif values.dims[: len(begin)] != begin or (group == "central" and values.dims):
                yield f"{group}/{name} must have the dimensions {', '.join(begin) or 'of a number'}"
    for group in ("prior_predictive", "prior_sketch"):
        drawn = groups[group].data_vars if group in groups else ()
        known = [
            str(name).removesuffix("_edges").removesuffix("_moments").removesuffix("_grain")
            for name in drawn
        ]
        lost = [name for name in known if name not in groups["central"].data_vars]
        yield from (f"central/{name} is missing" for name in dict.fromkeys(lost))
    if "prior_predictive" in groups:
        kept = groups["prior_predictive"].data_vars
        lost = [str(name) for name in groups["central"].data_vars if name not in kept]
        yield from (f"prior_predictive/{name} is missing" for name in lost)
    if "prior_sketch" in groups:
        kept = groups["prior_sketch"].data_vars
        parts = [f"{name}{part}" for name in groups["central"].data_vars for part in _OF_STREAM]
        yield from (f"prior_sketch/{part} is missing" for part in parts if part not in kept)
    if "posterior" in groups:
        updated = (
            json.loads(str(tree.attrs["updated"]))
            if _LEARNED["updated"][1](tree.attrs.get("updated"))
            else []
        )
        for group in ("prior", "posterior"):
            there = groups[group].data_vars if group in groups else updated
            yield from (f"{group}/{name} is missing" for name in updated if name not in there)
        scores = groups["unconstrained_posterior"].data_vars
        yield from (f"the scores of {name} are missing" for name in updated if name not in scores)
        rows, outputs = groups["log_likelihood"].data_vars, groups["central"].data_vars
        for group, wanted in (
            ("observed_data", [*rows]),
            ("posterior_predictive", [*rows, *outputs]),
        ):
            there = groups[group].variables
            yield from (f"{group}/{name} is missing" for name in wanted if name not in there)


def _wrong_counts(tree: "xr.DataTree") -> Iterator[str]:
    """Compare what a result says of its size with its arrays: standard errors follow from it."""
    facts = tree.attrs
    if "prior_sketch" in tree.children:
        sketch = tree["prior_sketch"].dataset
        chains, nested = sketch.sizes["chain"], "typical" in sketch["statistic"].values
        whole = facts["draws"] * (facts["queries"] if nested else 1)
        for name in tree["central"].data_vars:
            counted = sketch[f"{name}_moments"].sel(statistic="query", moment="number").sum()
            if counted != whole:
                yield f"attributes 'draws' and 'queries' are not what prior_sketch/{name} counts"
    else:
        chains, nested = tree["prior"].sizes["chain"], "prior_statistics" in tree.children
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


def _wrong_sizes(tree: "xr.DataTree") -> Iterator[str]:
    """Compare the dimensions of groups that are read together."""
    for group, node in tree.children.items():
        for dim, wanted in _LABELS.get(group, {}).items():
            there = node.coords[dim].values.tolist() if dim in node.coords else []
            # Levels are read by place, the others by name.
            if there != [*wanted] if dim == "level" else not {*wanted} <= {*there}:
                yield f"{group} must have, by {dim}, {', '.join(map(str, wanted[:5]))}"
        like = tree.children.get("posterior" if group in _OF_CHAINS else "prior")
        # Statistics of a sampler whose draws were replaced by weights are those of its own draws.
        for dim in _GROUPS.get(group, ()) if group != "sample_stats" else ():
            if dim in _DRAWN and like is not None and node.sizes.get(dim) != like.sizes.get(dim):
                yield f"{group} must have as many of {dim} as the group {like.name}"
    for name in tree["central"].data_vars if "prior_sketch" in tree.children else ():
        for part, last in (("", f"{name}_bin"), ("_moments", "moment")):
            if tree["prior_sketch"][f"{name}{part}"].dims != ("statistic", "chain", last):
                yield f"prior_sketch/{name}{part} must have the dimensions statistic, chain, {last}"


_FINITE = ("unconstrained_posterior",)
"""Groups of which every number is finite; others may show what a model gave, infinite or NaN."""


def _wrong_numbers(tree: "xr.DataTree") -> Iterator[str]:
    for group in _FINITE:
        for name, values in (
            tree.children[group].data_vars.items() if group in tree.children else ()
        ):
            bad = float((~np.isfinite(values.values)).mean()) if values.size else 0.0
            if bad:
                yield f"{group}/{name} is not finite for {100 * bad:.3g} % of the draws"
    if "prior_sketch" not in tree.children:
        return
    sketch = tree["prior_sketch"].dataset
    for name in tree["central"].data_vars:
        edges, counts = sketch[f"{name}_edges"].values, sketch[str(name)].values
        if not (np.isfinite(edges).all() and (np.diff(edges) >= 0).all()):
            yield f"prior_sketch/{name}_edges must be finite and ascend"
        if edges.shape[-1] != counts.shape[-1] + 1 or not (counts >= 0).all():
            yield f"prior_sketch/{name} must hold counts, one less than its edges"
        if not (sketch[f"{name}_moments"].sel(moment=["number", "not_finite"]).values >= 0).all():
            yield f"prior_sketch/{name}_moments must count what it holds"

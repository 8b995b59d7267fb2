"""A posterior as a prior file: the marginal of each assumption that moved, and their dependence."""

import json
import os
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, zip_longest
from pathlib import Path

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats
from uncertainty.errors import InputError, one_line
from uncertainty.files import Measurement, Place, load_priors, shipped_folder, source_keys
from uncertainty.inputs import INPUTS
from uncertainty.problem import Problem, build_problem
from uncertainty.results import ess_bulk, summarize, warnings_of
from uncertainty.sampling import problem_of, simulate
from uncertainty.writing import refuse_inputs, replacing

_LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
_MARK = "# Written by uncertainty "
_DIGITS = 4
_SIGNIFICANT = 4.0  # standard errors beyond which evidence has moved an assumption
_NEGLIGIBLE = 0.02  # rank correlations below this are left out
_LEAST_EIGENVALUE = 1e-6  # of a correlation matrix that is possible


def export_priors(tree: xr.DataTree, path: str | Path) -> xr.Dataset:
    r"""Write what evidence has taught as a prior file that extends the one it came from.

    Parameters
    ----------
    tree : xarray.DataTree
        From `infer`.
    path : str or Path
        Written whole or not at all; never over a file that the posterior comes from.

    Returns
    -------
    xarray.Dataset
        What is lost: over ``quantity``, for ``median``, ``lower`` and ``upper`` of the 90 %
        interval of the typical query, the file's figure over the posterior's less 1, each with
        ``<name>_se``.

    Raises
    ------
    InputError
        If there is no posterior, its problem is not in a file, or `path` is one of its files.

    Notes
    -----
    Each assumption becomes a quantile function through 11 points of its posterior; together they
    have a Gaussian copula with the correlations of the posterior's normal scores. Assumptions that
    others name as parameters are taken as independent of the rest.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> text = "schema: 1\nassumptions: {utilization: {lognormal: {p5: 0.03, p95: 0.2}}}\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "mine.yaml")
    ...     _ = file.write_text(text + "model: flops\nextends: epoch\n")
    ...     error = {"lognormal": {"sigma": 0.3}}
    ...     evidence = {"schema": 1, "observes": "energy_wh", "error": error,
    ...                 "columns": ["value"], "rows": [[0.4]]}
    ...     tree = un.infer(un.build_problem(str(file), evidence=evidence))
    ...     lost = export_priors(tree, Path(folder, "learned.yaml"))
    >>> bool(abs(lost["median"].sel(quantity="energy_wh")) < 0.1)
    True
    """
    if "posterior" not in tree.children:
        raise InputError.of("<result>", "has no posterior to export: use infer")
    problem = problem_of(tree)
    if problem.priors.document is None or not problem.priors.document.text:
        raise InputError.of("<result>", "its priors are in no file that another could extend")
    _require_plain(problem)
    path = Path(path)
    refuse_inputs([path], [file.path for file in problem.files])
    text = "\n".join(_lines(tree, problem, path)) + "\n"
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode())
        outside = problem.priors.place.root is None
        exported = build_problem(load_priors(str(temporary), allow_outside=outside))
        _require_same_base(exported, problem)
        return _lost(tree, exported)


def _require_same_base(exported: Problem, problem: Problem) -> None:
    """The file extends what the posterior was learned from, as it was then."""
    found = [layer.document for layer in exported.priors.layers[:-1]]
    wanted = [layer.document for layer in problem.priors.layers]
    for now, then in zip_longest(found, wanted):
        if now is None or then is None or (now.path, now.sha256) != (then.path, then.sha256):
            text = f"{(then or now).label} has changed since the posterior was learned"
            raise InputError.of("<result>", f"{text}; infer anew")


def may_be_written(path: Path, problem: Problem, *, force: bool) -> None:
    """Find out before the work is done whether `export_priors` may write a file.

    Raises
    ------
    InputError
        If it is one of the problem's files; without `force`, if another program wrote it.
    """
    refuse_inputs([path], [file.path for file in problem.files])
    if force or not path.is_file():
        return
    with path.open("rb") as file:
        if file.read(len(_MARK)) != _MARK.encode():
            text = "exists, and uncertainty did not write it: name another file, or use --force"
            raise InputError.of(str(path), text)


def _require_plain(problem: Problem) -> None:
    """What a call changed is in no file, and the exported one would silently lack it."""
    _, model, given, scenario, _ = problem.arguments or (None, None, None, None, None)
    changes = {"given values": given, "a scenario": scenario, "a function": callable(model)}
    told = ", ".join(what for what, there in changes.items() if there)
    if told:
        text = f"it was made with {told}: state that in a file of its own, and infer from it"
        raise InputError.of("<result>", text)


def _lines(tree: xr.DataTree, problem: Problem, path: Path) -> Iterator[str]:
    names = _kept(tree, problem)
    evidence = json.loads(str(tree.attrs["evidence"]))
    told = ", ".join(f"{item['name']} (sha256 {item['sha256'][:12]})" for item in evidence)
    sources = dict.fromkeys(item["source"] for item in evidence if item["source"])
    known = source_keys(Place(path.resolve().parent, None))
    source = next((source for source in sources if source in known), "")
    facts = tree.attrs
    version = facts["inference_library_version"]
    yield f"{_MARK}{version}, from a posterior; not by hand."
    yield f"# Prior: {one_line(str(facts['priors']))} (sha256 {str(facts['priors_sha256'])[:12]})"
    yield f"# Evidence: {one_line(told)}"
    for other in sources:  # what evidence cites need be no key that a prior file may cite
        if other != source:
            yield f"# Source of evidence: {one_line(other)}"
    yield (
        f"# Draws: {facts['posterior_chains']} chains of {facts['posterior_draws']}, "
        f"seed {facts['seed']}, {facts['created_at']}"
    )
    yield "schema: 1"
    yield f"title: {json.dumps(_title(problem, evidence), ensure_ascii=False)}"
    yield f"model: {json.dumps(_stated_model(problem))}"
    yield f"extends: {_base(problem, path)}"
    yield "evidence: []"
    warnings = warnings_of(tree)
    if warnings:
        yield "warnings:"
        yield from (f"  - {json.dumps(text, ensure_ascii=False)}" for text in warnings)
    yield from _measurement(problem)
    yield "assumptions:" if names else "assumptions: {}"
    for name in names:
        yield from _assumption(tree, problem, name, source)
    yield from _correlations(tree, problem, names, source)


def _title(problem: Problem, evidence: Sequence[dict[str, str]]) -> str:
    count = sum(int(item["rows"]) for item in evidence)
    return f"{problem.priors.title or problem.priors.label}, after {count} measurements"


def _stated_model(problem: Problem) -> object:
    stated = problem.arguments[1] if problem.arguments else None
    return problem.priors.model if stated is None else stated


def _base(problem: Problem, path: Path) -> str:
    document = problem.priors.document
    assert document is not None
    assert document.path is not None
    if document.path.is_relative_to(shipped_folder()):
        # Without its suffix: a file of the user's may have the same name.
        return json.dumps(str(document.path.relative_to(shipped_folder()).with_suffix("")))
    base = os.path.relpath(document.path, path.parent.resolve())
    return json.dumps(base, ensure_ascii=False)


def _kept(tree: xr.DataTree, problem: Problem) -> list[str]:
    """Name what evidence has moved, has tied to another, or has brought along."""
    names = [str(name) for name in json.loads(str(tree.attrs["updated"]))]
    scores = {name: np.asarray(tree["unconstrained_posterior"][name].values) for name in names}
    layers = [item.layer for item in problem.observed.evidence if item.layer is not None]
    brought = {name for layer in layers for name in layer.stated}
    kept = {name for name in names if _moved(tree, name)}
    kept |= {
        name
        for pair in combinations(names, 2)
        if _tied(scores[pair[0]], scores[pair[1]])
        for name in pair
    }
    return [name for name in problem.assumptions if name in kept | brought]


def _tied(first: Floats, second: Floats) -> bool:
    """Whether two scores, independent before, are correlated by more than chance and a trifle."""
    count = min(ess_bulk(first), ess_bulk(second))
    found = abs(np.corrcoef(first.ravel(), second.ravel())[0, 1])
    return bool(found > max(_SIGNIFICANT / np.sqrt(count), _NEGLIGIBLE))


def _moved(tree: xr.DataTree, name: str) -> bool:
    """Whether evidence has told anything about an assumption: its scores are no standard normal."""
    scores = np.asarray(tree["unconstrained_posterior"][name].values)
    place = abs(scores.mean()) * np.sqrt(ess_bulk(scores)) / scores.std()
    squares = scores**2
    spread = abs(squares.mean() - 1) * np.sqrt(ess_bulk(squares)) / squares.std()
    return bool(max(place, spread) > _SIGNIFICANT)


def _measurement(problem: Problem) -> Iterator[str]:
    stated = next((x.measurement for x in problem.observed.evidence if x.measurement), None)
    if isinstance(stated, Measurement):
        error = ", ".join(f"{key}: {_plain(value)}" for key, value in stated.parameters.items())
        yield "measurement:"
        yield f"  observes: {stated.observes}"
        if stated.boundary:
            yield f"  boundary: {stated.boundary}"
        yield f"  statistic: {stated.statistic}"
        yield f"  error: {{{stated.family}: {{{error}}}}}"
        if stated.effect_sd is not None:
            column = f"column: {json.dumps(stated.column)}, " if stated.column else ""
            yield f"  random_effect: {{{column}sd: {_plain(stated.effect_sd)}}}"
        if stated.discrepancy is not None:
            yield f"  discrepancy: {_plain(stated.discrepancy)}"


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _assumption(tree: xr.DataTree, problem: Problem, name: str, source: str) -> Iterator[str]:
    draws = np.asarray(tree["posterior"][name].values)
    item = problem.assumptions[name]
    points = {level: float(np.quantile(draws, level)) for level in _LEVELS}
    low, high = _support(name, np.asarray(tree["prior"][name].values), draws)
    lowest = [] if low is None else [(0.0, low)]
    highest = [] if high is None else [(1.0, high)]
    yield f"  {name}:"
    if np.ptp(draws) == 0:
        yield f"    fixed: {float(draws.flat[0])!r}"
    else:
        yield f"    {_law([*lowest, *points.items(), *highest])}"
    if item.unit:
        yield f"    unit: {json.dumps(item.unit)}"
    if item.group:
        yield f"    group: {json.dumps(item.group)}"
    if source:
        yield f"    source: {json.dumps(source, ensure_ascii=False)}"
    yield "    basis: derived"
    yield f"    note: {json.dumps(f'Posterior; the prior was {item}.', ensure_ascii=False)}"


def _law(points: Sequence[tuple[float, float]]) -> str:
    """Write a quantile function with as many digits as tell its points apart."""
    values = [value for _, value in points]
    for digits in range(_DIGITS, 18):
        texts = [f"{value:.{digits}g}" for value in values]
        if all(float(a) < float(b) for a, b in pairwise(texts)):
            break
    listed = ", ".join(f"{level:g}: {text}" for (level, _), text in zip(points, texts, strict=True))
    return f"quantiles: {{{listed}}}"


def _support(name: str, prior: Floats, draws: Floats) -> tuple[float | None, float | None]:
    """Ends of what the assumption can be, where they are known and no draw is there."""
    declared = INPUTS.get(name)
    low = declared.low if declared else (0.0 if prior.min() > 0 else -np.inf)
    high = declared.high if declared else np.inf
    inside = (np.isfinite(low) and low < draws.min(), np.isfinite(high) and draws.max() < high)
    return (low if inside[0] else None), (high if inside[1] else None)


def _correlations(
    tree: xr.DataTree, problem: Problem, names: Sequence[str], source: str
) -> Iterator[str]:
    """Rank correlations of a Gaussian copula with the correlations of the normal scores."""
    from scipy.stats import norm, rankdata

    parents = {need for item in problem.new_system.assumptions.values() for need in item.needs}
    uncertain = problem.joint.coordinates(varies=False)
    free = [name for name in names if name in uncertain and name not in parents]
    if len(free) < 2:
        return
    draws = np.array([np.asarray(tree["posterior"][name].values).ravel() for name in free])
    scores = norm.ppf((rankdata(draws, axis=1) - 0.5) / draws.shape[1])
    ranks = _possible(6 / np.pi * np.arcsin(np.corrcoef(scores) / 2))
    pairs = [p for p in combinations(range(len(free)), 2) if abs(ranks[p]) >= _NEGLIGIBLE]
    yield "correlations:" if pairs else "correlations: []"
    cited = f", source: {json.dumps(source, ensure_ascii=False)}" if source else ""
    for i, j in pairs:
        yield f"  - {{between: [{free[i]}, {free[j]}], rank: {ranks[i, j]:g}{cited}}}"


def _possible(ranks: Floats) -> Floats:
    """Round rank correlations, and shrink them until they are possible together."""
    for shrink in 0.999 ** np.arange(1000):
        found = np.clip(np.round(shrink * ranks, 3), -0.999, 0.999)
        found = np.where(np.abs(found) < _NEGLIGIBLE, 0.0, found)
        np.fill_diagonal(found, 1.0)
        if np.linalg.eigvalsh(2 * np.sin(np.pi / 6 * found)).min() > _LEAST_EIGENVALUE:
            return found
    return np.eye(len(ranks))


def _lost(tree: xr.DataTree, exported: Problem) -> xr.Dataset:
    """Compare the file's figures with those of the posterior."""
    own = simulate(exported, 2**13, int(tree.attrs["seed"]))
    names = [name for name in exported.outputs if name in tree["central"].data_vars]
    both = [
        summarize(result, 0.9, quantities=names).sel(statistic="typical", drop=True)
        for result in (own, tree)
    ]
    found: dict[str, tuple[str, Floats]] = {}
    for key in ("median", "lower", "upper"):
        file, posterior = (np.asarray(table[key].values) for table in both)
        errors = [np.asarray(table[f"mcse_{key}"].values) for table in both]
        with np.errstate(divide="ignore", invalid="ignore"):  # an output may be 0 in both
            ratio = file / posterior
            spread = np.hypot(errors[0] / file, errors[1] / posterior) * np.abs(ratio)
        found[key] = ("quantity", ratio - 1)
        found[f"{key}_se"] = ("quantity", spread)
    return xr.Dataset(found, {"quantity": names})

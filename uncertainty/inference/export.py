"""A posterior as a prior file: the marginal of each assumption that moved, and their dependence."""

import json
import os
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import xarray as xr

from uncertainty.errors import InputError, counted, one_line
from uncertainty.files import Place, load_priors, shipped_folder, shown_path, source_keys, yaml_text
from uncertainty.inference.posterior import whole
from uncertainty.inputs import INPUTS
from uncertainty.problem import Problem, build_problem
from uncertainty.results import ess_bulk, summarize, summarized, warnings_of
from uncertainty.sampling import problem_of, simulate
from uncertainty.writing import refuse_inputs, replacing

_LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
_MARK = "Written by uncertainty "
_DIGITS = 4  # of a quantile, and more where these leave two of them the same
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
    tree = whole(tree)
    problem = problem_of(tree)
    if problem.priors.document is None or not problem.priors.document.text:
        raise InputError.of("<result>", "its priors are in no file that another could extend")
    # What a call changed is in no file, and the exported one would silently lack it.
    _, model, given, scenario, _ = problem.arguments
    changes = {"given values": given, "a scenario": scenario, "a function": callable(model)}
    if any(changes.values()):
        made_with = ", ".join(change for change, there in changes.items() if there)
        text = f"it was made with {made_with}: state that in a file of its own, and infer from it"
        raise InputError.of("<result>", text)
    path = Path(path)
    may_be_written(path, problem, force=True)
    text = _text(tree, problem, path)
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode())
        outside = problem.priors.place.root is None
        exported = build_problem(load_priors(str(temporary), allow_outside=outside))
        # The file must extend what the posterior was learned from, as it was then. Its last layer
        # is itself.
        learned, extended = (
            {(x.document.path, x.document.sha256): x.document.label for x in layers}
            for layers in (problem.priors.layers, exported.priors.layers[:-1])
        )
        for content, label in {**learned, **extended}.items():
            if content not in learned or content not in extended:
                text = f"{label} has changed since the posterior was learned; infer anew"
                raise InputError.of("<result>", text)
        again = simulate(exported, 2**13, int(tree.attrs["seed"]))
    names = [name for name in exported.outputs if name in summarized(tree)]
    tables = [
        summarize(result, 0.9, quantities=names).sel(statistic="typical", drop=True)
        for result in (again, tree)
    ]
    lost: dict[str, tuple[str, np.ndarray]] = {}
    for key in ("median", "lower", "upper"):
        file, posterior = (np.asarray(table[key].values) for table in tables)
        errors = [np.asarray(table[f"mcse_{key}"].values) for table in tables]
        with np.errstate(divide="ignore", invalid="ignore"):  # an output may be 0 in both
            ratio = file / posterior
            spread = np.hypot(errors[0] / file, errors[1] / posterior) * np.abs(ratio)
        lost[key] = ("quantity", ratio - 1)
        lost[f"{key}_se"] = ("quantity", spread)
    return xr.Dataset(lost, {"quantity": names})


def may_be_written(path: Path, problem: Problem, *, force: bool) -> None:
    """Refuse, before the work is done, to export over an input or a file of another program.

    Nor is one written that could not extend the prior.
    """
    refuse_inputs([path], [file.path for file in problem.files])
    outside = problem.priors.place.root is None
    document = problem.priors.document
    prior = document.path if document else None
    if prior and not Place.first(path.absolute(), allow_outside=outside).reaches(
        prior, upward=True
    ):
        text = f"could not extend {shown_path(prior)}, which lies in another project"
        raise InputError.of(str(path), f"{text}: name a file near that, or use --allow-outside")
    if force or not path.is_file():
        return
    mark = f"# {_MARK}".encode()
    with path.open("rb") as file:
        if file.read(len(mark)) != mark:
            text = "exists, and uncertainty did not write it: name another file, or use --force"
            raise InputError.of(str(path), text)


def _text(tree: xr.DataTree, problem: Problem, path: Path) -> str:
    """Write the file: what has moved, where it comes from, and how measurements differ from it."""
    facts, evidence = tree.attrs, json.loads(str(tree.attrs["evidence"]))
    measured = ", ".join(f"{item['name']} (sha256 {item['sha256'][:12]})" for item in evidence)
    cited = dict.fromkeys(item["source"] for item in evidence if item["source"])
    # What evidence cites need not be a key that a prior file may cite.
    keys = source_keys(Place(path.resolve().parent, None))
    source = next((key for key in cited if key in keys), "")
    head = [
        f"{_MARK}{facts['inference_library_version']}, from a posterior; not by hand.",
        f"Prior: {one_line(str(facts['priors']))} (sha256 {str(facts['priors_sha256'])[:12]})",
        f"Evidence: {one_line(measured)}",
        *(f"Source of evidence: {one_line(key)}" for key in cited if key != source),
        f"Draws: {counted(facts['posterior_chains'], 'chain')} of {facts['posterior_draws']}, "
        f"seed {facts['seed']}, {facts['created_at']}",
    ]
    count = counted(sum(int(item["rows"]) for item in evidence), "measurement")
    model = problem.arguments[1]
    error = next((x.measurement for x in problem.evidence if x.measurement), None)
    effects = [_nonempty(column=x.column, sd=x.sd) for x in error.random_effect] if error else []
    document = problem.priors.document
    base = document.path if document else None
    assert base is not None
    if base.is_relative_to(shipped_folder()):
        # Without its suffix: a file of the user's may have the same name.
        extends = str(base.relative_to(shipped_folder()).with_suffix(""))
    else:
        extends = Path(os.path.relpath(base, path.parent.resolve())).as_posix()
    names = _kept(tree, problem)
    data = {
        "schema": 1,
        "title": f"{problem.priors.title or problem.priors.label}, after {count}",
        "model": problem.priors.model if model is None else model,
        "extends": extends,
        "evidence": [],
        "warnings": warnings_of(tree) or None,
        "measurement": error
        and _nonempty(
            observes=error.observes,
            boundary=error.boundary,
            statistic=error.statistic,
            error={error.family: error.parameters},
            random_effect=effects[0] if len(effects) == 1 else effects or None,
            discrepancy=error.discrepancy,
        ),
        "assumptions": {name: _entry(tree, problem, name, source) for name in names},
        "correlations": _correlations(tree, problem, names, source),
    }
    return yaml_text(_nonempty(**data), "\n".join(head))


def _nonempty(**entries: object) -> dict[str, object]:
    """Entries that say something; an empty list or mapping says that there is none."""
    return {key: value for key, value in entries.items() if value is not None and value != ""}


def _kept(tree: xr.DataTree, problem: Problem) -> list[str]:
    """Name what evidence has moved, has tied to another, or has brought along."""
    names = [str(name) for name in json.loads(str(tree.attrs["updated"]))]
    scores = {name: np.asarray(tree["unconstrained_posterior"][name].values) for name in names}
    effective = {name: ess_bulk(z) for name, z in scores.items()}
    layers = [item.layer for item in problem.evidence if item.layer is not None]
    kept = {name for layer in layers for name in layer.names}
    for name, z in scores.items():
        # Scores that evidence has not moved are standard normal: mean 0, mean square 1.
        squares = z**2
        place = abs(z.mean()) * np.sqrt(effective[name]) / z.std()
        spread = abs(squares.mean() - 1) * np.sqrt(ess_bulk(squares)) / squares.std()
        if max(place, spread) > _SIGNIFICANT:
            kept.add(name)
    for one, other in combinations(names, 2):
        # Independent before, they are tied if correlated by more than chance and a trifle.
        rho = abs(np.corrcoef(scores[one].ravel(), scores[other].ravel())[0, 1])
        chance = _SIGNIFICANT / np.sqrt(min(effective[one], effective[other]))
        if rho > max(chance, _NEGLIGIBLE):
            kept |= {one, other}
    return [name for name in problem.assumptions if name in kept]


def _entry(tree: xr.DataTree, problem: Problem, name: str, source: str) -> dict[str, object]:
    """Give an assumption as its quantile function."""
    item, declared = problem.assumptions[name], INPUTS.get(name)
    draws, prior = (np.asarray(tree[group][name].values) for group in ("posterior", "prior"))
    points = {level: float(np.quantile(draws, level)) for level in _LEVELS}
    # Ends of what the assumption can be, where they are known and no draw is there.
    low = declared.low if declared else (0.0 if prior.min() > 0 else -np.inf)
    high = declared.high if declared else np.inf
    lowest = {0.0: low} if np.isfinite(low) and low < draws.min() else {}
    highest = {1.0: high} if np.isfinite(high) and draws.max() < high else {}
    points = {**lowest, **points, **highest}
    for digits in range(_DIGITS, 18):
        quantiles = {level: float(f"{value:.{digits}g}") for level, value in points.items()}
        if all(a < b for a, b in pairwise(quantiles.values())):
            break
    fixed = float(draws.flat[0]) if np.ptp(draws) == 0 else None
    law = {"quantiles": quantiles} if fixed is None else {"fixed": fixed}
    facts = {"unit": item.unit, "group": item.group, "source": source, "basis": "derived"}
    return _nonempty(**law, **facts, note=f"Posterior; the prior was {item}.")


def _correlations(
    tree: xr.DataTree, problem: Problem, names: list[str], source: str
) -> list[dict[str, object]] | None:
    """Rank correlations of a Gaussian copula with the correlations of the normal scores."""
    from scipy.stats import norm, rankdata

    parents = {need for item in problem.new_system.assumptions.values() for need in item.needs}
    uncertain = problem.joint.coordinates(varies=False)
    free = [name for name in names if name in uncertain and name not in parents]
    if len(free) < 2:
        return None
    draws = np.array([np.asarray(tree["posterior"][name].values).ravel() for name in free])
    scores = norm.ppf((rankdata(draws, axis=1) - 0.5) / draws.shape[1])
    ranks = 6 / np.pi * np.arcsin(np.corrcoef(scores) / 2)
    # Rounded, correlations may no longer be possible together: they are shrunk until they are.
    for shrink in 0.999 ** np.arange(1000):
        rounded = np.clip(np.round(shrink * ranks, 3), -0.999, 0.999)
        rounded = np.where(np.abs(rounded) < _NEGLIGIBLE, 0.0, rounded)
        np.fill_diagonal(rounded, 1.0)
        if np.linalg.eigvalsh(2 * np.sin(np.pi / 6 * rounded)).min() > _LEAST_EIGENVALUE:
            break
    else:
        rounded = np.eye(len(free))
    return [
        _nonempty(between=[free[i], free[j]], rank=float(rounded[i, j]), source=source)
        for i, j in combinations(range(len(free)), 2)
        if rounded[i, j]
    ]

"""How well prior and posterior fit the measurements, and what would explain a misfit."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from uncertainty.arrays import Floats, in_float64
from uncertainty.errors import Fault, InputError, listed
from uncertainty.inference.posterior import whole
from uncertainty.inference.predict import DRAWS, PLAIN_DRAWS
from uncertainty.inference.samplers import RELIABLE
from uncertainty.inference.target import batches_at, coordinates_of, whole_target
from uncertainty.problem import Observation, Problem
from uncertainty.results import NONE, chance_estimate, leave_one_out
from uncertainty.sampling import QUERIES, normal_scores

_NUMBERS, _FEWEST = 2**23, 2**10  # expected measurements drawn at most, of each row at least
_SURPRISING = 0.001  # probability in the prior's tails below which it did not expect a measurement
# Log odds of a mistake against none: above the first there is nothing else to learn; above the
# second it is named though no row by itself is surprising.
_CERTAIN, _WORTH_SAYING = math.log(1e6), math.log(1e3)
_RIVAL = math.log(20)  # log odds that another cause may be behind the best and still be named
_ERRORS = 2.0  # standard deviations that mended rows may lie off and a cause still be named
_LITTLE = 1e-3  # share of the median that stands for draws at or below 0, without a logarithm
_MOST = 200  # rows looked at together, evenly spread: the matrix of all would be too large

_UNITS = {
    1e3: ("mJ were entered as J, or Wh as kWh", "J were entered as mJ, or kWh as Wh"),
    3600.0: ("J were entered as Wh", "Wh were entered as J"),
    1e6: ("J were entered as MJ", "MJ were entered as J"),
    3.6e6: ("J were entered as kWh", "kWh were entered as J"),
}
"""What is too high, and too low, by a factor."""
_ADVICE = ": compare unit, boundary and conditions with the model's, or widen the prior"


def check_fit(tree: xr.DataTree) -> xr.Dataset:
    """Check a posterior against its own evidence, and against each row left out.

    Parameters
    ----------
    tree : xarray.DataTree
        From `infer`.

    Returns
    -------
    xarray.Dataset
        Over ``evidence``: the number of ``rows`` with a value; ``log_rmse``, ``bias`` and
        ``coverage`` (over ``prob``) of the posterior predictive draws, as `score` gives them;
        ``elpd_loo``, the expected log density of a new row, with ``elpd_loo_se``; ``p_loo``, the
        effective number of parameters; ``worst_k``, the largest Pareto k, and ``rows_above``, the
        number of rows where it is above 0.7, so that ``elpd_loo`` is too optimistic.

    Raises
    ------
    InputError
        If there is no posterior.

    Notes
    -----
    Leave-one-out by Pareto-smoothed importance sampling: Vehtari, Gelman and Gabry (2017),
    Statistics and Computing 27, 1413, by ArviZ.

    Examples
    --------
    >>> import uncertainty as un
    >>> prior = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 1, "sigma": 1}}}}
    >>> evidence = {"schema": 1, "observes": "y", "error": {"lognormal": {"sigma": 0.2}},
    ...             "columns": ["value"], "rows": [[2.0], [2.5]]}
    >>> problem = un.build_problem(prior, model=lambda x: x, evidence=evidence)
    >>> bool(check_fit(un.infer(problem))["log_rmse"].sel(evidence="evidence") < 0.2)
    True
    """
    tree = _posterior_in(tree)
    tables = dict[str, xr.Dataset]()
    for name in map(str, tree["log_likelihood"].data_vars):
        observed = np.asarray(tree["observed_data"][name].values)
        replicates = np.asarray(tree["posterior_predictive"][name].values)
        scored = _scored(replicates.reshape(-1, len(observed)), observed)
        densities = np.asarray(tree["log_likelihood"][name].values)
        tables[name] = scored.assign(_left_out(densities)[0])
    return _by_evidence(tables)


def _posterior_in(tree: xr.DataTree) -> xr.DataTree:
    if "posterior" not in tree.children:
        raise InputError.of("<result>", "has no posterior to check: use infer")
    return whole(tree)


def _by_evidence(tables: Mapping[str, xr.Dataset]) -> xr.Dataset:
    names = xr.DataArray([*tables], dims="evidence", name="evidence")
    return xr.concat([*tables.values()], names)


def _scored(replicates: Floats, observed: Floats) -> xr.Dataset:
    """Score draws of shape (sample, row) in the rows that have a value."""
    measured = np.isfinite(observed)
    if not measured.any():
        unknown = xr.DataArray([np.nan] * len(PROBS), {"prob": list(PROBS)}, "prob")
        return xr.Dataset({"log_rmse": np.nan, "bias": np.nan, "coverage": unknown, "rows": 0.0})
    draws = xr.DataArray(replicates[:, measured], dims=("sample", "row"))
    scores = score(draws, observed[measured])[["log_rmse", "bias", "coverage"]]
    return scores.assign(rows=float(measured.sum()))


def _left_out(log_likelihood: Floats) -> tuple[dict[str, float], Floats]:
    """Figures of leaving each row out, and the log density of each where it is."""
    elpd, k, parameters = leave_one_out(log_likelihood)
    return {
        "elpd_loo": float(elpd.sum()),
        "elpd_loo_se": _error_of_sum(elpd),
        "p_loo": float(parameters.sum()),
        "worst_k": float(k.max()),
        "rows_above": float((k > RELIABLE).sum()),
    }, elpd


def _error_of_sum(values: Floats) -> float:
    return float(np.sqrt(len(values)) * values.std())


def compare_fits(fits: Mapping[str, xr.DataTree]) -> xr.Dataset:
    """Compare posteriors of different models or priors on the same measurements.

    Parameters
    ----------
    fits : mapping of str to xarray.DataTree
        From `infer`, each learned from the same rows.

    Returns
    -------
    xarray.Dataset
        Over ``fit``, the best first: ``elpd_loo``, ``p_loo``, ``worst_k`` and ``rows_above`` as in
        `check_fit`, of all rows together; ``elpd_difference``, how much less than the best a fit
        expects of a new row's log density, summed over rows; each with ``<name>_se``.

    Raises
    ------
    InputError
        If a fit has no posterior, or the measurements differ.

    Notes
    -----
    A difference under about four, or under twice its standard error, tells nothing. It is an error
    over the rows: Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413. Rows of one
    group are left out one by one, so that the others still teach its effect.

    Examples
    --------
    >>> import uncertainty as un
    >>> evidence = {"schema": 1, "observes": "y", "error": {"lognormal": {"sigma": 0.2}},
    ...             "columns": ["value"], "rows": [[2.0], [2.5]]}
    >>> def itself(x):
    ...     return x
    >>> def fitted(median):
    ...     x = {"lognormal": {"median": median, "sigma": 0.3}}
    ...     prior = {"schema": 1, "assumptions": {"x": x}}
    ...     return un.infer(un.build_problem(prior, model=itself, evidence=evidence))
    >>> compare_fits({"far": fitted(4), "near": fitted(2)})["fit"].values.tolist()
    ['near', 'far']
    """
    fits = {name: _posterior_in(tree) for name, tree in fits.items()}
    # Log densities compare only where they are of the same numbers.
    first, *others = fits
    for name in others:
        one, other = (fits[key]["observed_data"].dataset for key in (first, name))
        try:
            xr.testing.assert_allclose(one, other, rtol=1e-9)
        except AssertionError as error:
            text = f"{name} was learned from other measurements than {first}: give the same"
            raise InputError.of("<fits>", text) from error
    figures, each = dict[str, dict[str, float]](), dict[str, Floats]()
    for name, tree in fits.items():
        groups = tree["log_likelihood"].data_vars
        rows = [np.asarray(groups[key].values) for key in sorted(groups)]
        figures[name], each[name] = _left_out(np.concatenate(rows, -1))
    ordered = sorted(each, key=lambda name: -each[name].sum())
    for name in ordered:
        worse = each[name] - each[ordered[0]]
        figures[name]["elpd_difference"] = float(worse.sum())
        figures[name]["elpd_difference_se"] = _error_of_sum(worse)
    keys = figures[ordered[0]]
    columns = {key: ("fit", [figures[name][key] for name in ordered]) for key in keys}
    return xr.Dataset(columns, {"fit": ordered})


@in_float64
def check_prior(problem: Problem, seed: int = 0) -> xr.Dataset:
    """Check whether a prior expects the measurements, before it learns from them.

    Parameters
    ----------
    problem : Problem
        With evidence.
    seed : int

    Returns
    -------
    xarray.Dataset
        Over ``evidence``: ``rows``, ``log_rmse``, ``bias`` and ``coverage`` (over ``prob``) as in
        `check_fit`, of draws of the prior with effects of groups and errors of measurements;
        ``tail``, the prior's probability of a value as far out, on either side, as that of the row
        farthest out (of a row with limits: of lying within them), with ``tail_se``; ``farthest``,
        the number of that row, from 1; ``surprise``, a sentence on rows that it did not expect and
        what would explain them, empty where there are none, with their number ``rows_outside`` and
        ``factor``, how many times what the prior expects they are.

    Raises
    ------
    InputError
        If there is no evidence.

    Notes
    -----
    A prior predictive check: Gelman et al. (2013), Bayesian Data Analysis, section 6. A wide prior
    covers more than its probability, and that is not a fault; a measurement in its far tails means
    that prior, model, unit or conditions are wrong.

    Examples
    --------
    >>> import uncertainty as un
    >>> prior = {"schema": 1, "assumptions": {"x": {"lognormal": {"median": 1, "sigma": 1}}}}
    >>> evidence = {"schema": 1, "observes": "y", "error": {"lognormal": {"sigma": 0.2}},
    ...             "columns": ["value"], "rows": [[2.0], [900]]}
    >>> expected = check_prior(un.build_problem(prior, model=lambda x: x, evidence=evidence))
    >>> int(expected["farthest"][0]), float(expected["tail"][0])
    (2, 0.0)
    """
    observations = tuple(item for item in problem.observations if item.count)
    if not observations:
        text = "there is no evidence to check: name some in the file, or give some"
        raise InputError.of("<evidence>", text)
    plain = any(item.model.plain for item in observations)
    count = sum(item.count for item in observations)
    number = PLAIN_DRAWS if plain else max(min(2 * DRAWS, _NUMBERS // count), _FEWEST)
    target = whole_target(problem.joint, observations, QUERIES, seed)
    places = coordinates_of(target)
    points = normal_scores(places, number, seed=seed, randomization=0)
    columns = [points[name] for name in places]
    z = np.stack(columns, -1) if columns else np.zeros((number, 0))
    batches = [batch.expected for batch in batches_at(target, z, seed)]
    tables = dict[str, xr.Dataset]()
    for item, parts in zip(observations, zip(*batches, strict=True), strict=True):
        draws = np.concatenate(parts)[:number]
        tails, errors = tails_of(draws, item)
        farthest = int(tails.argmin())
        surprise = surprise_of(draws, item)
        tables[item.name] = _scored(draws, item.observed()[item.name]).assign(
            tail=tails[farthest],
            tail_se=errors[farthest],
            farthest=farthest + 1.0,
            rows_outside=float(len(surprise.rows)),
            factor=surprise.factor,
            surprise=surprise.text,
        )
    return _by_evidence(tables)


def tails_of(draws: Floats, item: Observation) -> tuple[Floats, Floats]:
    """Probability in `draws` (sample, row) of what was measured or is farther out; its error."""
    observed = item.observed()
    values = observed[item.name]
    low, high = (observed.get(f"{item.name}_{end}", values) for end in ("at_least", "at_most"))
    below, inside = (draws < values).mean(0), ((low <= draws) & (draws <= high)).mean(0)
    limited = np.isnan(values)
    share = np.where(limited, inside, np.minimum(below, 1 - below))
    sides = np.where(limited, 1, 2)
    errors = np.sqrt(share * (1 - share) / len(draws))
    # Of what no draw shows, or every one, the error is the bound that holds.
    return sides * share, sides * np.where(errors > 0, errors, NONE / len(draws))


@dataclass(frozen=True)
class Surprise:
    """What is surprising about `rows` (places from 0): a sentence, empty where nothing is.

    They are `factor` times what the prior expects given the others; `mistaken` is true where a
    mistaken unit is all but certain.
    """

    text: str
    mistaken: bool
    factor: float
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Cause:
    """A mistake of whoever entered rows: as if `text`; it adds `shift` to the logarithm of each."""

    shift: Floats
    text: str
    of_units: bool = False

    def __str__(self) -> str:
        factors = np.exp(np.abs(self.shift))
        low, high = (number_text(float(end)) for end in (factors.min(), factors.max()))
        return f"as if {self.text} ({low if low == high else f'{low} to {high}'} times)"


def surprise_of(draws: Floats, item: Observation) -> Surprise:
    """Look for rows in the far tails of `draws` (sample, row), and for what would explain them.

    A cause is judged by the odds, under the joint predictive distribution of the logarithms (taken
    for normal), of rows that are mended against rows as they are.
    """
    tails, values = tails_of(draws, item)[0], item.observed()[item.name]
    odd = np.flatnonzero(tails < _SURPRISING)
    middle = np.median(draws, 0)
    # An error that adds leaves some draws at or below 0, which stand for little.
    logs = np.log(np.maximum(draws, _LITTLE * np.where(middle > 0, middle, np.nan)))
    measured = np.log(np.where(values > 0, values, np.nan))
    usable = np.flatnonzero(np.isfinite(measured) & np.isfinite(logs).all(0))
    usable = usable[:: -(-len(usable) // _MOST) or 1]
    if not len(usable):
        text = _where(item, odd, tails, math.nan) if len(odd) else ""
        return Surprise(text and text + _ADVICE, False, math.nan, tuple(odd.tolist()))
    residual = measured[usable] - logs[:, usable].mean(0)
    covariance = np.atleast_2d(np.cov(logs[:, usable].T))
    # As many draws as rows may leave it singular: a trifle on the diagonal.
    covariance += 1e-9 * np.trace(covariance) / len(usable) * np.eye(len(usable))
    among, every = np.isin(usable, odd), np.ones(len(usable), bool)
    explained = list[tuple[float, Cause, np.ndarray]]()
    for mask in [among, every] if among.any() and not among.all() else [every]:
        rest, spread = _given_others(residual, mask, covariance)
        for cause in (replace(cause, shift=cause.shift[usable]) for cause in causes_of(item)):
            # Once they are mended, the mean of the rows is where it should be.
            off = abs((rest - cause.shift[mask]).sum())
            if off < _ERRORS * math.sqrt(max(spread.sum(), 0.0)):
                mended = residual - np.where(mask, cause.shift, 0.0)
                solved = np.linalg.solve(covariance, np.stack([residual, mended], -1))
                odds = float(residual @ solved[:, 0] - mended @ solved[:, 1]) / 2
                explained.append((odds, cause, mask))
    explained.sort(key=lambda each: -each[0])
    best = explained[0][0] if explained else -math.inf
    if best < _WORTH_SAYING and not len(odd):
        return Surprise("", False, 1.0, ())
    mask = explained[0][2] if best >= _WORTH_SAYING else among if among.any() else every
    if best < _WORTH_SAYING:
        # Without a cause the other rows may be as far off: they are no measure of these.
        factor = float(np.exp(np.median(residual[mask])))
        text = _where(item, odd, tails, factor) + _ADVICE
        return Surprise(text, False, factor, tuple(odd.tolist()))
    factor = float(np.exp(np.median(_given_others(residual, mask, covariance)[0])))
    # Rows of which some were left out of the matrix are all named, where all are surprising.
    rows = odd if mask is among or among.all() else usable[mask]
    rivals = [str(cause) for odds, cause, m in explained if m is mask and odds > best - _RIVAL]
    text = f"{_where(item, rows, tails, factor)}: {'; or '.join(rivals)}"
    certain = explained[0][1].of_units and best > _CERTAIN
    return Surprise(text, certain, factor, tuple(rows.tolist()))


def _given_others(residual: Floats, mask: np.ndarray, covariance: Floats) -> tuple[Floats, Floats]:
    """Residuals of some rows given the others, and their covariance."""
    rest, spread = residual[mask], covariance[np.ix_(mask, mask)]
    if not mask.all():
        between = covariance[np.ix_(mask, ~mask)]
        gain = np.linalg.solve(covariance[np.ix_(~mask, ~mask)], between.T).T
        rest, spread = rest - gain @ residual[~mask], spread - gain @ between.T
    return rest, spread


def causes_of(item: Observation) -> Iterator[Cause]:
    """List the usual mistakes, each with what it does to the logarithm of each row."""
    one = np.ones(item.count)
    for factor, texts in _UNITS.items():
        for sign, text in zip((1, -1), texts, strict=True):
            yield Cause(sign * math.log(factor) * one, text, of_units=True)
    # What rows state of an input, 0 where nothing: shape (rows,).
    boards, given, written = np.zeros((3, item.count))
    for part in item.rows:
        inputs = {"gpu_count": boards, "input_tokens": given, "output_tokens": written}
        for name, column in inputs.items():
            column[[*part.places]] = part.known.get(name, 0.0)
    boards = np.maximum(boards, 1.0)
    if (boards > 1).any():
        yield Cause(-np.log(boards), "one GPU were counted in place of all")
        yield Cause(np.log(boards), "all GPUs were counted once more for each")
    else:
        for count in (2, 4, 8):
            yield Cause(-math.log(count) * one, f"one of {count} GPUs were counted")
            yield Cause(math.log(count) * one, f"{count} GPUs were counted in place of one")
    tokens = np.log(np.where(written > 1, written, 1.0))
    if "per_output_token" in item.observes:
        both = (given > 0) & (written > 0)
        if both.any():
            share = np.where(both, (given + written) / np.where(both, written, 1.0), 1.0)
            text = "energy per token of input and output were entered as that per output token"
            yield Cause(-np.log(share), text)
        if (written > 1).any():
            yield Cause(tokens, "the energy of a query were entered as that of an output token")
    elif "energy" in item.observes and (written > 1).any():
        yield Cause(-tokens, "the energy of an output token were entered as that of a query")


def _where(item: Observation, rows: np.ndarray, tails: Floats, factor: float) -> str:
    """Say which rows lie where, and how far off."""
    ranges = stretches(rows + 1)
    which = f"row{'s' * (len(rows) > 1)} {listed(ranges, 10)} of {item.name}"
    few = f"where the prior expects fewer than {_SURPRISING:g} of measurements"
    if len(rows) == 1 and tails[rows[0]] < _SURPRISING:
        text = f"{which} lies {few}"
    elif (tails[rows] < _SURPRISING).all():
        text = f"{which} lie {few} each"
    else:
        text = f"{which} lie together where the prior hardly expects them"
    if not math.isfinite(factor):
        return text
    times = f"{number_text(max(factor, 1 / factor))} times{' below' * (factor < 1)}"
    return f"{text}, {times} what it expects"


def stretches(numbers: Iterable[int]) -> list[str]:
    """Write numbers in order, those that follow one another by the ends of their stretch.

    Examples
    --------
    >>> stretches([7, 1, 2, 3])
    ['1-3', '7']
    """
    present = {int(number) for number in numbers}
    starts = sorted(n for n in present if n - 1 not in present)
    ends = sorted(n for n in present if n + 1 not in present)
    both = zip(starts, ends, strict=True)
    return [f"{low}" if low == high else f"{low}-{high}" for low, high in both]


def number_text(value: float) -> str:
    """Write a factor as people do.

    Examples
    --------
    >>> number_text(3.6e6), number_text(3600.0), number_text(2.875)
    ('3.6e6', '3600', '2.9')
    """
    if value >= 1e4:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e").replace(".0e", "e")
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


PROBS = (0.5, 0.8, 0.9)
"""Probabilities of the intervals whose coverage is scored."""


def score(predictions: xr.Dataset | xr.DataArray, observed: Sequence[float] | Floats) -> xr.Dataset:
    """Score predictive draws against measurements.

    Parameters
    ----------
    predictions : xarray.Dataset or xarray.DataArray
        From `predict`: dimensions ``sample`` and ``row``.
    observed : sequence of float
        One measurement a row, in the same unit.

    Returns
    -------
    xarray.Dataset
        ``log_rmse`` and ``bias`` of the logarithm of the median against the measurement (NaN where
        one is not above 0), mean ``crps`` in the unit of the output, ``coverage`` of intervals
        with equal tails over ``prob``; each with ``<name>_se`` over independent rows; and ``pit``,
        the share of the draws below each measurement, over ``row``.

    Raises
    ------
    InputError
        If there is not one measurement a row.

    Notes
    -----
    Continuous ranked probability score of an ensemble: Gneiting and Raftery (2007), Journal of the
    American Statistical Association 102, 359.

    Examples
    --------
    >>> draws = np.random.default_rng(0).lognormal(size=(4000, 50))
    >>> scores = score(xr.DataArray(draws[:-1], dims=("sample", "row")), draws[-1])
    >>> bool(scores.coverage.sel(prob=0.9) > 0.7)
    True
    """
    if isinstance(predictions, xr.Dataset):
        names = list(predictions.data_vars)
        if len(names) != 1:
            raise InputError.of("<predictions>", f"must hold one output (got {len(names)})")
        predictions = predictions[names[0]]
    if not isinstance(predictions, xr.DataArray) or {*predictions.dims} != {"sample", "row"}:
        text = "must be draws with the dimensions sample and row, as predict gives them"
        raise InputError.of("<predictions>", text)
    draws = np.asarray(predictions.transpose("sample", "row").values, np.float64)
    try:
        values = np.asarray(observed, np.float64)
    except (TypeError, ValueError) as error:
        text = f"must be numbers, one a row (got {observed!r:.60})"
        raise InputError.of("<observed>", text) from error
    lost = [
        Fault("<observed>", 0, 0, str(row), f"must be a finite number (got {value})")
        for row, value in enumerate(values.ravel().tolist())
        if not np.isfinite(value)
    ]
    if lost:
        raise InputError(lost)
    if values.shape != draws.shape[1:]:
        text = f"give one measurement a row ({draws.shape[1]} rows, {values.size} measurements)"
        raise InputError.of("<observed>", text)
    medians, count = np.median(draws, 0), len(draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.log(medians) - np.log(values)
    errors = np.where((medians > 0) & (values > 0), errors, np.nan)
    # E|X - y| - E|X - X'| / 2, the second by order statistics: of all pairs it would take n^2.
    weights = (2 * np.arange(1, count + 1) - count - 1)[:, None]
    spread = 2 * (weights * np.sort(draws, 0)).sum(0) / (count * (count - 1))
    crps = np.abs(draws - values).mean(0) - spread / 2
    ends = [np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0) for prob in PROBS]
    inside = np.array([(low <= values) & (values <= high) for low, high in ends], np.float64)
    # Were all rows inside, that would be known no better than a count of them says.
    held = np.array([chance_estimate(row, len(values)) for row in inside])
    root, squared = np.sqrt(len(values)), errors**2
    rmse = float(np.sqrt(squared.mean()))
    scores = {
        "log_rmse": rmse,
        "log_rmse_se": float(squared.std() / root / (2 * rmse)) if rmse else 0.0,
        "bias": float(errors.mean()),
        "bias_se": float(errors.std() / root),
        "crps": float(crps.mean()),
        "crps_se": float(crps.std() / root),
        "coverage": ("prob", held[:, 0]),
        "coverage_se": ("prob", held[:, 1]),
        "pit": ("row", (draws < values).mean(0)),
    }
    return xr.Dataset(scores, {"prob": list(PROBS)})

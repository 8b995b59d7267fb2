"""Draws to rank by, of a problem or saved: inputs with the statistic of an output."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from scipy.linalg import hadamard

from uncertainty.arrays import Floats
from uncertainty.errors import InputError, require_known
from uncertainty.problem import each_point
from uncertainty.results import (
    Estimate,
    Pool,
    batched,
    draws_of,
    group_of,
    is_nested,
    is_streamed,
    lost_text,
    pooled_quantile,
    quantile,
)
from uncertainty.sampling import RANDOMIZATIONS, normal_scores
from uncertainty.sensitivity.pick_freeze import (
    Scale,
    Statistic,
    Target,
    base_points,
    not_above_0,
    not_finite,
    on_scale,
    refusal,
    rounding,
)

_POINTS = {False: 2**14, True: 2**12}  # by default; True where queries are reduced
_FEWEST = 64  # draws under a condition: four for each of 16 chains
_CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\S+)\s*")
_COMPARISONS: dict[str, Callable[[Floats, float], Floats]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


@dataclass(frozen=True)
class Sample:
    """Draws by chain."""

    names: tuple[str, ...]  # of inputs that are ranked
    inputs: tuple[Floats, ...]  # for each chain, shape (draws, inputs)
    values: tuple[Floats, ...]  # the statistic on its scale, shape (draws,)

    def pooled(self, chains: Sequence[int]) -> tuple[Floats, Floats]:
        """All draws of some chains."""
        return (
            np.concatenate([self.inputs[i] for i in chains]),
            np.concatenate([self.values[i] for i in chains]),
        )

    def among(self, inside: Sequence[np.ndarray]) -> "Sample":
        """Those draws alone, by chain."""
        count = sum(int(mask.sum()) for mask in inside)
        if count < _FEWEST:
            text = f"{_FEWEST} draws must meet the condition ({count} do): run with more draws"
            raise InputError.of("<where>", text)
        return replace(
            self,
            inputs=tuple(x[mask] for x, mask in zip(self.inputs, inside, strict=True)),
            values=tuple(y[mask] for y, mask in zip(self.values, inside, strict=True)),
        )


def from_half_samples(
    count: int, estimator: Callable[[Sequence[int]], Floats]
) -> tuple[Floats, Floats, Floats]:
    """Estimates, standard errors, and what stands for an estimate of each group of chains.

    Parameters
    ----------
    count : int
        Chains; the largest power of two up to it is the number of groups they form.
    estimator
        From numbers of chains to estimates, shape (...).

    Returns
    -------
    tuple of array
        Shapes (...), (...) and (groups, ...).

    Notes
    -----
    Balanced half-samples: McCarthy (1969), Review of the International Statistical Institute 37,
    239. Unlike the jackknife they hold for what is not smooth, as a largest distance. Half the
    difference of two complementary halves is a contrast of the groups. The bias of few draws stays:
    taking it off by what halves have more of it would add noise that the error does not know.
    """
    groups = np.array_split(np.arange(count), 2 ** (count.bit_length() - 1))
    signs = hadamard(len(groups))[1:]
    side = np.repeat(signs, [len(group) for group in groups], axis=1) > 0
    pairs = [[estimator(np.flatnonzero(half).tolist()) for half in (s, ~s)] for s in side]
    halves = np.array(pairs)
    contrasts = (halves[:, 0] - halves[:, 1]) / 2
    whole = estimator(list(range(count)))
    errors = np.sqrt((contrasts**2).mean(0))
    return whole, errors, whole + np.tensordot(signs.T, contrasts, 1)


def pooled_estimate(chains: Sequence[Floats], probability: float) -> Estimate:
    """Quantile of all chains together, which may differ in length, with its standard error."""
    ordered, full = np.sort(np.concatenate(chains)), [chain for chain in chains if len(chain)]

    def shares(value: float) -> tuple[Floats, Floats]:
        both = [((chain < value).mean(), (chain <= value).mean()) for chain in full]
        below, upto = np.array(both).T
        return below, upto

    pool = Pool(lambda p: quantile(ordered, p), shares, len(ordered), len(ordered))
    return pooled_quantile(pool, probability)


def sample_of_target(target: Target, draws: int | None, seed: int) -> Sample:
    """Draw anew."""
    count, names = base_points(draws, _POINTS[target.nested]), tuple(target.coordinates)
    problem, inputs, values, centers = target.problem, list[Floats](), list[Floats](), list[float]()
    for number in range(RANDOMIZATIONS):
        scores = normal_scores(target.coordinates, count, seed=seed, randomization=number)
        queries = target.inner(seed, number)
        values.append(target(scores, queries))
        if target.nested:
            center = target(dict.fromkeys(scores, np.zeros(1)), queries)
            centers.append(float(center[0]))
        inner = dict.fromkeys(problem.joint.coordinates(varies=True), np.zeros(count))
        columns = each_point(problem.joint, problem.model, {**inner, **scores})[0]
        inputs.append(np.stack([columns[name] for name in names], -1))
    chains = np.stack(values)
    if target.nested:
        # Queries that a chain's draws share set it apart from the others, as its center shows.
        chains += np.mean(centers) - np.array(centers)[:, None]
    return Sample(names, tuple(inputs), tuple(_tied(chains, target.scale)))


def _tied(values: Floats, scale: Scale) -> Floats:
    """Values on a scale, equal where they repeat but for rounding: its order tells of nothing."""
    least, (ordered, place) = rounding(values, scale), np.unique(values, return_inverse=True)
    first = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > least)
    sizes = np.diff(first, append=len(ordered))
    # Many draws close together are no value that repeats.
    alike = np.repeat(ordered[first + sizes - 1] - ordered[first] <= least, sizes)
    return np.where(alike, np.repeat(ordered[first], sizes), ordered)[place].reshape(values.shape)


def sample_of_result(
    tree: xr.DataTree, quantity: str, statistic: Statistic, scale: Scale
) -> Sample:
    """Draws of a result."""
    if is_streamed(tree):  # inputs that it may have kept are not those of its quantiles
        raise refusal("a streamed result keeps no draws; rank its problem, or run with fewer draws")
    varying = statistic == "query" and is_nested(tree)
    names = tuple(
        str(name)
        for name, column in tree[group_of(tree)].data_vars.items()
        if "coordinate" in column.attrs and (varying or column.attrs.get("varies") != "query")
    )
    if not names:
        raise refusal("the result holds no uncertain inputs")
    group = group_of(tree)
    columns = [batched(np.asarray(tree[group][name].values), tree) for name in names]
    undefined = [name for name, x in zip(names, columns, strict=True) if np.isnan(x).any()]
    if undefined:
        raise refusal(f"{', '.join(undefined)} is not a number in some of the draws")
    inputs = np.stack(columns, -1)
    values = draws_of(tree, quantity, statistic)
    if not (finite := np.isfinite(values)).all():
        columns_by_name = {name: x.ravel() for name, x in zip(names, columns, strict=True)}
        text = lost_text(tree, quantity, infinite=True)
        raise not_finite(text, columns_by_name, ~finite.ravel())
    if scale == "log" and (values <= 0).any():
        raise not_above_0(quantity, float((values <= 0).mean()))
    scaled = on_scale(values, scale, quantity)
    if group == "prior" and statistic != "query" and is_nested(tree):
        # The queries that the draws of a chain share set it apart: bring chains to one mean.
        scaled = scaled - scaled.mean(1, keepdims=True) + scaled.mean()
    return Sample(names, tuple(inputs), tuple(_tied(scaled, scale)))


def draws_where(tree: xr.DataTree, where: str, statistic: Statistic) -> list[np.ndarray]:
    """Which draws meet a condition on an output or an input, by chain."""
    match = _CONDITION.fullmatch(where)
    try:
        if match is None:
            raise ValueError
        name, comparison, limit = match[1], _COMPARISONS[match[2]], float(match[3])
    except ValueError:
        text = f"write a comparison, such as 'energy_wh > 1' (got {where!r})"
        raise InputError.of("<where>", text) from None
    columns = tree[group_of(tree)].data_vars
    if name in columns:
        draws = batched(np.asarray(columns[name].values), tree)
    else:
        outputs = [str(output) for output in tree["central"].data_vars]
        require_known("where", name, [*outputs, *(str(column) for column in columns)])
        draws = draws_of(tree, name, statistic)
    if missing := float(np.isnan(draws).mean()):
        text = f"{name} is not a number for {100 * missing:.3g} % of the draws"
        text = text if name in columns else lost_text(tree, name)
        raise InputError.of("<where>", f"{text}, and no one can say where those belong")
    return list(np.asarray(comparison(draws, limit)))

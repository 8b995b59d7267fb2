"""Draws to rank by, of a problem or saved: inputs with the statistic of an output."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from scipy.linalg import hadamard

from uncertainty.arrays import Floats
from uncertainty.errors import InputError, require_known
from uncertainty.problem import each_point
from uncertainty.results import batched, draws_of, group_of, is_nested
from uncertainty.sampling import RANDOMIZATIONS, normal_scores
from uncertainty.sensitivity.pick_freeze import base_points
from uncertainty.sensitivity.target import Scale, Statistic, Target, settled

_POINTS = {False: 2**14, True: 2**12}  # True where queries are reduced
_FEWEST = 64  # draws under a condition
_CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\S+)\s*")
_COMPARISONS: dict[str, Callable[[Floats, float], Floats]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


@dataclass(frozen=True)
class Sample:
    """Draws by chain.

    Attributes
    ----------
    names : tuple of str
        Inputs that are ranked.
    inputs : tuple of array
        For each chain, shape (draws, inputs).
    values : tuple of array
        The statistic on its scale, shape (draws,).
    """

    names: tuple[str, ...]
    inputs: tuple[Floats, ...]
    values: tuple[Floats, ...]

    def pooled(self, chains: Sequence[int]) -> tuple[Floats, Floats]:
        """All draws of some chains."""
        return (
            np.concatenate([self.inputs[i] for i in chains]),
            np.concatenate([self.values[i] for i in chains]),
        )

    def among(self, inside: Sequence[np.ndarray]) -> "Sample":
        """Those draws alone, by chain.

        Raises
        ------
        InputError
            If they are too few to rank by.
        """
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
    both = [[_joined(groups, signs_of * side > 0) for side in (1, -1)] for signs_of in signs]
    halves = np.array([[estimator(half) for half in pair] for pair in both])
    contrasts = (halves[:, 0] - halves[:, 1]) / 2
    found = estimator(list(range(count)))
    errors = np.sqrt((contrasts**2).mean(0))
    return found, errors, found + np.tensordot(signs.T, contrasts, 1)


def _joined(groups: Sequence[np.ndarray], chosen: np.ndarray) -> list[int]:
    return [int(i) for group, taken in zip(groups, chosen, strict=True) if taken for i in group]


def sample_of_target(target: Target, draws: int | None, seed: int) -> Sample:
    """Draw anew."""
    count = base_points(draws, _POINTS[target.nested])
    names = tuple(target.coordinates)
    inputs, values, centers = zip(*_chains(target, count, seed), strict=True)
    found = np.stack(values)
    if target.nested:
        # Queries that a chain's draws share set it apart from the others, as its center shows.
        found += np.mean(centers) - np.array(centers)[:, None]
    # Chains that are constant may still differ by rounding.
    found = np.log(settled(np.exp(found))) if target.scale == "log" else settled(found)
    return Sample(names, inputs, tuple(found))


def _chains(target: Target, count: int, seed: int) -> Iterator[tuple[Floats, Floats, float]]:
    """Of each chain the inputs, the statistic, and the statistic with all scores at 0."""
    problem = target.problem
    for number in range(RANDOMIZATIONS):
        scores = normal_scores(target.coordinates, count, seed=seed, randomization=number)
        queries = target.inner(seed, number)
        values = target(scores, queries)
        center = target(dict.fromkeys(scores, np.zeros(1)), queries) if target.nested else 0.0
        inner = dict.fromkeys(problem.joint.coordinates(varies=True), np.zeros(count))
        inputs = each_point(problem.joint, problem.model, {**inner, **scores})[0]
        yield np.stack([inputs[n] for n in target.coordinates], -1), values, float(np.sum(center))


def sample_of_result(
    tree: xr.DataTree, quantity: str, statistic: Statistic, scale: Scale
) -> Sample:
    """Draws of a result.

    Raises
    ------
    InputError
        If the result holds no draws of inputs, or the scale has no meaning for the output.
    """
    if "prior" not in tree.children:
        raise _fault("a streamed result keeps no draws; rank its problem, or run with fewer draws")
    varying = statistic == "query" and is_nested(tree)
    names = tuple(
        str(name)
        for name, column in tree[group_of(tree)].data_vars.items()
        if "coordinate" in column.attrs and (varying or column.attrs.get("varies") != "query")
    )
    if not names:
        raise _fault("the result holds no uncertain inputs")
    group = group_of(tree)
    columns = [batched(np.asarray(tree[group][name].values), tree) for name in names]
    undefined = [name for name, x in zip(names, columns, strict=True) if np.isnan(x).any()]
    if undefined:
        raise _fault(f"{', '.join(undefined)} is no number in some of the draws")
    inputs = np.stack(columns, -1)
    values = draws_of(tree, quantity, statistic)
    if not np.isfinite(values).all():
        share = 100 * float((~np.isfinite(values)).mean())
        raise _fault(f"{quantity} is not finite for {share:.3g} % of the draws")
    if scale == "log" and (values <= 0).any():
        share = 100 * float((values <= 0).mean())
        raise _fault(
            f'{quantity} is not above 0 for {share:.3g} % of the draws; use scale="linear"'
        )
    even = settled(np.stack([settled(chain) for chain in values]))
    scaled = np.log(even) if scale == "log" else even
    shared = group == "prior" and statistic != "query" and is_nested(tree)
    return Sample(names, tuple(inputs), tuple(_level(scaled) if shared else scaled))


def _level(values: Floats) -> Floats:
    """Bring chains (rows) to one mean: the queries that its draws share set each apart."""
    if not np.ptp(values, axis=1).any():
        return np.full_like(values, values.mean())
    return np.asarray(values - values.mean(1, keepdims=True) + values.mean())


def draws_where(tree: xr.DataTree, where: str, statistic: Statistic) -> list[np.ndarray]:
    """Which draws meet a condition on an output or an input, by chain."""
    name, inside = read_condition(where)
    group = group_of(tree)
    if name in tree[group].data_vars:
        return list(inside(_numbers(name, batched(np.asarray(tree[group][name].values), tree))))
    outputs = [str(output) for output in tree["central"].data_vars]
    require_known("where", name, [*outputs, *(str(column) for column in tree[group].data_vars)])
    return list(inside(_numbers(name, draws_of(tree, name, statistic))))


def _numbers(name: str, draws: Floats) -> Floats:
    """Refuse NaN: it meets no condition, and fails none."""
    missing = float(np.isnan(draws).mean())
    if missing:
        text = f"{name} is not a number for {100 * missing:.3g} % of the draws"
        raise InputError.of("<where>", f"{text}, of which no one can say where they belong")
    return draws


def read_condition(text: str) -> tuple[str, Callable[[Floats], np.ndarray]]:
    """Read ``quantity > number``.

    Raises
    ------
    InputError
        If the text is no such comparison.

    Examples
    --------
    >>> name, inside = read_condition("energy_wh > 1")
    >>> name, inside(np.array([0.5, 2.0])).tolist()
    ('energy_wh', [False, True])
    """
    found = _CONDITION.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        name, comparison, limit = found[1], _COMPARISONS[found[2]], float(found[3])
    except ValueError:
        message = f"write a comparison, such as 'energy_wh > 1' (got {text!r})"
        raise InputError.of("<where>", message) from None
    return name, lambda values: np.asarray(comparison(values, limit))


def _fault(text: str) -> InputError:
    return InputError.of("<ranking>", text)

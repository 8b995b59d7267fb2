"""Why two estimates differ: the logarithm of their ratio, split among the assumptions."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from uncertainty.comparison.common import aligned, common_quantity
from uncertainty.comparison.mixed import CORRELATIONS, MODEL, OTHERS, Mixed, mix
from uncertainty.errors import InputError
from uncertainty.estimate import quantile, quantile_estimate, standard_error
from uncertainty.evaluation import Columns
from uncertainty.names import require_known
from uncertainty.precision import Floats, in_float64
from uncertainty.problem import Problem
from uncertainty.sampling import RANDOMIZATIONS, normal_scores
from uncertainty.summary import STATISTICS

__all__ = ["explain"]

_DRAWS, _QUERIES = 2**10, 2**6
_EXACT = 12
_ORDERS = 256
_WHICH = ("first", "second")


@in_float64
def explain(
    first: Problem,
    second: Problem,
    *,
    quantity: str | None = None,
    statistic: str = "typical",
    draws: int = _DRAWS,
    seed: int = 0,
    table: xr.Dataset | None = None,
) -> xr.Dataset:
    """Split the ratio of two estimates into what each assumption contributes.

    Parameters
    ----------
    first, second : Problem
        From one to the other. A swap takes the second one's whole assumption; an input that one
        of them leaves to the model is swapped with what the model takes; the model itself, and the
        correlations, are a swap each.
    quantity : str, optional
        An output that both give; the only one of the first, or ``energy_wh``, where not given.
    statistic : {"typical", "mean", "query"}
        Of the queries; its median over all draws is what is explained.
    draws : int
        Epistemic points over 16 randomizations.
    seed : int
    table : Dataset, optional
        From `compare` of the two: its medians are then the ends, and its names those of the sides.
        What evidence does to them is a part of its own.

    Returns
    -------
    xarray.Dataset
        Over ``input``, largest first: ``contribution``, the part of the natural logarithm of the
        ratio, with ``contribution_se``; ``factor``, its exponential; ``solved``, true where a file
        says that the input was chosen to give a published output, so that it is no cause; and
        ``stated``, what each file says, over ``side``. Contributions sum to ``log_ratio``.
        ``value`` over ``side`` has both medians. Attributes: ``quantity``, ``units``,
        ``statistic``, ``method``, and where there is evidence ``group``: the prior is swapped.

    Raises
    ------
    InputError
        If the two do not give the quantity alike, or it is not above 0 and finite.

    Notes
    -----
    Shapley values (Shapley 1953) of the game whose worth is the logarithm of the median with some
    assumptions swapped: exact over all subsets up to 12 of them, and over 256 random orders, each
    with its reverse, above. In both the parts sum to the whole exactly. The standard error
    is that between randomizations, and between orders. The medians of a table rest on more points:
    what these add goes to the parts by their sizes, and into their errors.

    Examples
    --------
    >>> import uncertainty as un
    >>> first, second = (un.build_problem("gpt-4o", given={"gpu_power_w": w}) for w in (350, 700))
    >>> table = explain(first, second, draws=64)
    >>> table["input"].values.tolist(), round(float(table["factor"][0]), 2)
    (['gpu_power_w'], 2.0)
    """
    name = common_quantity({"the first": first, "the second": second}, quantity)
    require_known("statistic", statistic, STATISTICS)
    sides = aligned([first, second])
    game = _Game(mix(*sides), *_points(sides, draws, seed), name, statistic)
    parts, order_errors, method = _shares(game, seed)
    found = _table(game, (first, second), parts, order_errors, method)
    return found if table is None else _with_ends(found, table)


def _points(sides: list[Problem], draws: int, seed: int) -> tuple[Columns, Columns]:
    """Scores of all that is uncertain in either: shapes (chain, n) and (chain, m)."""
    kinds, places = dict[str, bool](), dict[str, int]()
    nodes = [node for problem in sides for node in problem.joint.nodes]
    for node in (node for node in nodes if node.uncertain):
        same = kinds.setdefault(node.name, node.varies) == node.varies
        name = node.name if same else f"{OTHERS}{node.name}"
        kinds[name] = node.varies
        places[name] = node.index if same else node.index + len(nodes)
    each = max(draws // RANDOMIZATIONS, 2)
    counts = {False: each if places else 1, True: _QUERIES}
    found = [
        {
            varies: normal_scores(
                {n: places[n] for n in places if kinds[n] == varies},
                count,
                seed=seed,
                randomization=chain,
            )
            for varies, count in counts.items()
        }
        for chain in range(RANDOMIZATIONS)
    ]
    outer, inner = (
        {name: np.stack([chain[v][name] for chain in found]) for name in found[0][v]}
        for v in (False, True)
    )
    return outer, inner


@dataclass
class _Game:
    """Logarithms of the median, by what is swapped."""

    mixed: Mixed
    outer: Columns
    inner: Columns
    quantity: str
    statistic: str
    known: dict[frozenset[str], Floats] = field(default_factory=dict)

    def worth(self, swapped: Iterable[str]) -> Floats:
        """Logarithm of the median of all chains, and of each chain: shape (1 + chains,)."""
        chosen = frozenset(swapped)
        if chosen not in self.known:
            switches = jnp.array([name in chosen for name in self.mixed.names], bool)
            values = np.asarray(
                _statistics(
                    self.mixed,
                    switches,
                    _or_one(self.outer),
                    _or_one(self.inner),
                    self.mixed.withheld(chosen),
                    self.quantity,
                    self.statistic,
                )
            )
            if not (np.isfinite(values).all() and (values > 0).all()):
                told = f"with {', '.join(sorted(chosen)) or 'nothing'} swapped"
                text = f"{self.quantity} is not above 0 and finite everywhere {told}"
                raise InputError.of("<explain>", text)
            # The queries of a chain are those of all its draws.
            number = len(values) * _QUERIES if self.statistic == "query" else None
            median, error = quantile_estimate(values, 0.5, None, number)
            apart = quantile(values, 0.5)
            apart = apart - apart.mean()
            if not apart.any():  # chains that agree by chance
                apart = np.resize([1.0, -1.0], len(apart))
            # What two swaps have in common cancels in the medians of the chains; these spread as
            # far as the median of all is in doubt, at a gap or where values repeat too.
            apart = apart * (error / float(standard_error(apart)) / median)
            self.known[chosen] = np.log(median) + np.array([0.0, *apart])
        return self.known[chosen]


def _or_one(columns: Columns) -> Columns:
    """Give one unused column where nothing is uncertain, so that there is one point."""
    return columns or {"": np.zeros((RANDOMIZATIONS, 1))}


@jax.jit(static_argnames=("withheld", "quantity", "statistic"))
def _statistics(
    mixed: Mixed,
    switches: Array,
    outer: dict[str, Array],
    inner: dict[str, Array],
    withheld: frozenset[str],
    quantity: str,
    statistic: str,
) -> Array:
    """Statistic of each epistemic point of each chain: shape (chain, n), or (chain, n m)."""

    def one(epistemic: dict[str, Array], query: dict[str, Array]) -> Array:
        return mixed.outputs(switches, {**epistemic, **query}, withheld, quantity)

    found = jax.vmap(jax.vmap(jax.vmap(one, (None, 0)), (0, None)))(outer, inner)
    if statistic == "query":
        return found.reshape(len(found), -1)
    return jnp.median(found, -1) if statistic == "typical" else found.mean(-1)


def _shares(game: _Game, seed: int) -> tuple[Floats, Floats, str]:
    """Contributions (player, 1 + chains), errors from the choice of orders, and the method."""
    names = game.mixed.names
    if len(names) <= _EXACT:
        parts = np.zeros((len(names), RANDOMIZATIONS + 1))
        for number, name in enumerate(names):
            parts[number] = _exact_share(game, name)
        return parts, np.zeros(len(names)), "exact, over all subsets"
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(names)) for _ in range(_ORDERS)]
    pairs = [(_gains(game, order) + _gains(game, order[::-1])) / 2 for order in orders]
    spread = np.std([pair[:, 0] for pair in pairs], axis=0, ddof=1) / math.sqrt(_ORDERS)
    return np.mean(pairs, axis=0), spread, f"{_ORDERS} random orders, each with its reverse"


def _exact_share(game: _Game, name: str) -> Floats:
    others = [other for other in game.mixed.names if other != name]
    count = len(others) + 1
    total = np.zeros(RANDOMIZATIONS + 1)
    for size in range(count):
        weight = 1 / (count * math.comb(count - 1, size))
        for subset in combinations(others, size):
            total += weight * (game.worth([*subset, name]) - game.worth(subset))
    return total


def _gains(game: _Game, order: np.ndarray) -> Floats:
    """What each swap adds in one order: shape (player, 1 + chains)."""
    names, swapped = game.mixed.names, list[str]()
    gains = np.zeros((len(names), RANDOMIZATIONS + 1))
    for number in order:
        before = game.worth(swapped)
        swapped.append(names[number])
        gains[number] = game.worth(swapped) - before
    return gains


def _table(
    game: _Game,
    problems: tuple[Problem, Problem],
    parts: Floats,
    order_errors: Floats,
    method: str,
) -> xr.Dataset:
    names = list(game.mixed.names)
    errors = np.hypot(standard_error(parts[:, 1:].T), order_errors) if names else np.zeros(0)
    order = np.argsort(-np.abs(parts[:, 0])) if names else np.zeros(0, int)
    ends = [game.worth([]), game.worth(names)]
    ratio = ends[1] - ends[0]
    members = dict(game.mixed.players)
    stated = [[_said(problem, name, members[name]) for problem in problems] for name in names]
    solved = [any(_solved(problem, members[name]) for problem in problems) for name in names]
    output = problems[0].outputs[game.quantity]
    sides = [_label(problem) for problem in problems]
    if sides[0] == sides[1]:  # two mappings, or one file with other values
        sides = [f"{side} ({which})" for side, which in zip(sides, _WHICH, strict=True)]
    return xr.Dataset(
        {
            "contribution": ("input", parts[order, 0]),
            "contribution_se": ("input", errors[order]),
            "factor": ("input", np.exp(parts[order, 0])),
            "stated": (("input", "side"), np.array(stated, str).reshape(len(names), 2)[order]),
            "solved": ("input", np.array(solved, bool)[order]),
            "log_ratio": ((), ratio[0]),
            "log_ratio_se": ((), standard_error(ratio[1:])),
            "value": ("side", np.exp([end[0] for end in ends])),
            "value_se": (
                "side",
                [np.exp(end[0]) * standard_error(end[1:]) for end in ends],
            ),
        },
        {
            "input": [names[i] for i in order],
            "side": sides,
        },
        {
            "quantity": game.quantity,
            "units": output.unit,
            "boundary": output.boundary,
            "statistic": game.statistic,
            "method": f"Shapley values, {method}",
            **({"group": "prior"} if any(p.has_evidence for p in problems) else {}),
        },
    )


EVIDENCE = "evidence"
"""The part of what evidence moves: swaps are those of the prior."""


def _with_ends(found: xr.Dataset, table: xr.Dataset) -> xr.Dataset:
    """Let the medians of a comparison be the ends, and split what they add to those at hand."""
    rows = table.sel(statistic=found.attrs["statistic"])
    values, errors = (np.asarray(rows[key].values) for key in ("median", "mcse_median"))
    ratio = float(np.log(values[1] / values[0]))
    error = float(np.hypot(*(errors / values)))
    more = ratio - float(found["log_ratio"])
    if "group" in table and "posterior" in table["group"].values:
        found = _with_evidence(found, more, float(np.hypot(error, found["log_ratio_se"])))
    else:
        sizes = np.abs(found["contribution"])
        extra = more * sizes / (float(sizes.sum()) or 1.0)
        found["contribution"] = found["contribution"] + extra
        found["contribution_se"] = np.hypot(found["contribution_se"], extra)
    found["factor"] = np.exp(found["contribution"])
    found["log_ratio"], found["log_ratio_se"] = ((), ratio), ((), error)
    found["value"], found["value_se"] = ("side", values), ("side", errors)
    found = found.assign_coords(side=[str(name) for name in table["scenario"].values])
    return found.isel(input=np.argsort(-np.abs(found["contribution"].values), kind="stable"))


def _with_evidence(found: xr.Dataset, part: float, error: float) -> xr.Dataset:
    added = xr.Dataset(
        {
            "contribution": ("input", [part]),
            "contribution_se": ("input", [error]),
            "factor": ("input", [math.exp(part)]),
            "solved": ("input", [False]),
            "stated": (("input", "side"), [["what it moves"] * 2]),
        },
        {"input": [EVIDENCE], "side": found["side"]},
    )
    names = list(added.data_vars)
    joined = xr.concat([found[names], added], "input")
    return found.drop_dims("input").merge(joined).assign_attrs(found.attrs)


def _label(problem: Problem) -> str:
    """A file, with its scenario."""
    scenario = f":{problem.scenario}" if problem.scenario else ""
    return f"{problem.priors.label}{scenario}"


def _solved(problem: Problem, names: tuple[str, ...]) -> bool:
    """Whether a file says that one of these was chosen to give a published output."""
    known = problem.assumptions
    return any(known[name].solved_for for name in names if name in known)


def _said(problem: Problem, player: str, names: tuple[str, ...]) -> str:
    """What a file says of a swap."""
    if player == MODEL:
        return problem.model.name
    if player == CORRELATIONS:
        return "; ".join(" with ".join(block.names) for block in problem.joint.blocks) or "none"
    known: Mapping[str, object] = problem.assumptions
    told = [str(known[name]) for name in names if name in known]
    return " x ".join(told) or "left to the model"

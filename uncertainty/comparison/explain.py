"""Why two estimates differ: the logarithm of their ratio, split among the assumptions."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from uncertainty.arrays import Floats, in_float64
from uncertainty.comparison.compare import aligned, common_quantity
from uncertainty.energy import EnergyModel
from uncertainty.errors import InputError, require_known
from uncertainty.files import Assumption
from uncertainty.inputs import ALTERNATIVES
from uncertainty.problem import Columns, Joint, Problem, Scores
from uncertainty.results import STATISTICS, quantile, quantile_estimate, standard_error
from uncertainty.sampling import RANDOMIZATIONS, normal_scores

MODEL, CORRELATIONS = "model", "correlations"
OTHERS = "other:"
"""Marks the scores of the second problem that the first does not share."""
_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Mixed:
    """Two problems, and what can be swapped between them.

    Attributes
    ----------
    joints : tuple of Joint
        Of the first and the second, at common coordinates.
    models : tuple of EnergyModel
    order : tuple of str
        Every name after what it needs in either.
    players : tuple of (str, tuple of str)
        What is swapped together, by name.
    absent : tuple of (str, two frozensets)
        Of players that one file leaves to the model: the inputs withheld, unswapped and swapped.
    """

    joints: tuple[Joint, Joint]
    models: tuple[EnergyModel, EnergyModel] = field(metadata=_STATIC)
    order: tuple[str, ...] = field(metadata=_STATIC)
    players: tuple[tuple[str, tuple[str, ...]], ...] = field(metadata=_STATIC)
    absent: tuple[tuple[str, tuple[frozenset[str], frozenset[str]]], ...] = field(metadata=_STATIC)

    @property
    def names(self) -> tuple[str, ...]:
        """Players in the order of the switches."""
        return tuple(name for name, _ in self.players)

    def withheld(self, swapped: Iterable[str]) -> frozenset[str]:
        """Inputs that the model is not told when these players are swapped."""
        chosen = set(swapped)
        return frozenset().union(*(pair[name in chosen] for name, pair in self.absent))

    def outputs(
        self, switches: Array, scores: Scores, withheld: frozenset[str], quantity: str
    ) -> Array:
        """One output at one point: `scores` by name, those of the second file's own marked."""
        by_player = dict(zip(self.names, switches, strict=True))
        own = [_own_scores(joint, scores, second) for second, joint in enumerate(self.joints)]
        correlated = [joint.correlate(s) for joint, s in zip(self.joints, own, strict=True)]
        if CORRELATIONS in by_player:
            both = correlated[0].keys() & correlated[1].keys()
            swapped = by_player[CORRELATIONS]
            chosen = {n: jnp.where(swapped, correlated[1][n], correlated[0][n]) for n in both}
            correlated = [{**scores, **chosen} for scores in correlated]
        values = self._values(by_player, correlated)
        first, second = (_told(model, values, withheld)[quantity] for model in self.models)
        return jnp.where(by_player[MODEL], second, first) if MODEL in by_player else first

    def _values(
        self, switches: Mapping[str, Array], scores: list[dict[str, Array]]
    ) -> dict[str, Array]:
        owner = {name: player for player, names in self.players for name in names}
        nodes = [{node.name: node for node in joint.nodes} for joint in self.joints]
        values: dict[str, Array] = {}
        for name in self.order:
            found = [
                own[name].value(score, values)
                for own, score in zip(nodes, scores, strict=True)
                if name in own
            ]
            swapped = switches.get(owner.get(name, ""), jnp.zeros((), bool))
            values[name] = jnp.where(swapped, found[-1], found[0])
        return values


def _told(
    model: EnergyModel, values: Mapping[str, Array], withheld: frozenset[str]
) -> dict[str, Array]:
    """Outputs of a model that is not told some of what it can do without."""
    hidden = withheld - {*model.required}
    return model({name: value for name, value in values.items() if name not in hidden})


def _own_scores(joint: Joint, scores: Scores, second: int) -> dict[str, Array]:
    """Scores of one problem: marked ones are of what varies in it alone."""
    names = [node.name for node in joint.nodes if node.uncertain]
    marked = [f"{OTHERS}{name}" if second else name for name in names]
    return {
        name: scores[mark if mark in scores else name]
        for name, mark in zip(names, marked, strict=True)
    }


def mix(first: Problem, second: Problem) -> Mixed:
    """Find what differs between two problems at common coordinates.

    Raises
    ------
    InputError
        If assumptions need one another in a circle once some are swapped.
    """
    here, there = first.assumptions, second.assumptions
    same_model = _same(first.model, second.model)
    told = _left_to_the_model(first, second)
    used = first.used | second.used
    changed = [n for n in here if n in there and n in used and not _alike(here[n], there[n])]
    grouped = {name for pair in told.values() for names in pair for name in names}
    players: dict[str, tuple[str, ...]] = {n: (n,) for n in changed if n not in grouped}
    players |= {player: tuple(n for n in pair[0] | pair[1]) for player, pair in told.items()}
    players |= {} if same_model else {MODEL: ()}
    if _blocks(first.joint) != _blocks(second.joint):
        players[CORRELATIONS] = ()
    return Mixed(
        joints=(first.joint, second.joint),
        models=(first.model, second.model),
        order=_order(here, there),
        players=tuple(players.items()),
        absent=tuple(told.items()),
    )


def _same(one: EnergyModel, other: EnergyModel) -> bool:
    """Tell models of ours by their names, and a user's functions by what they are."""
    return one.function is other.function or bool(one.outputs and one.name == other.name)


def _alike(one: Assumption, other: Assumption) -> bool:
    keys = ("law", "expression", "low", "high", "varies")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def _left_to_the_model(
    first: Problem, second: Problem
) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Inputs that one file states and the other leaves to the model: withheld, by player.

    What only one of two models takes goes with the model.
    """
    used = [
        {name for name in p.model.used(p.assumptions) if other.model.used([name])}
        for p, other in ((first, second), (second, first))
    ]
    stated = [first.assumptions.keys(), second.assumptions.keys()]
    one_sided = {n for n in used[0] | used[1] if (n in stated[0]) != (n in stated[1])}
    found = {
        name: (frozenset({name} - used[0]), frozenset({name} - used[1]))
        for name in sorted(one_sided)
    }
    ways = {name for group in ALTERNATIVES for name in group}
    if one_sided & ways:
        found = {name: pair for name, pair in found.items() if name not in ways}
        every = (used[0] | used[1]) & ways
        found["overhead"] = (frozenset(every - used[0]), frozenset(every - used[1]))
    return found


def _blocks(joint: Joint) -> list[tuple[tuple[str, ...], list[float]]]:
    return sorted((block.names, _flat(block.factor)) for block in joint.blocks)


def _flat(factor: object) -> list[float]:
    return [float(x) for x in jnp.asarray(factor).ravel()]


def _order(here: Mapping[str, Assumption], there: Mapping[str, Assumption]) -> tuple[str, ...]:
    both: dict[str, set[str]] = {}
    for assumptions in (here, there):
        for name, item in assumptions.items():
            both.setdefault(name, set()).update(item.needs)
    try:
        return tuple(TopologicalSorter(both).static_order())
    except CycleError as error:
        around = " needs ".join(reversed(error.args[1]))
        raise InputError.of(
            "<explain>", f"swapped assumptions need one another: {around}"
        ) from error


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

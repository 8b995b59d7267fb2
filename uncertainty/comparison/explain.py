"""Why two estimates differ: the logarithm of their ratio, split among the assumptions."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from operator import attrgetter

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from uncertainty.arrays import Floats, in_float64, program
from uncertainty.comparison.compare import aligned, common_quantity
from uncertainty.energy import EnergyModel
from uncertainty.errors import InputError, require_known
from uncertainty.inputs import REPLACES
from uncertainty.problem import Columns, Joint, Problem, Scores
from uncertainty.results import STATISTICS, quantile, quantile_estimate, standard_error
from uncertainty.sampling import RANDOMIZATIONS, normal_scores

MODEL, CORRELATIONS = "model", "correlations"
EVIDENCE = "evidence"
"""The part of what evidence moves: swaps are those of the prior."""
_MOVED = {"posterior": "what it moves", "prior": "none", "": "none"}
_OTHERS = "other:"  # marks the scores of the second problem that the first does not share
_DRAWS, _QUERIES = 2**10, 2**6
_EXACT = 12  # swaps: 4096 subsets of them are as many as there is time for
_ORDERS = 256
_STATIC = {"static": True}


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
        says that the input was chosen to give a published output, so that it is not a cause; and
        ``stated``, what each file says, over ``side``. Contributions sum to ``log_ratio``.
        ``value`` over ``side`` has both medians. Attributes: ``quantity``, ``units``,
        ``statistic``, ``method``, and where there is evidence ``group``, that of the ends: the
        prior, or what a `table` compares. Swapped is the prior.

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
    >>> first, second = (un.build_problem("gpt-4o", given={"pue": pue}) for pue in (1.1, 2.2))
    >>> table = explain(first, second, draws=64)
    >>> table["input"].values.tolist(), round(float(table["factor"][0]), 2)
    (['pue'], 2.0)
    """
    name = common_quantity({"the first": first, "the second": second}, quantity)
    require_known("statistic", statistic, STATISTICS)
    sides = aligned([first, second])
    game = _Game(_Mixed.of(*sides), *_points(sides, draws, seed), name, statistic)
    names = game.mixed.names
    if len(names) <= _EXACT:
        parts = np.array([game.exact_share(player) for player in names])
        order_errors, method = np.zeros(len(names)), "exact, over all subsets"
    else:
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(len(names)) for _ in range(_ORDERS)]
        pairs = [(game.gains(order) + game.gains(order[::-1])) / 2 for order in orders]
        order_errors = np.std([pair[:, 0] for pair in pairs], axis=0, ddof=1) / math.sqrt(_ORDERS)
        parts, method = np.mean(pairs, axis=0), f"{_ORDERS} random orders, each with its reverse"
    parts = parts.reshape(len(names), RANDOMIZATIONS + 1)
    result = _table(game, (first, second), parts, order_errors, method)
    return result if table is None else _with_ends(result, table)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class _Mixed:
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

    @classmethod
    def of(cls, first: Problem, second: Problem) -> "_Mixed":
        """Find what differs between two problems at common coordinates."""
        here, there = first.assumptions, second.assumptions
        one, other = first.model, second.model
        # Models of ours are the same by their names, a user's functions by what they are.
        same_model = one.function is other.function or bool(one.outputs and one.name == other.name)
        absent = _left_to_the_model(first, second)
        grouped = {name for pair in absent.values() for names in pair for name in names}
        used = (first.used | second.used) - grouped
        # What a file says beside these, as in a note, makes no difference.
        content = attrgetter("law", "expression", "low", "high", "varies")
        players: dict[str, tuple[str, ...]] = {
            name: (name,)
            for name, item in here.items()
            if name in there and name in used and content(item) != content(there[name])
        }
        players |= {player: tuple(pair[0] | pair[1]) for player, pair in absent.items()}
        if not same_model:
            players[MODEL] = ()
        blocks = [
            sorted((b.names, np.asarray(b.factor).ravel().tolist()) for b in problem.joint.blocks)
            for problem in (first, second)
        ]
        if blocks[0] != blocks[1]:
            players[CORRELATIONS] = ()
        needs: dict[str, set[str]] = {}
        for name, item in [*here.items(), *there.items()]:
            needs.setdefault(name, set()).update(item.needs)
        try:
            order = tuple(TopologicalSorter(needs).static_order())
        except CycleError as error:
            around = " needs ".join(reversed(error.args[1]))
            text = f"swapped assumptions need one another: {around}"
            raise InputError.of("<explain>", text) from error
        return cls(
            joints=(first.joint, second.joint),
            models=(one, other),
            order=order,
            players=tuple(players.items()),
            absent=tuple(absent.items()),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Players in the order of the switches."""
        return tuple(name for name, _ in self.players)

    def outputs(
        self, switches: Array, scores: Scores, withheld: frozenset[str], quantity: str
    ) -> Array:
        """One output at one point: `scores` by name, those of the second file alone marked."""
        by_player = dict(zip(self.names, switches, strict=True))
        correlated = []
        for joint, mark in zip(self.joints, ("", _OTHERS), strict=True):
            uncertain = [node.name for node in joint.nodes if node.uncertain]
            marked = {name: f"{mark}{name}" for name in uncertain}
            mine = {n: scores[m if m in scores else n] for n, m in marked.items()}
            correlated.append(joint.correlate(mine))
        if CORRELATIONS in by_player:
            swapped, (one, other) = by_player[CORRELATIONS], correlated
            both = {n: jnp.where(swapped, other[n], one[n]) for n in one.keys() & other.keys()}
            correlated = [{**scores, **both} for scores in correlated]
        owner = {name: player for player, names in self.players for name in names}
        nodes = [{node.name: node for node in joint.nodes} for joint in self.joints]
        values: dict[str, Array] = {}
        for name in self.order:
            ways = [
                side[name].value(score, values)
                for side, score in zip(nodes, correlated, strict=True)
                if name in side
            ]
            swapped = by_player.get(owner.get(name, ""), jnp.zeros((), bool))
            values[name] = jnp.where(swapped, ways[-1], ways[0])
        first, second = (
            # A model cannot do without what it requires, whatever the files leave out.
            model({n: v for n, v in values.items() if n not in withheld - {*model.required}})
            for model in self.models
        )
        here, there = first[quantity], second[quantity]
        return jnp.where(by_player[MODEL], there, here) if MODEL in by_player else here


def _left_to_the_model(
    first: Problem, second: Problem
) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Inputs that one file gives and the other leaves to the model: withheld, by player.

    What only one of two models takes goes with the model.
    """
    used = [
        {name for name in p.model.used(p.assumptions) if other.model.used([name])}
        for p, other in ((first, second), (second, first))
    ]
    either = used[0] | used[1]
    one_sided = {n for n in either if (n in first.assumptions) != (n in second.assumptions)}

    def withheld(names: set[str]) -> tuple[frozenset[str], frozenset[str]]:
        return frozenset(names - used[0]), frozenset(names - used[1])

    ways = set(REPLACES)
    absent = {name: withheld({name}) for name in sorted(one_sided)}
    if one_sided & ways:
        # An overhead and its parts exclude one another: they are one swap.
        absent = {name: pair for name, pair in absent.items() if name not in ways}
        absent["overhead"] = withheld(either & ways)
    return absent


def _points(sides: list[Problem], draws: int, seed: int) -> tuple[Columns, Columns]:
    """Scores of all that is uncertain in either: shapes (chain, n) and (chain, m)."""
    kinds, places = dict[str, bool](), dict[str, int]()
    nodes = [node for problem in sides for node in problem.joint.nodes]
    for node in (node for node in nodes if node.uncertain):
        same = kinds.setdefault(node.name, node.varies) == node.varies
        name = node.name if same else f"{_OTHERS}{node.name}"
        kinds[name] = node.varies
        places[name] = node.index if same else node.index + len(nodes)
    each = max(draws // RANDOMIZATIONS, 2)
    counts = {False: each if places else 1, True: _QUERIES}
    chains = [
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
        {name: np.stack([chain[v][name] for chain in chains]) for name in chains[0][v]}
        for v in (False, True)
    )
    return outer, inner


@dataclass
class _Game:
    """Logarithms of the median, by what is swapped."""

    mixed: _Mixed
    outer: Columns
    inner: Columns
    quantity: str
    statistic: str
    known: dict[frozenset[str], Floats] = field(default_factory=dict)

    def worth(self, swapped: Iterable[str]) -> Floats:
        """Logarithm of the median of all chains, and of each chain: shape (1 + chains,)."""
        chosen = frozenset(swapped)
        if chosen in self.known:
            return self.known[chosen]
        withheld = [pair[name in chosen] for name, pair in self.mixed.absent]
        # Where nothing is uncertain, one unused column stands for the one point.
        one = {"": np.zeros((RANDOMIZATIONS, 1))}
        values = np.asarray(
            _statistics(
                self.mixed,
                jnp.array([name in chosen for name in self.mixed.names], bool),
                self.outer or one,
                self.inner or one,
                frozenset().union(*withheld),
                self.quantity,
                self.statistic,
            )
        )
        if not (np.isfinite(values).all() and (values > 0).all()):
            swaps = f"with {', '.join(sorted(chosen)) or 'nothing'} swapped"
            text = f"{self.quantity} must be finite and above 0, and is not everywhere {swaps}"
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

    def exact_share(self, name: str) -> Floats:
        """Contribution of one swap over all subsets of the others: shape (1 + chains,)."""
        others = [other for other in self.mixed.names if other != name]
        count, total = len(others) + 1, np.zeros(RANDOMIZATIONS + 1)
        for size in range(count):
            weight = 1 / (count * math.comb(count - 1, size))
            for subset in combinations(others, size):
                total += weight * (self.worth([*subset, name]) - self.worth(subset))
        return total

    def gains(self, order: np.ndarray) -> Floats:
        """What each swap adds in one order: shape (player, 1 + chains)."""
        names, swapped = self.mixed.names, list[str]()
        gains = np.zeros((len(names), RANDOMIZATIONS + 1))
        for number in order:
            before = self.worth(swapped)
            swapped.append(names[number])
            gains[number] = self.worth(swapped) - before
        return gains


@program("withheld", "quantity", "statistic")
def _statistics(
    mixed: _Mixed,
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

    values = jax.vmap(jax.vmap(jax.vmap(one, (None, 0)), (0, None)))(outer, inner)
    if statistic == "query":
        return values.reshape(len(values), -1)
    return jnp.median(values, -1) if statistic == "typical" else values.mean(-1)


def _table(
    game: _Game, problems: tuple[Problem, Problem], parts: Floats, order_errors: Floats, method: str
) -> xr.Dataset:
    """Label contributions, largest first, with what each file says of a swap."""
    names, members = list(game.mixed.names), dict(game.mixed.players)
    errors = np.hypot(standard_error(parts[:, 1:].T), order_errors) if names else np.zeros(0)
    order = np.argsort(-np.abs(parts[:, 0]))
    ends = [game.worth([]), game.worth(names)]
    ratio = ends[1] - ends[0]

    def says(problem: Problem, player: str) -> str:
        """What a file says of a swap."""
        if player == MODEL:
            return problem.model.name
        if player == CORRELATIONS:
            return "; ".join(" with ".join(block.names) for block in problem.joint.blocks) or "none"
        factors = [problem.assumptions[n] for n in members[player] if n in problem.assumptions]
        # What is a sum itself needs parentheses beside others.
        texts = [f"({it})" if it.expression and len(factors) > 1 else f"{it}" for it in factors]
        return " x ".join(texts) or "left to the model"

    texts = [[says(problem, name) for problem in problems] for name in names]
    known = [problem.assumptions for problem in problems]
    solved = [
        any(side[n].solved_for for side in known for n in members[name] if n in side)
        for name in names
    ]
    output = problems[0].outputs[game.quantity]
    sides = [
        problem.priors.label + (f":{problem.scenario}" if problem.scenario else "")
        for problem in problems
    ]
    if sides[0] == sides[1]:  # two mappings, or one file with other values
        sides = [f"{sides[0]} (first)", f"{sides[1]} (second)"]
    return xr.Dataset(
        {
            "contribution": ("input", parts[order, 0]),
            "contribution_se": ("input", errors[order]),
            "factor": ("input", np.exp(parts[order, 0])),
            "stated": (("input", "side"), np.array(texts, str).reshape(len(names), 2)[order]),
            "solved": ("input", np.array(solved, bool)[order]),
            "log_ratio": ((), ratio[0]),
            "log_ratio_se": ((), standard_error(ratio[1:])),
            "value": ("side", np.exp([end[0] for end in ends])),
            "value_se": ("side", [np.exp(end[0]) * standard_error(end[1:]) for end in ends]),
        },
        {"input": [names[i] for i in order], "side": sides},
        {
            "quantity": game.quantity,
            "units": output.unit,
            "boundary": output.boundary,
            "statistic": game.statistic,
            "method": f"Shapley values, {method}",
            **({"group": "prior"} if any(p.has_evidence for p in problems) else {}),
        },
    )


def _with_ends(parts: xr.Dataset, table: xr.Dataset) -> xr.Dataset:
    """Let the medians of a comparison be the ends, and split what they add to those at hand."""
    rows = table.sel(statistic=parts.attrs["statistic"])
    values, errors = (np.asarray(rows[key].values) for key in ("median", "mcse_median"))
    ratio = float(np.log(values[1] / values[0]))
    error = float(np.hypot(*(errors / values)))
    more = ratio - float(parts["log_ratio"])
    groups = [str(group) for group in table["group"].values] if "group" in table else []
    if "posterior" in groups:
        evidence = xr.Dataset(
            {
                "contribution": ("input", [more]),
                "contribution_se": ("input", [float(np.hypot(error, parts["log_ratio_se"]))]),
                "factor": ("input", [math.exp(more)]),
                "solved": ("input", [False]),
                "stated": (("input", "side"), [[_MOVED[group] for group in groups]]),
            },
            {"input": [EVIDENCE], "side": parts["side"]},
        )
        joined = xr.concat([parts[list(evidence.data_vars)], evidence], "input")
        ends = {"group": " and ".join(dict.fromkeys(groups))}  # the one of the first side first
        parts = parts.drop_dims("input").merge(joined).assign_attrs(parts.attrs | ends)
    else:
        sizes = np.abs(parts["contribution"])
        extra = more * sizes / (float(sizes.sum()) or 1.0)
        parts["contribution"] = parts["contribution"] + extra
        parts["contribution_se"] = np.hypot(parts["contribution_se"], extra)
    parts["factor"] = np.exp(parts["contribution"])
    parts["log_ratio"], parts["log_ratio_se"] = ((), ratio), ((), error)
    parts["value"], parts["value_se"] = ("side", values), ("side", errors)
    parts = parts.assign_coords(side=[str(name) for name in table["scenario"].values])
    return parts.isel(input=np.argsort(-np.abs(parts["contribution"].values), kind="stable"))

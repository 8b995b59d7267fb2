"""The road: independent standard normal scores to named inputs, and on to outputs."""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.stats.norm import logpdf
from jax.typing import ArrayLike

from uncertainty.arrays import Floats, program
from uncertainty.distributions import CompiledLaw, Values, compile_law, stacked
from uncertainty.energy import EFFECTS, EnergyModel
from uncertainty.files import Assumption, Correlation, Expression, correlation_matrix, names_in
from uncertainty.inputs import REPLACES

Scores: TypeAlias = Mapping[str, Array]
Columns: TypeAlias = dict[str, Floats]
"""Arrays by name."""
_STATIC = {"static": True}
_BATCH = 2**13
"""Points of one compiled call: their numbers fit the cache of one core."""
_ROWS = 2**8
"""Outer points of one compiled call, each with all inner ones."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Node:
    """One assumption on the road."""

    name: str = field(metadata=_STATIC)
    index: int = field(metadata=_STATIC)  # its coordinate of the unit cube
    varies: bool = field(metadata=_STATIC)  # its own score differs from query to query
    law: CompiledLaw | None = None  # none for an expression
    # With the law ``pick`` the place of its value among several, from 0.
    expression: Expression | None = field(default=None, metadata=_STATIC)

    @property
    def uncertain(self) -> bool:
        """True where a score moves it."""
        return self.law is not None and self.law.family not in ("fixed", "pick")

    @property
    def needs(self) -> frozenset[str]:
        """Names of the assumptions that its value follows from."""
        references = self.law.references if self.law is not None else frozenset[str]()
        return references.union(names_in(self.expression) if self.expression else ())

    def value(self, scores: Scores, values: Values) -> Array:
        """Value at its own score, given the values of what it needs."""
        if self.law is None:
            assert self.expression is not None
            return evaluate(self.expression, values)
        if self.uncertain:
            return self.law.quantile(scores[self.name], values)
        numbers = self.law.kernel_params(values)[0]
        if self.expression is None:
            return numbers
        place = evaluate(self.expression, values)
        known = (place >= 0) & (place < len(numbers))  # NaN at a place that is none
        return jnp.where(known, numbers[jnp.where(known, place, 0).astype(int)], jnp.nan)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Block:
    """Correlated roots: `factor` is the Cholesky factor of their normal scores' correlation."""

    names: tuple[str, ...] = field(metadata=_STATIC)
    factor: ArrayLike


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Roots:
    """Assumptions of one family that need only their own score: evaluated in one call."""

    names: tuple[str, ...] = field(metadata=_STATIC)
    law: CompiledLaw


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Joint:
    """The joint prior as a map; a pytree whose leaves are the numbers stated in files."""

    nodes: tuple[Node, ...]  # each follows what it needs
    blocks: tuple[Block, ...] = ()
    roots: tuple[Roots, ...] = ()  # those of the nodes that are evaluated together

    @classmethod
    def of(cls, nodes: Iterable[Node], blocks: Iterable[Block]) -> "Joint":
        """Group the roots of each family, so that the program grows with families, not inputs."""
        nodes = tuple(nodes)
        kinds: dict[object, list[tuple[str, CompiledLaw]]] = {}
        for node in nodes:
            if node.law is not None and node.uncertain and node.law.closed:
                leaves, structure = jax.tree.flatten(node.law)
                kind = (structure, tuple(np.shape(leaf) for leaf in leaves))
                kinds.setdefault(kind, []).append((node.name, node.law))
        roots = tuple(
            Roots(tuple(name for name, _ in kind), stacked([law for _, law in kind]))
            for kind in kinds.values()
            if len(kind) > 1
        )
        return cls(nodes, tuple(blocks), roots)

    def only(self, names: Iterable[str]) -> "Joint":
        """Keep some assumptions; a block stays where all of it does."""
        kept = frozenset(names)
        blocks = (block for block in self.blocks if kept.issuperset(block.names))
        return Joint.of((node for node in self.nodes if node.name in kept), blocks)

    def without(self, names: tuple[str, ...]) -> "Joint":
        """Leave out what nothing else needs; the others keep the order of their coordinates."""
        gone = {*names}.difference(*(node.needs for node in self.nodes if node.name not in names))
        kept = self.only({node.name for node in self.nodes} - gone)
        places = [node.index for node in self.nodes if node.name in gone]
        nodes = (replace(n, index=n.index - sum(i < n.index for i in places)) for n in kept.nodes)
        return replace(kept, nodes=tuple(nodes))

    def coordinates(self, *, varies: bool) -> dict[str, int]:
        """Uncertain assumptions of one kind with their coordinate of the unit cube."""
        return {n.name: n.index for n in self.nodes if n.uncertain and n.varies == varies}

    def behind(self, names: Iterable[str], known: Iterable[str] = ()) -> frozenset[str]:
        """Give the assumptions whose scores may move one of `names`, these included.

        What is `known` needs no score, unless it is correlated with one that does: the score of
        one, whatever its value, is a part of the other's.
        """
        nodes, known, reached = {node.name: node for node in self.nodes}, {*known}, set[str]()
        reaching = {name for name in names if name in nodes} - known
        while reaching:  # one step further at a time, until nothing is new
            reached |= reaching
            tied = {m for block in self.blocks if reaching & {*block.names} for m in block.names}
            needed = {need for name in reaching - known for need in nodes[name].needs} - known
            reaching = (tied | needed) - reached
        return frozenset(reached)

    def left_open(self, model: EnergyModel, known: Set[str]) -> frozenset[str]:
        """Names whose scores may move what rows measure that state what is `known`.

        A measured system has a group's effect, not that of a system that nobody measured.
        """
        replaced = {*replaced_by(known, model), *EFFECTS}
        return self.behind(model.used(x.name for x in self.nodes if x.name not in replaced), known)

    def correlate(self, scores: Scores) -> dict[str, Array]:
        """Independent scores to correlated ones; both standard normal."""
        result = dict(scores)
        for block in self.blocks:
            independent = jnp.stack([scores[name] for name in block.names])
            margins = jnp.asarray(block.factor) @ independent
            result.update(zip(block.names, margins, strict=True))
        return result

    def decorrelate(self, scores: Mapping[str, Floats]) -> dict[str, Floats]:
        """Invert `correlate`, for columns of shape (n,) on the host.

        Blocks of which there are no scores are left out.
        """
        result = dict(scores)
        for block in (block for block in self.blocks if block.names[0] in scores):
            margins = np.stack([scores[name] for name in block.names])
            independent = np.linalg.solve(np.asarray(block.factor), margins)
            result.update(zip(block.names, independent, strict=True))
        return result

    def inputs(self, scores: Scores, known: Values | None = None) -> dict[str, Array]:
        """Correlated scores to the value of every assumption, by name.

        Those whose values are `known` need no score.
        """
        ready = dict(known or {})
        for group in self.roots:
            if ready.keys().isdisjoint(group.names):
                z = jnp.stack([scores[name] for name in group.names])
                # In 32 bits NumPy's numbers are not of a type that JAX may batch.
                law = jax.tree.map(jnp.asarray, group.law)
                x = jax.vmap(lambda law, z: law.quantile(z, {}))(law, z)
                ready.update(zip(group.names, jnp.unstack(x), strict=True))
        values = dict(known or {})  # also of what is not among the nodes, but others follow from
        for nodes in self._alike(ready):
            if len(nodes) > 1:
                laws, needs = zip(*(node.law.numbered() for node in nodes if node.law), strict=True)
                columns = enumerate(zip(*needs, strict=True))
                named = {str(i): jnp.stack([values[n] for n in column]) for i, column in columns}
                z = jnp.stack([scores[node.name] for node in nodes])
                law = jax.tree.map(lambda *leaves: jnp.stack(leaves), *laws)
                x = jnp.unstack(jax.vmap(CompiledLaw.quantile)(law, z, named))
                ready.update((node.name, one) for node, one in zip(nodes, x, strict=True))
            for node in nodes:
                value = ready.get(node.name)
                values[node.name] = node.value(scores, values) if value is None else value
        return {node.name: values[node.name] for node in self.nodes}

    def _alike(self, ready: Values) -> list[list[Node]]:
        """Put nodes together whose laws name others in one way; each follows what it needs.

        The inverse of a beta is long to compile: one serves all. What varies per query is apart, as
        it is computed for each query.
        """
        depth, kinds = dict[str, int](), dict[object, list[Node]]()
        for node in self.nodes:
            before = max((depth.get(name, 0) for name in node.needs), default=0)
            # Those that vary come after all that do not.
            depth[node.name] = max(before + 1, len(self.nodes) * node.varies)
            kind: object = node.name
            if node.law is not None and node.uncertain and node.name not in ready:
                leaves, structure = jax.tree.flatten(node.law.numbered()[0])
                kind = (depth[node.name], structure, *map(np.shape, leaves))
            kinds.setdefault(kind, []).append(node)
        return sorted(kinds.values(), key=lambda nodes: depth[nodes[0].name])

    def log_prior(self, scores: Scores) -> dict[str, Array]:
        """Log density of each uncertain assumption on its natural scale, at independent scores.

        ``log phi(w) - log |dx/dw|``, where w is the assumption's own independent score: under a
        correlation this is the density given the correlated assumptions before it.
        """
        names = [node.name for node in self.nodes if node.uncertain]
        if not names:
            return {}

        def values(moved: Array) -> Array:
            at = {**scores, **dict(zip(names, moved, strict=True))}
            inputs = self.inputs(self.correlate(at))
            return jnp.stack([inputs[name] for name in names])

        at = jnp.stack([jnp.asarray(scores[name]) for name in names])
        slopes = jax.vmap(lambda one: jax.jvp(values, (at,), (one,))[1])(
            jnp.eye(len(names), dtype=at.dtype)
        )
        slope = jnp.abs(jnp.diagonal(slopes))
        densities = logpdf(at) - jnp.log(jnp.where(slope > 0, slope, 1.0))
        return dict(zip(names, jnp.where(slope > 0, densities, 0.0), strict=True))


_OPERATIONS: Mapping[str, Callable[..., Array]] = {
    "+": jnp.add,
    "-": lambda *x: jnp.negative(x[0]) if len(x) == 1 else jnp.subtract(*x),
    "*": jnp.multiply,
    "/": jnp.divide,
    "**": jnp.power,
    "sqrt": jnp.sqrt,
    "exp": jnp.exp,
    "log": jnp.log,
    "log10": jnp.log10,
    "abs": jnp.abs,
    "min": jnp.minimum,
    "max": jnp.maximum,
}


def evaluate(expression: Expression, values: Values) -> Array:
    """Evaluate a parsed expression."""
    head, *rest = expression
    if head == "number":
        return jnp.asarray(rest[0], jnp.result_type(float))
    if head == "name":
        return values[str(rest[0])]
    return _OPERATIONS[head](*(evaluate(x, values) for x in rest if isinstance(x, tuple)))


def build_joint(
    assumptions: Iterable[Assumption], correlations: Iterable[Correlation]
) -> tuple[Joint, dict[str, str]]:
    """Compile checked assumptions; gives the joint prior and what failed, by name."""
    nodes, failures = [], {}
    for item in assumptions:
        try:
            law = compile_law(item.law, item.low, item.high) if item.law else None
        except ValueError as error:
            failures[item.name] = str(error)
            continue
        nodes.append(Node(item.name, item.index, item.varies, law, item.expression))
    if failures:
        return Joint(tuple(nodes)), failures
    groups: list[set[str]] = []
    pairs = list(correlations)
    for pair in pairs:
        touched = [group for group in groups if group & {pair.first, pair.second}]
        joined = {pair.first, pair.second}.union(*touched)
        groups = [group for group in groups if group not in touched] + [joined]
    places = {node.name: node.index for node in nodes}
    blocks = []
    for group in groups:
        names = sorted(group, key=places.__getitem__)  # within a block they stand in file order
        inside = [pair for pair in pairs if pair.first in group]
        blocks.append(Block(tuple(names), np.linalg.cholesky(correlation_matrix(names, inside))))
    return Joint.of(nodes, blocks), failures


def evaluate_point(
    joint: Joint, model: EnergyModel, scores: Scores, known: Values | None = None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs and outputs at one point: independent normal scores by name, each of shape ().

    Inputs whose values are `known` need no score.
    """
    inputs = joint.inputs(joint.correlate(scores), known)
    return inputs, model(inputs)


@program("model")
def _batch(
    joint: Joint, model: EnergyModel, scores: dict[str, Array]
) -> tuple[dict[str, Array], dict[str, Array]]:
    return jax.vmap(lambda point: evaluate_point(joint, model, point))(scores)


def each_point(
    joint: Joint, model: EnergyModel, scores: Mapping[str, Floats]
) -> tuple[Columns, Columns]:
    """Inputs and outputs at points whose scores all have shape (n,).

    Batches of one size serve every call, so that a problem is compiled once.
    """
    count = max((len(column) for column in scores.values()), default=1)
    batches = [_batch(joint, model, columns) for columns in _in_batches(scores, count, _BATCH)]
    inputs, outputs = zip(*batches, strict=True)
    return _joined(inputs, count), _joined(outputs, count)


def every_pair(
    joint: Joint,
    model: EnergyModel,
    outer: Mapping[str, Floats],
    inner: Mapping[str, Floats],
    names: tuple[str, ...],
) -> Columns:
    """Outputs `names` for each outer point (n,) with each inner point (m,): shape (n, m).

    Rows go in batches of one size, as in `each_point`.
    """
    count = max((len(column) for column in outer.values()), default=1)
    batches = _in_batches(outer, count, _ROWS)
    return _joined([_pairs(joint, model, rows, dict(inner), names) for rows in batches], count)


def ahead(joint: Joint, model: EnergyModel, queries: int, names: tuple[str, ...]) -> None:
    """Begin to compile what `each_point` and `every_pair` will run."""
    outer, inner = (joint.coordinates(varies=varies) for varies in (False, True))
    points = {name: np.zeros(_BATCH) for name in {**outer, **inner}}
    _batch.ahead(joint, model, points or {"": np.zeros(_BATCH)})
    if inner:
        rows = dict.fromkeys(outer, np.zeros(_ROWS)) or {"": np.zeros(_ROWS)}
        _pairs.ahead(joint, model, rows, dict.fromkeys(inner, np.zeros(queries)), names)


def _in_batches(columns: Mapping[str, Floats], count: int, size: int) -> Iterable[Columns]:
    """Lengthen columns to whole batches; an unused one stands in where nothing is uncertain."""
    length = -(-count // size) * size
    longer: Columns = {n: np.pad(c, (0, length - len(c)), "edge") for n, c in columns.items()}
    longer = longer or {"": np.zeros(length)}
    for start in range(0, length, size):
        yield {name: column[start : start + size] for name, column in longer.items()}


def _joined(batches: Iterable[dict[str, Array]], count: int) -> Columns:
    columns = [{n: np.asarray(x, np.float64) for n, x in batch.items()} for batch in batches]
    return {n: np.concatenate([column[n] for column in columns])[:count] for n in columns[0]}


@program("model", "names")
def _pairs(
    joint: Joint,
    model: EnergyModel,
    outer: dict[str, Array],
    inner: dict[str, Array],
    names: tuple[str, ...],
) -> dict[str, Array]:
    def pair(epistemic: Scores, query: Scores) -> dict[str, Array]:
        outputs = evaluate_point(joint, model, {**epistemic, **query})[1]
        return {name: outputs[name] for name in names}

    over_queries = jax.vmap(pair, (None, 0))
    return jax.vmap(over_queries, (0, None))(outer, inner)


def replaced_by(known: Set[str], model: EnergyModel) -> frozenset[str]:
    """Names that say in another way what a row states: a model does not get them."""
    # What a shipped model takes a ratio for follows from the two sizes.
    sizes = model.outputs and known >= {"active_parameters", "total_parameters"}
    names = frozenset({"moe_ratio"}) if sizes else frozenset[str]()
    return names.union(*(REPLACES.get(name, ()) for name in known))

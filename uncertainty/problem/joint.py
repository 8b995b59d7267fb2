"""The road: independent standard normal scores (or points of the unit cube) to named inputs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.stats.norm import logpdf
from jax.typing import ArrayLike

from uncertainty.arrays import Floats
from uncertainty.distributions import CompiledLaw, Values, compile_law
from uncertainty.files import Assumption, Correlation, Expression, correlation_matrix, names_in

Scores: TypeAlias = Mapping[str, Array]
_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Node:
    """One assumption on the road.

    Attributes
    ----------
    name : str
    index : int
        Its coordinate of the unit cube.
    varies : bool
        True where its own score differs from query to query.
    law : CompiledLaw or None
        None for an expression.
    expression : tuple or None
        With the law ``pick`` the place of its value among several, from 0.
    """

    name: str = field(metadata=_STATIC)
    index: int = field(metadata=_STATIC)
    varies: bool = field(metadata=_STATIC)
    law: CompiledLaw | None = None
    expression: Expression | None = field(default=None, metadata=_STATIC)

    @property
    def uncertain(self) -> bool:
        """True where a score moves it."""
        return self.law is not None and self.law.family not in ("fixed", "pick")

    @property
    def needs(self) -> frozenset[str]:
        """Names of the assumptions that its value follows from."""
        own = self.law.references if self.law is not None else frozenset[str]()
        return own.union(names_in(self.expression) if self.expression else ())

    def value(self, scores: Scores, values: Values) -> Array:
        """Value at its own score, given the values of what it needs."""
        if self.expression is not None:
            found = evaluate(self.expression, values)
            return found if self.law is None else _picked(self.law.kernel_params(values)[0], found)
        assert self.law is not None
        if not self.uncertain:
            return self.law.kernel_params(values)[0]
        return self.law.quantile(scores[self.name], values)


def _picked(numbers: Array, place: Array) -> Array:
    """Give the number at a place; NaN at a place that is none."""
    known = (place >= 0) & (place < len(numbers))
    return jnp.where(known, numbers[jnp.where(known, place, 0).astype(int)], jnp.nan)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Block:
    """Correlated roots: `factor` is the Cholesky factor of their normal scores' correlation."""

    names: tuple[str, ...] = field(metadata=_STATIC)
    factor: ArrayLike


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Joint:
    """The joint prior as a map; a pytree whose leaves are the numbers stated in files.

    Attributes
    ----------
    nodes : tuple of Node
        Each follows what it needs.
    blocks : tuple of Block
        Correlated roots.
    """

    nodes: tuple[Node, ...]
    blocks: tuple[Block, ...] = ()

    def coordinates(self, *, varies: bool) -> dict[str, int]:
        """Uncertain assumptions of one kind with their coordinate of the unit cube."""
        return {n.name: n.index for n in self.nodes if n.uncertain and n.varies == varies}

    def behind(self, names: Iterable[str], known: Iterable[str] = ()) -> frozenset[str]:
        """Give the assumptions whose scores may move one of `names`, these included.

        What is `known` needs no score.
        """
        nodes, found = {node.name: node for node in self.nodes}, set[str]()
        wanted = [name for name in names if name in nodes]
        while wanted:
            name = wanted.pop()
            if name not in found and name not in (*known,):
                found.add(name)
                mates = (
                    mate for block in self.blocks if name in block.names for mate in block.names
                )
                wanted += [*nodes[name].needs, *mates]
        return frozenset(found)

    def correlate(self, scores: Scores) -> dict[str, Array]:
        """Independent scores to correlated ones; both standard normal."""
        result = dict(scores)
        for block in self.blocks:
            own = jnp.stack([scores[name] for name in block.names])
            result.update(zip(block.names, jnp.asarray(block.factor) @ own, strict=True))
        return result

    def decorrelate(self, scores: Mapping[str, Floats]) -> dict[str, Floats]:
        """Invert `correlate`, for columns of shape (n,) on the host.

        Blocks of which there are no scores are left out.
        """
        result = dict(scores)
        for block in (block for block in self.blocks if block.names[0] in scores):
            margins = np.stack([scores[name] for name in block.names])
            own = np.linalg.solve(np.asarray(block.factor), margins)
            result.update(zip(block.names, own, strict=True))
        return result

    def inputs(self, scores: Scores, known: Values | None = None) -> dict[str, Array]:
        """Correlated scores to the value of every assumption, by name.

        Those whose values are `known` need no score.
        """
        values: dict[str, Array] = {}
        for node in self.nodes:
            given = (known or {}).get(node.name)
            values[node.name] = node.value(scores, values) if given is None else given
        return values

    def masses(self) -> dict[str, Array]:
        """Probability that each truncation with fixed ends and parameters leaves, by name."""
        laws = {node.name: node.law for node in self.nodes if node.law is not None}
        cut = {n: law for n, law in laws.items() if law.ends is not None and law.closed}
        return {n: law.mass({}) for n, law in cut.items() if law.log_mass is None}

    def log_prior(self, scores: Scores) -> dict[str, Array]:
        """Log density of each uncertain assumption on its natural scale, at independent scores.

        ``log phi(w) - log |dx/dw|``, where w is the assumption's own independent score: under a
        correlation this is the density given the correlated assumptions before it.
        """
        names = [node.name for node in self.nodes if node.uncertain]
        if not names:
            return {}

        def values(own: Array) -> Array:
            moved = self.inputs(self.correlate({**scores, **dict(zip(names, own, strict=True))}))
            return jnp.stack([moved[name] for name in names])

        at = jnp.stack([jnp.asarray(scores[name]) for name in names])
        slopes = jax.vmap(lambda one: jax.jvp(values, (at,), (one,))[1])(
            jnp.eye(len(names), dtype=at.dtype)
        )
        own = jnp.abs(jnp.diagonal(slopes))
        densities = logpdf(at) - jnp.log(jnp.where(own > 0, own, 1.0))
        return dict(zip(names, jnp.where(own > 0, densities, 0.0), strict=True))


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


def _blocks(correlations: Iterable[Correlation], indices: Mapping[str, int]) -> tuple[Block, ...]:
    """Group correlated names; within a block they stand in file order."""
    groups: list[set[str]] = []
    pairs = list(correlations)
    for pair in pairs:
        joined = {pair.first, pair.second}.union(
            *(g for g in groups if g & {pair.first, pair.second})
        )
        groups = [group for group in groups if not group & joined] + [joined]
    return tuple(_block(sorted(group, key=indices.__getitem__), pairs) for group in groups)


def _block(names: list[str], pairs: Iterable[Correlation]) -> Block:
    inside = [pair for pair in pairs if pair.first in names]
    return Block(tuple(names), np.linalg.cholesky(correlation_matrix(names, inside)))


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
    blocks = () if failures else _blocks(correlations, {node.name: node.index for node in nodes})
    return Joint(tuple(nodes), blocks), failures

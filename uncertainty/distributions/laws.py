"""A law, compiled: its numbers are array leaves, so new numbers need no compilation.

Truncation and mixture wrap the kernels of the families; where that leaves no closed form, a table
of the whole quantile function stands in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import logsumexp
from jax.typing import ArrayLike
from scipy import special

from uncertainty.arrays import Floats, program
from uncertainty.distributions.kernel import (
    CLOSED,
    Fields,
    Kernel,
    Params,
    just_below,
    percentiles_in,
    score_of,
    tails,
)
from uncertainty.distributions.points import POINTS
from uncertainty.distributions.special import SPECIAL, Tabulated
from uncertainty.distributions.tables import (
    Inverse,
    exact_slope,
    invert_density,
    invert_score,
    resolved,
)
from uncertainty.files import Law, Number, Reference

FAMILIES: Mapping[str, Kernel] = MappingProxyType({**CLOSED, **SPECIAL, **POINTS})
"""Kernels by the name that files use; mixtures are made of them."""

Values: TypeAlias = Mapping[str, Array]
Cut: TypeAlias = tuple[Array, Array, tuple[Array, Array], tuple[Array, Array], Array]
"""Scores of the ends of a truncation, both tails at each, and the probability between them."""
_STATIC = {"static": True}
_JUMPING = ("fixed", "choice", "empirical")
"""Families whose distribution function may jump: a column may hold one value many times."""
_LEAST = 1e-280
"""Probability below which its digits go; the density serves on."""
_BENDS = 20_000
"""Numbers of a mixture up to which it is tabulated: a long column has a bend at each value."""
_OUTSIDE = 9.0
"""Score beyond which a truncation leaves the part of a table that is dense enough."""
_BATCH = 512
"""Values that are evaluated together while a table is made: one compilation serves all."""
_HALVINGS = 80
"""Of the interval between the quantiles of the parts of a mixture, to the last digit."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Arguments:
    """Named arguments, each a number or (argument, place in its array, name of an assumption)."""

    numbers: dict[str, ArrayLike] = field(default_factory=dict)
    names: tuple[tuple[str, tuple[int, ...], str], ...] = field(default=(), metadata=_STATIC)

    @classmethod
    def of(cls, **fields: Number | Sequence[Number]) -> "Arguments":
        """Hold numbers, names and lists of these."""
        numbers, names = dict[str, ArrayLike](), list[tuple[str, tuple[int, ...], str]]()
        for key, value in fields.items():
            single = isinstance(value, float | Reference)
            items = [value] if isinstance(value, float | Reference) else list(value)
            places = [() if single else (i,) for i in range(len(items))]
            names += [
                (key, place, str(item))
                for place, item in zip(places, items, strict=True)
                if isinstance(item, Reference)
            ]
            plain = np.array([0.0 if isinstance(item, Reference) else item for item in items])
            if not (single and isinstance(value, Reference)):
                numbers[key] = plain[0] if single else plain
        return cls(numbers, tuple(names))

    @property
    def references(self) -> frozenset[str]:
        """Names of the assumptions among them."""
        return frozenset(name for _, _, name in self.names)

    def fields(self, values: Values) -> dict[str, Array]:
        """Give every argument as a value."""
        fields = {key: jnp.asarray(number) for key, number in self.numbers.items()}
        for key in dict.fromkeys(key for key, _, _ in self.names):
            members = [(place, values[name]) for other, place, name in self.names if other == key]
            if members[0][0]:  # of a list: all set at once, for a program that is short to compile
                places = tuple(map(np.array, zip(*(place for place, _ in members), strict=True)))
                fields[key] = fields[key].at[places].set(jnp.stack([x for _, x in members]))
            else:
                fields[key] = members[0][1]
        return fields


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CompiledLaw:
    """One law on the road from a standard normal score to a value.

    A part of a mixture holds all members of one family: its numbers have one axis more.

    Attributes
    ----------
    family : str
        Name of the kernel, or ``mixture``, or ``pick``: one of its values by the place of another.
    arguments : Arguments
        As stated, where one of them is another assumption; ``weights`` of a mixture.
    params : tuple of array
        Of the kernel, where all arguments are numbers.
    ends : Arguments or None
        ``low`` and ``high`` of a truncation.
    table : array or None
        Coefficients that stand in for a slow quantile function.
    cut : tuple of array, or None
        What the truncation leaves, where that is the same in every draw.
    inverse : Inverse or None
        Table of the whole quantile function, truncation included, that stands in for a mixture's
        and for that of a far tail.
    log_mass : array or None
        Logarithm of the probability that is left far out in a tail.
    stacked : bool
        True for arguments of several members.
    """

    family: str = field(metadata=_STATIC)
    arguments: Arguments = field(default_factory=Arguments)
    params: tuple[ArrayLike, ...] = ()
    parts: tuple["CompiledLaw", ...] = ()
    ends: Arguments | None = None
    table: ArrayLike | None = None
    cut: Cut | None = None
    inverse: Inverse | None = None
    log_mass: ArrayLike | None = None
    stacked: bool = field(default=False, metadata=_STATIC)

    @property
    def references(self) -> frozenset[str]:
        """Names of the assumptions that the parameters name."""
        ends = self.ends.references if self.ends is not None else frozenset[str]()
        return self.arguments.references.union(ends, *(part.references for part in self.parts))

    def numbered(self) -> tuple["CompiledLaw", tuple[str, ...]]:
        """Number the assumptions that the law names, so that like laws are of one structure."""
        numbers = dict[str, str]()

        def number(part: object) -> object:
            names = part.names if isinstance(part, Arguments) else ()
            new = tuple((k, at, numbers.setdefault(n, str(len(numbers)))) for k, at, n in names)
            return replace(part, names=new) if isinstance(part, Arguments) else part

        law = jax.tree.map(number, self, is_leaf=lambda part: isinstance(part, Arguments))
        return law, tuple(numbers)

    @property
    def closed(self) -> bool:
        """True where every parameter is a number."""
        return not self.references

    @property
    def jumps(self) -> bool:
        """True where a value can change at once: separate values, or an atom in a mixture."""
        return self.family == "choice" or any(
            part.jumps or part.family == "fixed" for part in self.parts
        )

    def quantile(self, z: Array, values: Values) -> Array:
        """Value at the standard normal score `z`, truncation included.

        NaN where a parameter that names an assumption has a value it cannot have; parameters that
        are numbers were checked when the file was loaded.
        """
        if self.inverse is not None:
            return exact_slope(_at_inverse, _log_density, True, self, z)
        if self.ends is not None:
            _, _, below, above, width = self.cut_at(values)
            lower, upper = tails(z)
            # Both tails are sums of positive parts, so neither cancels.
            z = score_of(below[0] + lower * width, above[1] + upper * width)
        if self.parts:
            x = self._mixture_quantile(z, values)
        else:
            table = jax.tree.map(jnp.asarray, self.table)
            x = _kernel_quantile(self.family, self.kernel_params(values), table, z)
        if self.ends is not None:
            # A table or a rounding may step over an end by its last digits.
            ends = self.ends.fields(values)
            x = jnp.clip(x, ends.get("low"), ends.get("high"))
        return x if self.closed else jnp.where(self.valid(values), x, jnp.nan)

    def score(self, x: Array, values: Values) -> Array:
        """Standard normal score of a value, truncation included."""
        whole = self.whole_score(x, values)
        if self.ends is None:
            return whole
        low, high, below, above, width = self.cut_at(values)
        lower, upper = tails(jnp.clip(whole, low, high))
        share = jnp.where(low > 0, below[1] - upper, lower - below[0]) / width
        rest = jnp.where(low > 0, upper - above[1], above[0] - lower) / width
        return score_of(jnp.clip(share, 0.0, 1.0), jnp.clip(rest, 0.0, 1.0))

    def log_density(self, x: Array, values: Values) -> Array:
        """Log density, truncation included; an atom adds nothing to it."""
        whole = self.whole_log_density(x, values)
        if self.ends is None:
            return whole
        ends = self.ends.fields(values)
        low, high = ends.get("low", -jnp.inf), ends.get("high", jnp.inf)
        left = (
            jnp.log(self.cut_at(values)[-1])
            if self.log_mass is None
            else jnp.asarray(self.log_mass)
        )
        return jnp.where((low <= x) & (x <= high), whole - left, -jnp.inf)

    def valid(self, values: Values) -> Array:
        """Whether the law exists with the parameters of this draw."""
        if self.parts:
            weights = self.arguments.fields(values)["weights"]
            valid = (weights >= 0).all() & (weights.sum() > 0)
            for part in self.parts:
                valid &= jax.vmap(FAMILIES[part.family].valid)(part.kernel_params(values)).all()
        else:
            valid = FAMILIES[self.family].valid(self.kernel_params(values))
        return valid & (self.cut_at(values)[-1] > _LEAST) if self.ends is not None else valid

    def kernel_params(self, values: Values) -> Params:
        """Parameters of the kernel; those of a part of a mixture have an axis of members."""
        if self.params:
            return tuple(jnp.asarray(value) for value in self.params)
        fields, parameters = self.arguments.fields(values), FAMILIES[self.family].parameters
        return (jax.vmap(parameters) if self.stacked else parameters)(fields)

    def whole_score(self, x: Array, values: Values) -> Array:
        """Score without the truncation."""
        if not self.parts:
            return FAMILIES[self.family].score(self.kernel_params(values), x)
        scores = self._of_members(lambda kernel, params: kernel.score(params, x), values)
        weights = self.arguments.fields(values)["weights"]
        # Both tails are sums of the parts' tails, so neither loses digits.
        below, above = (jnp.tensordot(weights / weights.sum(), tail, 1) for tail in tails(scores))
        return score_of(below, above)

    def whole_log_density(self, x: Array, values: Values) -> Array:
        """Log density without the truncation."""
        if not self.parts:
            return FAMILIES[self.family].log_density(self.kernel_params(values), x)
        densities = self._of_members(lambda kernel, params: kernel.log_density(params, x), values)
        weights = self.arguments.fields(values)["weights"]
        shares = (weights / weights.sum()).reshape(-1, *(1 for _ in jnp.shape(x)))
        return logsumexp(densities, axis=0, b=shares)

    def _of_members(self, give: Callable[[Kernel, Params], Array], values: Values) -> Array:
        """Something of every member of a mixture, along a first axis."""
        kernels = [(FAMILIES[part.family], part.kernel_params(values)) for part in self.parts]
        return jnp.concatenate([jax.vmap(partial(give, k))(params) for k, params in kernels])

    def quantiles_of_parts(self, z: Array, values: Values) -> list[Array]:
        """Quantile of every member at one score, by part."""
        return [
            jax.vmap(partial(_kernel_quantile, part.family, z=z))(
                part.kernel_params(values), jax.tree.map(jnp.asarray, part.table)
            )
            for part in self.parts
        ]

    def _mixture_quantile(self, z: Array, values: Values) -> Array:
        """Quantile of a mixture: it lies between its parts' quantiles at the same score.

        Atoms come out exactly; within a gap between the parts the quantile function jumps.
        """
        of_parts = self.quantiles_of_parts(z, values)
        ends = jnp.concatenate(of_parts)
        score = partial(self.whole_score, values=values)
        smooth = _invert(score, z, ends.min(), ends.max())
        pairs = zip(self.parts, of_parts, strict=True)
        jumping = [x for part, x in pairs if part.family in _JUMPING]
        if not jumping:
            return smooth
        jumps = jnp.concatenate(jumping)
        reached = score(jnp.stack([just_below(jumps), jumps])) >= z
        # An atom is where the score jumps over z: it comes out to the last digit.
        atom = jnp.where(reached[1] & ~reached[0], jumps, -jnp.inf).max()
        return jnp.where(jnp.isfinite(atom), atom, smooth)

    def cut_at(self, values: Values) -> Cut:
        """What the truncation leaves; the probability comes from the side where it is exact."""
        if self.cut is not None:
            low, high, below, above, width = jax.tree.map(jnp.asarray, self.cut)
            return low, high, below, above, width
        ends = self.ends.fields(values) if self.ends else {}
        first = jnp.asarray(ends.get("low", -jnp.inf), float)
        last = jnp.asarray(ends.get("high", jnp.inf), float)
        # Just below the lower end, so that an atom there stays inside. Both in one call: the score
        # of a slow family is long to compile.
        both = self.whole_score(jnp.stack([just_below(first), last]), values)
        low = jnp.where(jnp.isneginf(first), -jnp.inf, both[0])
        high = jnp.where(jnp.isposinf(last), jnp.inf, both[1])
        below, above = tails(low), tails(high)
        width = jnp.where(low > 0, below[1] - above[1], above[0] - below[0])
        return low, high, below, above, width


def _kernel_quantile(family: str, params: Params, table: Array | None, z: Array) -> Array:
    kernel = FAMILIES[family]
    if isinstance(kernel, Tabulated) and table is not None:
        return kernel.look_up(params, table, z)
    return kernel.quantile(params, z)


def _at_inverse(law: CompiledLaw, z: Array) -> Array:
    assert law.inverse is not None
    return law.inverse.at(z)


def _log_density(law: CompiledLaw, x: Array) -> Array:
    return law.log_density(x, {})


def _invert(score: Callable[[Array], Array], z: Array, low: Array, high: Array) -> Array:
    """Least x in [low, high] with ``score(x) >= z``; differentiated as an implicit function."""

    def solve(_: Callable[[Array], Array], start: Array) -> Array:
        def step(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            product = low * high
            # Geometric where both ends have one sign and lie far apart, else arithmetic.
            far = (product > 0) & (jnp.abs(high) > 4 * jnp.abs(low))
            geometric = jnp.sign(high) * jnp.sqrt(jnp.where(far, product, 1.0))
            middle = jnp.where(far, geometric, low + (high - low) / 2)
            reached = score(middle) >= z
            return jnp.where(reached, low, middle), jnp.where(reached, middle, high)

        first = lax.stop_gradient(low)
        # The upper end is returned, so that an atom there is exact.
        end: Array = lax.fori_loop(0, _HALVINGS, step, (first, start))[1]
        return jnp.where(score(first) >= z, first, end)

    def tangent(linear: Callable[[Array], Array], y: Array) -> Array:
        slope = linear(jnp.ones_like(y))
        usable = jnp.isfinite(slope) & (slope > 0)
        return jnp.where(usable, y / jnp.where(usable, slope, 1.0), 0.0)

    start = lax.stop_gradient(high)
    result: Array = lax.custom_root(lambda x: score(x) - z, start, solve, tangent)
    return result


def compile_law(law: Law, low: Number | None = None, high: Number | None = None) -> CompiledLaw:
    """Compile a law with its truncation.

    Raises
    ------
    ValueError
        If no distribution of the family has the percentiles stated.
    """
    limits = {key: end for key, end in (("low", low), ("high", high)) if end is not None}
    ends = Arguments.of(**limits) if limits else None
    compiled = _mixture(law) if law.family == "mixture" else _single(law)
    if compiled.table is not None and not resolved(np.asarray(compiled.table)):
        # A mixture of one: points go where the bend is.
        compiled = _mixture(Law("mixture", weights=(1.0,), parts=(law,)))
    compiled = replace(compiled, ends=ends)
    if not compiled.closed:
        return compiled
    if compiled.parts and sum(np.size(x) for p in compiled.parts for x in p.params) <= _BENDS:
        return _inverted(compiled)
    if ends is not None:
        compiled = replace(compiled, cut=jax.tree.map(np.float64, _cut_of(compiled)))
        return _from_density(compiled) if _far(compiled) else compiled
    return compiled


def _single(law: Law) -> CompiledLaw:
    """Compile a law of one family; percentiles are solved here, once."""
    if law.family == "pick":
        return CompiledLaw("pick", params=(np.asarray(law.data),))
    kernel, arguments = FAMILIES[law.family], Arguments.of(**dict(law.fields))
    if law.family == "choice" and law.data:
        arguments = Arguments.of(options=law.data, weights=law.weights or [1.0] * len(law.data))
    elif law.family == "choice":
        options = [dict(part.fields)["value"] for part in law.parts]
        arguments = Arguments.of(options=options, weights=law.weights)
    elif law.data:
        arguments = Arguments.of(values=sorted(law.data))
    if arguments.names:
        return CompiledLaw(law.family, arguments)
    numbers = arguments.numbers
    if not (law.data or law.parts):
        fields = {key: float(np.asarray(x)) for key, x in numbers.items()}
        solved = kernel.solve(fields) if percentiles_in(fields) else fields
        numbers = {key: np.float64(value) for key, value in solved.items()}
    params = _parameters(law.family, numbers)
    host = tuple(np.asarray(value) for value in params)
    table = kernel.table(params) if isinstance(kernel, Tabulated) else None
    return CompiledLaw(law.family, params=host, table=table)


@program("family")
def _parameters(family: str, fields: Fields) -> Params:
    return FAMILIES[family].parameters(fields)


def _mixture(law: Law) -> CompiledLaw:
    """Put the members of one family, stated by the same names, together into one part."""
    groups: dict[object, list[tuple[CompiledLaw, Number]]] = {}
    for part, weight in zip(law.parts, law.weights, strict=True):
        member = _single(part)
        shapes = tuple(np.shape(value) for value in member.params)
        keys = {*member.arguments.numbers, *(key for key, _, _ in member.arguments.names)}
        kind = (member.family, shapes, frozenset(keys), member.table is None)
        groups.setdefault(kind, []).append((member, weight))
    weights = [weight for group in groups.values() for _, weight in group]
    parts = tuple(stacked([member for member, _ in group]) for group in groups.values())
    return CompiledLaw("mixture", Arguments.of(weights=weights), parts=parts)


def stacked(laws: Sequence[CompiledLaw]) -> CompiledLaw:
    """Put laws of one kind together, along a first axis of all numbers."""
    first = laws[0]
    if first.closed:
        stack: CompiledLaw = jax.tree.map(lambda *leaves: np.stack(leaves), *laws)
        return stack
    arguments = [law.arguments for law in laws]
    keys = dict.fromkeys(key for a in arguments for key in (*a.numbers, *(n[0] for n in a.names)))
    numbers: dict[str, ArrayLike] = {
        key: np.stack([np.asarray(a.numbers.get(key, 0.0), np.float64) for a in arguments])
        for key in keys
    }
    names = tuple(
        (key, (i, *at), name) for i, a in enumerate(arguments) for key, at, name in a.names
    )
    return CompiledLaw(first.family, Arguments(numbers, names), stacked=True)


@program()
def _cut_of(law: CompiledLaw) -> Cut:
    """What a truncation leaves; laws of one kind share their compiled code."""
    return law.cut_at({})


def _far(law: CompiledLaw) -> bool:
    """True where a truncation leaves only what lies far out in a tail."""
    assert law.cut is not None
    low, high, _, _, width = law.cut
    outside = law.table is not None and (low > _OUTSIDE or high < -_OUTSIDE)
    return bool(outside or not width > _LEAST)


def _breaks(law: CompiledLaw) -> Floats:
    """Ends of the support, and where between them the law jumps or bends."""
    breaks = list[Floats]()
    for part in law.parts or (stacked([replace(law, ends=None, cut=None)]),):
        columns = [np.asarray(column) for column in part.params]
        members = zip(*columns, strict=True)
        breaks += [FAMILIES[part.family].breaks(params) for params in members]
    inner = np.unique(np.concatenate(breaks))
    ends = law.ends.numbers if law.ends is not None else {}
    low = max(float(np.asarray(ends.get("low", -np.inf))), inner[0])
    high = min(float(np.asarray(ends.get("high", np.inf))), inner[-1])
    between = inner[(low < inner) & (inner < high)]
    return np.concatenate([[low], between, [high]][: None if low != high else -1])


@program()
def _scores_and_densities(law: CompiledLaw, x: Array) -> tuple[Array, Array]:
    return jax.vmap(lambda x: (law.whole_score(x, {}), law.whole_log_density(x, {})))(x)


@program()
def _starts(law: CompiledLaw, z: Array) -> Array:
    return jax.vmap(lambda z: jnp.concatenate(law.quantiles_of_parts(z, {})))(z)


def _in_batches(law: CompiledLaw, x: Floats) -> tuple[Floats, Floats]:
    """Scores and log densities at any number of values with one compilation."""
    padded = np.pad(x, (0, -len(x) % _BATCH or (0 if len(x) else _BATCH)), constant_values=1.0)
    parts = [_scores_and_densities(law, batch) for batch in padded.reshape(-1, _BATCH)]
    score, density = (np.concatenate(column)[: len(x)] for column in zip(*parts, strict=True))
    return score, density


def _inverted(law: CompiledLaw) -> CompiledLaw:
    """Give a mixture its table; its truncation is computed here, so one compilation serves all."""
    # From one tail to the other, half a score apart, as far as a table reaches.
    starts = np.asarray(_starts(law, np.linspace(-12.5, 12.5, 51))).ravel()
    law = replace(law, parts=tuple(replace(part, table=None) for part in law.parts))
    whole, breaks = replace(law, ends=None), _breaks(law)

    evaluate = partial(_in_batches, whole)
    if law.ends is None:
        return replace(law, inverse=invert_score(evaluate, breaks, starts))
    ends = breaks[[0, -1]]
    # Just below the lower end, so that an atom there stays; what is denormal counts as 0.
    at_ends = np.array([ends[0] - max(np.abs(ends[0]) * 2.0**-51, 1e-300), ends[1]])
    at_ends = np.where(np.isfinite(ends), at_ends, 0.0)
    scores = np.where(np.isfinite(ends), evaluate(at_ends)[0], ends)
    below, above = special.ndtr(scores), special.ndtr(-scores)
    width = above[0] - above[1] if scores[0] > 0 else below[1] - below[0]
    width *= ends[0] <= ends[1]
    cut = (*scores, (below[0], above[0]), (below[1], above[1]), width)
    law = replace(law, cut=jax.tree.map(np.float64, cut))
    if _far(law):
        return _from_density(law)

    def evaluate_inside(x: Floats) -> tuple[Floats, Floats]:
        score, density = evaluate(x)
        inside = np.clip(score, *scores)
        lower, upper = special.ndtr(inside), special.ndtr(-inside)
        share = above[0] - upper if scores[0] > 0 else lower - below[0]
        rest = upper - above[1] if scores[0] > 0 else below[1] - lower
        share, rest = np.clip(share / width, 0.0, 1.0), np.clip(rest / width, 0.0, 1.0)
        score = np.where(share < rest, special.ndtri(share), -special.ndtri(rest))
        return score, density - np.log(width)

    return replace(law, inverse=invert_score(evaluate_inside, breaks, starts))


def _from_density(law: CompiledLaw) -> CompiledLaw:
    """Give a tail that a truncation leaves its table, where there is anything left."""
    plain = replace(law, parts=tuple(replace(part, table=None) for part in law.parts), table=None)
    low, high = _breaks(law)[[0, -1]]
    if not low < high:
        return law
    inverse = invert_density(lambda x: _in_batches(plain, x)[1], low, high)
    return law if inverse is None else replace(plain, inverse=inverse[0], log_mass=inverse[1])

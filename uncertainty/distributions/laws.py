"""A stated law, compiled: its numbers are array leaves, so new numbers need no compilation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm
from jax.typing import ArrayLike
from scipy import special

from uncertainty.arrays import Floats
from uncertainty.distributions.families import FAMILIES
from uncertainty.distributions.inverse import Inverse, invert_density, invert_score
from uncertainty.distributions.kernel import Fields, Params, just_below, resolved, score_of, tails
from uncertainty.distributions.mixture import mixture_quantile, mixture_score
from uncertainty.files import Law, Number, Reference

Values: TypeAlias = Mapping[str, Array]
_Tails: TypeAlias = tuple[Array, Array]
_Cut: TypeAlias = tuple[Array, Array, _Tails, _Tails, Array]
_STATIC = {"static": True}
_JUMPING = ("fixed", "choice", "empirical")
"""Families whose distribution function may jump: a column may hold one value many times."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CompiledLaw:
    """One law on the road from a standard normal score to a value.

    A part of a mixture holds all members of one family: its numbers have one axis more.

    Attributes
    ----------
    family : str
        Name of the kernel, or ``mixture``, or ``pick``: one of `values` by the place of another.
    numbers : dict of str to array
        Parameters that are numbers, ``weights`` of a mixture in the order of its parts;
        ``low`` and ``high`` of a truncation are `ends`.
    names : tuple of (parameter, place in its array, assumption)
        Parameters that are other assumptions.
    table : array or None
        Coefficients that stand in for a slow quantile function.
    cut : tuple of array, or None
        What the truncation leaves, where that is the same in every draw: see `_cut_at`.
    inverse : Inverse or None
        Table of the whole quantile function, truncation included, that stands in for a mixture's
        and for that of a far tail.
    log_mass : array or None
        Logarithm of the probability that is left far out in a tail.
    """

    family: str = field(metadata=_STATIC)
    numbers: dict[str, ArrayLike] = field(default_factory=dict)
    names: tuple[tuple[str, tuple[int, ...], str], ...] = field(default=(), metadata=_STATIC)
    parts: tuple["CompiledLaw", ...] = ()
    ends: "CompiledLaw | None" = None
    table: ArrayLike | None = None
    cut: "_Cut | None" = None
    inverse: Inverse | None = None
    log_mass: ArrayLike | None = None

    def fields(self, values: Values) -> dict[str, Array]:
        """Give every parameter as a value."""
        found = {key: jnp.asarray(number) for key, number in self.numbers.items()}
        for key, place, name in self.names:
            found[key] = found[key].at[place].set(values[name]) if place else values[name]
        return found

    @property
    def references(self) -> frozenset[str]:
        """Names of the assumptions that the parameters name."""
        inner = (*self.parts, *((self.ends,) if self.ends is not None else ()))
        own = frozenset(name for _, _, name in self.names)
        return own.union(*(part.references for part in inner))

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
        x = self._cut_quantile(z, values)
        return x if self.closed else jnp.where(self.valid(values), x, jnp.nan)

    def valid(self, values: Values) -> Array:
        """Whether the law exists with the parameters of this draw."""
        if not self.parts:
            valid = FAMILIES[self.family].valid(self._params(self.fields(values)))
        else:
            weights = self.fields(values)["weights"]
            valid = (weights >= 0).all() & (weights.sum() > 0)
            valid &= self._members(values, lambda part, fields: part._valid_member(fields)).all()
        return valid & (self.mass(values) > _LEAST) if self.ends is not None else valid

    def _cut_quantile(self, z: Array, values: Values) -> Array:
        if self.inverse is not None:
            return _look_up(self, z)
        if self.ends is None:
            return self._whole_quantile(z, values)
        ends = self.ends.fields(values)
        x = self._whole_quantile(self._inside(z, values), values)
        # A table or a rounding may step over an end by its last digits.
        return jnp.clip(x, ends.get("low"), ends.get("high"))

    def _whole_quantile(self, z: Array, values: Values) -> Array:
        if not self.parts:
            return self._quantile_at(self.fields(values), self.table, z)
        of_parts = self._quantiles_of_parts(z, values)
        pairs = zip(self.parts, of_parts, strict=True)
        jumps = [x for part, x in pairs if part.family in _JUMPING]
        ends = jnp.concatenate(of_parts)
        score = partial(self._whole_score, values=values)
        return mixture_quantile(score, ends, jnp.concatenate([*jumps, ends[:0]]), z)

    def _quantiles_of_parts(self, z: Array, values: Values) -> list[Array]:
        return [
            jax.vmap(partial(part._quantile_at, z=z))(
                part.fields(values), jax.tree.map(jnp.asarray, part.table)
            )
            for part in self.parts
        ]

    def _quantile_at(self, fields: Fields, table: ArrayLike | None, z: Array) -> Array:
        kernel, params = FAMILIES[self.family], self._params(fields)
        if kernel.look_up is not None and table is not None:
            return kernel.look_up(params, jnp.asarray(table), z)
        return kernel.quantile(params, z)

    def score(self, x: Array, values: Values) -> Array:
        """Standard normal score of a value, truncation included."""
        whole = self._whole_score(x, values)
        if self.ends is None:
            return whole
        low, high, below, above, width = self._cut_at(values)
        inside = jnp.clip(whole, low, high)
        lower, upper = tails(inside)
        share = jnp.where(low > 0, below[1] - upper, lower - below[0]) / width
        rest = jnp.where(low > 0, upper - above[1], above[0] - lower) / width
        return score_of(jnp.clip(share, 0.0, 1.0), jnp.clip(rest, 0.0, 1.0))

    def _whole_score(self, x: Array, values: Values) -> Array:
        def own(law: CompiledLaw, fields: Fields) -> Array:
            return FAMILIES[law.family].score(law._params(fields), x)

        if not self.parts:
            return own(self, self.fields(values))
        return mixture_score(self._shares(values), self._members(values, own))

    def log_density(self, x: Array, values: Values) -> Array:
        """Log density, truncation included; an atom adds nothing to it."""
        whole = self._whole_density(x, values)
        if self.ends is None:
            return whole
        ends = self.ends.fields(values)
        low, high = ends.get("low", -jnp.inf), ends.get("high", jnp.inf)
        left = jnp.log(self.mass(values)) if self.log_mass is None else jnp.asarray(self.log_mass)
        scaled = whole - left
        return jnp.where((low <= x) & (x <= high), scaled, -jnp.inf)

    def _whole_density(self, x: Array, values: Values) -> Array:
        def own(law: CompiledLaw, fields: Fields) -> Array:
            return FAMILIES[law.family].log_density(law._params(fields), x)

        if not self.parts:
            return own(self, self.fields(values))
        shares = self._shares(values).reshape(-1, *(1 for _ in jnp.shape(x)))
        return logsumexp(self._members(values, own), axis=0, b=shares)

    def mass(self, values: Values) -> Array:
        """Probability that a truncation leaves."""
        return self._cut_at(values)[-1]

    def _params(self, fields: Fields) -> Params:
        return FAMILIES[self.family].parameters(fields)

    def _valid_member(self, fields: Fields) -> Array:
        return FAMILIES[self.family].valid(self._params(fields))

    def _shares(self, values: Values) -> Array:
        weights = self.fields(values)["weights"]
        return weights / weights.sum()

    def _members(self, values: Values, function: Callable[["CompiledLaw", Fields], Array]) -> Array:
        """Result of a function for each member of a mixture, its parameters as `fields`.

        Members of one family go together, so their number costs no compilation.
        """
        found = [jax.vmap(partial(function, part))(part.fields(values)) for part in self.parts]
        return jnp.concatenate(found)

    def _end_scores(self, values: Values) -> tuple[Array, Array]:
        """Scores of the ends; an atom at the lower end stays inside."""
        ends = self.ends.fields(values) if self.ends else {}
        low = jnp.asarray(ends.get("low", -jnp.inf), float)
        high = jnp.asarray(ends.get("high", jnp.inf), float)
        # Both in one call: the score of a slow family is long to compile.
        both = self._whole_score(jnp.stack([just_below(low), high]), values)
        return (
            jnp.where(jnp.isneginf(low), -jnp.inf, both[0]),
            jnp.where(jnp.isposinf(high), jnp.inf, both[1]),
        )

    def _cut_at(self, values: Values) -> "_Cut":
        """Scores of the ends, both tails at each, and the probability between them.

        The probability comes from the side where it is exact.
        """
        if self.cut is not None:
            low, high, below, above, width = jax.tree.map(jnp.asarray, self.cut)
            return low, high, below, above, width
        low, high = self._end_scores(values)
        below, above = tails(low), tails(high)
        width = jnp.where(low > 0, below[1] - above[1], above[0] - below[0])
        return low, high, below, above, width

    def _inside(self, z: Array, values: Values) -> Array:
        """Score within the ends: both tails are sums of positive parts, so neither cancels."""
        _, _, below, above, width = self._cut_at(values)
        lower, upper = tails(z)
        return score_of(below[0] + lower * width, above[1] + upper * width)


@jax.custom_jvp
def _look_up(law: CompiledLaw, z: Array) -> Array:
    assert law.inverse is not None
    return law.inverse.at(z)


@_look_up.defjvp
def _look_up_jvp(
    primals: tuple[CompiledLaw, Array], tangents: tuple[CompiledLaw, Array]
) -> tuple[Array, Array]:
    """Differentiate as ``phi(z)/p(x)``, exactly; an atom has no slope."""
    law, z = primals
    assert law.inverse is not None
    x, of_table = jax.jvp(law.inverse.at, (z,), (jnp.ones_like(z),))
    exact = jnp.exp(norm.logpdf(z) - law.log_density(x, {}))
    usable = (of_table > 0) & jnp.isfinite(exact) & (exact > 0) & (z.dtype == jnp.float64)
    return x, jnp.where(usable, exact, of_table) * tangents[1]


def arguments(fields: Mapping[str, Number]) -> CompiledLaw:
    """Hold named arguments that are no law of their own."""
    names = tuple((k, (), str(v)) for k, v in fields.items() if isinstance(v, Reference))
    numbers: dict[str, ArrayLike] = {
        k: np.float64(v) for k, v in fields.items() if not isinstance(v, Reference)
    }
    return CompiledLaw("arguments", numbers, names)


def _listed(key: str, numbers: Sequence[Number]) -> CompiledLaw:
    """Hold one argument that is a list of numbers and names."""
    names = tuple((key, (i,), str(v)) for i, v in enumerate(numbers) if isinstance(v, Reference))
    plain = [0.0 if isinstance(v, Reference) else v for v in numbers]
    return CompiledLaw("arguments", {key: np.asarray(plain, np.float64)}, names)


def compile_law(law: Law, low: Number | None = None, high: Number | None = None) -> CompiledLaw:
    """Compile a law with its truncation.

    Raises
    ------
    ValueError
        If no distribution of the family has the percentiles stated.
    """
    ends = {key: end for key, end in (("low", low), ("high", high)) if end is not None}
    compiled = _mixture(law) if law.family == "mixture" else _single(law)
    if compiled.table is not None and not resolved(np.asarray(compiled.table)):
        law = Law("mixture", weights=(1.0,), parts=(law,))  # points go where the bend is
        compiled = _mixture(law)
    if ends:
        compiled = replace(compiled, ends=arguments(ends))
    if not compiled.closed:
        return compiled
    if law.family == "mixture" and _tabulated(compiled):
        return _inverted(compiled)
    if ends:
        compiled = replace(compiled, cut=jax.tree.map(np.float64, _cut_of(compiled)))
        return _from_density(compiled) if _far(compiled) else compiled
    return compiled


def _tabulated(law: CompiledLaw) -> bool:
    """Whether a mixture is smooth enough for a table: a long column has a bend at each value."""
    bends = sum(np.size(number) for part in law.parts for number in part.numbers.values())
    return bends <= _BENDS


def _single(law: Law) -> CompiledLaw:
    if law.family == "pick":
        return CompiledLaw("pick", {"values": np.asarray(law.data)})
    kernel = FAMILIES[law.family]
    if law.family == "choice" and law.data:
        return CompiledLaw(
            "choice", {"options": np.asarray(law.data), "weights": np.ones(len(law.data))}
        )
    if law.family == "choice":
        options = _listed("options", [dict(part.fields)["value"] for part in law.parts])
        weights = _listed("weights", law.weights)
        names = (*options.names, *weights.names)
        return CompiledLaw("choice", {**options.numbers, **weights.numbers}, names)
    held = arguments(dict(law.fields))
    numbers = held.numbers
    if law.data:
        numbers["values"] = np.sort(np.asarray(law.data))
    if held.names:
        return CompiledLaw(law.family, numbers, held.names)
    if kernel.solve is not None:
        solved = kernel.solve({key: float(np.asarray(v)) for key, v in numbers.items()})
        numbers = {key: np.float64(value) for key, value in solved.items()}
    table = kernel.table(jax.jit(kernel.parameters)(numbers)) if kernel.table is not None else None
    return CompiledLaw(law.family, numbers, (), table=table)


def _mixture(law: Law) -> CompiledLaw:
    """Put the members of one family, stated by the same numbers, together into one part."""
    groups: dict[object, list[tuple[CompiledLaw, Number]]] = {}
    for part, weight in zip(law.parts, law.weights, strict=True):
        member = _single(part)
        keys = {*member.numbers, *(key for key, _, _ in member.names)}
        shapes = tuple((key, np.shape(member.numbers.get(key, 0.0))) for key in sorted(keys))
        kind = (member.family, shapes, member.table is None)
        groups.setdefault(kind, []).append((member, weight))
    weights = _listed("weights", [weight for group in groups.values() for _, weight in group])
    parts = tuple(_stacked([member for member, _ in group]) for group in groups.values())
    return CompiledLaw("mixture", weights.numbers, weights.names, parts)


def _stacked(members: Sequence[CompiledLaw]) -> CompiledLaw:
    keys = dict.fromkeys(key for m in members for key in (*m.numbers, *(n[0] for n in m.names)))
    numbers: dict[str, ArrayLike] = {
        key: np.stack([np.asarray(m.numbers.get(key, 0.0), np.float64) for m in members])
        for key in keys
    }
    names = tuple(
        (key, (i, *place), name) for i, m in enumerate(members) for key, place, name in m.names
    )
    tables = [np.asarray(m.table) for m in members if m.table is not None]
    return CompiledLaw(
        members[0].family, numbers, names, table=np.stack(tables) if tables else None
    )


@jax.jit
def _cut_of(law: CompiledLaw) -> _Cut:
    """What a truncation leaves; laws of one kind share their compiled code."""
    return law._cut_at({})


_LEAST = 1e-280
"""Probability below which its digits go; the density serves on."""
_BENDS = 20_000
_OUTSIDE = 9.0
"""Score beyond which a truncation leaves the part of a table that is dense enough."""
_BATCH = 512


def _far(law: CompiledLaw) -> bool:
    """True where a truncation leaves only what lies far out in a tail."""
    assert law.cut is not None
    low, high, _, _, width = law.cut
    outside = law.table is not None and (low > _OUTSIDE or high < -_OUTSIDE)
    return bool(outside or not width > _LEAST)


@partial(jax.jit, static_argnums=0)
def _params_of(family: str, numbers: dict[str, Array]) -> Params:
    return jax.vmap(FAMILIES[family].parameters)(numbers)


def _breaks(law: CompiledLaw) -> Floats:
    """Ends of the support, and where between them the law jumps or bends."""
    found = list[Floats]()
    for part in law.parts or (_stacked([law]),):
        columns = [np.asarray(c) for c in _params_of(part.family, dict(part.numbers))]
        found += [FAMILIES[part.family].breaks(own) for own in zip(*columns, strict=True)]
    inner = np.unique(np.concatenate(found))
    stated = law.ends.numbers if law.ends is not None else {}
    low = max(float(np.asarray(stated.get("low", -np.inf))), inner[0])
    high = min(float(np.asarray(stated.get("high", np.inf))), inner[-1])
    between = inner[(low < inner) & (inner < high)]
    return np.concatenate([[low], between, [high]][: None if low != high else -1])


def _in_batches(
    function: Callable[[CompiledLaw, Array], tuple[Array, ...]], law: CompiledLaw, x: Floats
) -> tuple[Floats, ...]:
    """Evaluate at any number of values with one compilation."""
    padded = np.pad(x, (0, -len(x) % _BATCH or (0 if len(x) else _BATCH)), constant_values=1.0)
    parts = [
        function(law, jnp.asarray(padded[i : i + _BATCH])) for i in range(0, len(padded), _BATCH)
    ]
    return tuple(
        np.concatenate([np.asarray(p) for p in c])[: len(x)] for c in zip(*parts, strict=True)
    )


@jax.jit
def _scores_and_densities(law: CompiledLaw, x: Array) -> tuple[Array, Array]:
    return jax.vmap(lambda x: (law._whole_score(x, {}), law._whole_density(x, {})))(x)


@jax.jit
def _densities(law: CompiledLaw, x: Array) -> tuple[Array]:
    return (jax.vmap(lambda x: law._whole_density(x, {}))(x),)


@jax.jit
def _quantiles_of_parts(law: CompiledLaw, z: Array) -> Array:
    return jax.vmap(lambda z: jnp.concatenate(law._quantiles_of_parts(z, {})))(z)


def _inverted(law: CompiledLaw) -> CompiledLaw:
    """Give a mixture its table; its truncation is computed here, so one compilation serves all."""
    starts = np.asarray(_quantiles_of_parts(law, np.linspace(-12.5, 12.5, 51))).ravel()
    law = replace(law, parts=tuple(replace(part, table=None) for part in law.parts))
    whole, breaks = replace(law, ends=None), _breaks(law)

    def evaluate(x: Floats) -> tuple[Floats, Floats]:
        score, density = _in_batches(_scores_and_densities, whole, x)
        return score, density

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
        found = np.where(share < rest, special.ndtri(share), -special.ndtri(rest))
        return found, density - np.log(width)

    return replace(law, inverse=invert_score(evaluate_inside, breaks, starts))


def _from_density(law: CompiledLaw) -> CompiledLaw:
    plain = replace(law, parts=tuple(replace(part, table=None) for part in law.parts), table=None)
    low, high = _breaks(law)[[0, -1]]
    if not low < high:
        return law
    found = invert_density(lambda x: _in_batches(_densities, plain, x)[0], low, high)
    return law if found is None else replace(plain, inverse=found[0], log_mass=found[1])

"""A stated law, compiled: its numbers are array leaves, so new numbers need no compilation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import logsumexp
from jax.typing import ArrayLike

from uncertainty.families import (
    FAMILIES,
    Params,
    Part,
    choice_quantile,
    just_below,
    mixture_quantile,
    mixture_score,
    score_of,
    tails,
)
from uncertainty.spec import Law, Number, Reference

__all__ = ["CompiledLaw", "Values", "arguments", "compile_law"]

Values: TypeAlias = Mapping[str, Array]
_Tails: TypeAlias = tuple[Array, Array]
_Cut: TypeAlias = tuple[Array, Array, _Tails, _Tails, Array]
_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CompiledLaw:
    """One law on the road from a standard normal score to a value.

    Attributes
    ----------
    family : str
        Name of the kernel, or ``mixture`` or ``choice``.
    numbers : dict of str to array
        Parameters that are numbers; ``low`` and ``high`` of a truncation are `ends`.
    names : tuple of (parameter, assumption)
        Parameters that are other assumptions.
    table : array or None
        Coefficients that stand in for a slow quantile function.
    cut : tuple of array, or None
        What the truncation leaves, where that is the same in every draw: see `_cut_at`.
    """

    family: str = field(metadata=_STATIC)
    numbers: dict[str, ArrayLike] = field(default_factory=dict)
    names: tuple[tuple[str, str], ...] = field(default=(), metadata=_STATIC)
    weights: "CompiledLaw | None" = None
    parts: tuple["CompiledLaw", ...] = ()
    ends: "CompiledLaw | None" = None
    table: ArrayLike | None = None
    cut: "_Cut | None" = None

    def fields(self, values: Values) -> dict[str, Array]:
        """Give every parameter as a value."""
        stated = {key: jnp.asarray(number) for key, number in self.numbers.items()}
        return {**stated, **{key: values[name] for key, name in self.names}}

    @property
    def references(self) -> frozenset[str]:
        """Names of the assumptions that the parameters name."""
        inner = (*self.parts, *(x for x in (self.weights, self.ends) if x is not None))
        own = frozenset(name for _, name in self.names)
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
            valid = FAMILIES[self.family].valid(self._params(values))
        else:
            weights = jnp.stack(self._weights(values))
            valid = (weights >= 0).all() & (weights.sum() > 0)
            for part in self.parts:
                valid &= part.valid(values)
        return valid & (self.mass(values) > 0) if self.ends is not None else valid

    def _cut_quantile(self, z: Array, values: Values) -> Array:
        if self.ends is None:
            return self._whole_quantile(z, values)
        ends = self.ends.fields(values)
        x = self._whole_quantile(self._inside(z, values), values)
        # A table or a rounding may step over an end by its last digits.
        return jnp.clip(x, ends.get("low"), ends.get("high"))

    def _whole_quantile(self, z: Array, values: Values) -> Array:
        if self.family == "choice":
            options = [part.fields(values)["value"] for part in self.parts]
            return choice_quantile(self._weights(values), options, z)
        if self.parts:
            return mixture_quantile(self._weights(values), self._functions(values), z)
        kernel, params = FAMILIES[self.family], self._params(values)
        if kernel.look_up is not None and self.table is not None:
            return kernel.look_up(params, jnp.asarray(self.table), z)
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
        if self.parts:
            return mixture_score(self._weights(values), self._functions(values), x)
        return FAMILIES[self.family].score(self._params(values), x)

    def log_density(self, x: Array, values: Values) -> Array:
        """Log density, truncation included; an atom adds nothing to it."""
        whole = self._whole_density(x, values)
        if self.ends is None:
            return whole
        ends = self.ends.fields(values)
        low, high = ends.get("low", -jnp.inf), ends.get("high", jnp.inf)
        scaled = whole - jnp.log(self.mass(values))
        return jnp.where((low <= x) & (x <= high), scaled, -jnp.inf)

    def _whole_density(self, x: Array, values: Values) -> Array:
        if not self.parts:
            return FAMILIES[self.family].log_density(self._params(values), x)
        weights = jnp.stack(self._weights(values))
        densities = jnp.stack([part.log_density(x, values) for part in self.parts])
        return logsumexp(densities, b=weights / weights.sum())

    def mass(self, values: Values) -> Array:
        """Probability that a truncation leaves."""
        return self._cut_at(values)[-1]

    def _params(self, values: Values) -> Params:
        return FAMILIES[self.family].parameters(self.fields(values))

    def _weights(self, values: Values) -> list[Array]:
        assert self.weights is not None
        stated = self.weights.fields(values)
        return [stated[str(i)] for i in range(len(self.parts))]

    def _functions(self, values: Values) -> list[Part]:
        return [
            (partial(part.quantile, values=values), partial(part.score, values=values))
            for part in self.parts
        ]

    def _end_scores(self, values: Values) -> tuple[Array, Array]:
        """Scores of the ends; an atom at the lower end stays inside."""
        ends = self.ends.fields(values) if self.ends else {}
        low = ends.get("low", jnp.asarray(-jnp.inf))
        high = ends.get("high", jnp.asarray(jnp.inf))
        lower = self._whole_score(just_below(low), values)
        return (
            jnp.where(jnp.isneginf(low), -jnp.inf, lower),
            jnp.where(jnp.isposinf(high), jnp.inf, self._whole_score(high, values)),
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


def _split(
    fields: Mapping[str, Number],
) -> tuple[dict[str, ArrayLike], tuple[tuple[str, str], ...]]:
    numbers: dict[str, ArrayLike] = {
        k: np.float64(v) for k, v in fields.items() if not isinstance(v, Reference)
    }
    return numbers, tuple((k, str(v)) for k, v in fields.items() if isinstance(v, Reference))


def arguments(fields: Mapping[str, Number]) -> CompiledLaw:
    """Hold named arguments that are no law of their own."""
    numbers, names = _split(fields)
    return CompiledLaw("arguments", numbers, names)


def compile_law(law: Law, low: Number | None = None, high: Number | None = None) -> CompiledLaw:
    """Compile a law with its truncation.

    Raises
    ------
    ValueError
        If no distribution of the family has the percentiles stated.
    """
    ends = {key: end for key, end in (("low", low), ("high", high)) if end is not None}
    numbers, names = _split(dict(law.fields))
    if law.data:
        numbers["values"] = np.sort(np.asarray(law.data))
    kernel = FAMILIES.get(law.family)
    if kernel is not None and kernel.solve is not None and not names:
        numbers = {**kernel.solve({key: float(np.asarray(v)) for key, v in numbers.items()})}
    table = kernel.table if kernel is not None and not names else None
    compiled = CompiledLaw(
        family=law.family,
        numbers=numbers,
        names=names,
        weights=arguments({str(i): w for i, w in enumerate(law.weights)}) if law.parts else None,
        parts=tuple(compile_law(part) for part in law.parts),
        ends=arguments(ends) if ends else None,
        table=table(jax.jit(FAMILIES[law.family].parameters)(numbers))
        if table is not None
        else None,
    )
    if not ends or not compiled.closed:
        return compiled
    return replace(compiled, cut=jax.tree.map(np.float64, _cut_of(compiled)))


@jax.jit
def _cut_of(law: CompiledLaw) -> _Cut:
    """What a truncation leaves; laws of one kind share their compiled code."""
    return law._cut_at({})

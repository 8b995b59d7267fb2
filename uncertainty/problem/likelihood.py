"""Measured rows to their log likelihood, at a point of the road."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import log_ndtr
from jax.scipy.stats.norm import logpdf
from jax.typing import ArrayLike

from uncertainty.arrays import Floats
from uncertainty.distributions import FAMILIES, Arguments, Kernel, Params, Values
from uncertainty.energy import EFFECTS, EnergyModel, failure_text
from uncertainty.errors import Fault, nearest
from uncertainty.files import MULTIPLYING, Evidence, Measurement, Reference, Row
from uncertainty.inputs import Output
from uncertainty.problem.evidence import declared_output, in_unit, numbers_of
from uncertainty.problem.joint import Joint, Scores, replaced_by
from uncertainty.units import UnitError

Effects: TypeAlias = dict[str, Array]
_STATIC = {"static": True}
_CENTERED = {
    "lognormal": ("normal", "mean"),
    "normal": ("normal", "mean"),
    "student_t": ("student_t", "loc"),
    "log_student_t": ("student_t", "loc"),
}
"""Family of each error on its own scale, and the parameter of its center."""
_FAR = 40.0
"""Score beyond which nothing lies in 64 bits."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rows:
    """Rows that state the same inputs, each of its arrays of shape (n,)."""

    known: dict[str, ArrayLike]  # what they state
    # Limits of what was measured on the error's scale; equal where it was a value.
    low: ArrayLike
    high: ArrayLike
    groups: tuple[ArrayLike, ...]  # which of its groups, for each of the observation's levels
    places: tuple[int, ...] = field(metadata=_STATIC)  # among all rows of the observation
    averaged: bool = field(default=False, metadata=_STATIC)  # what varies per query is left open
    censored: bool = field(default=False, metadata=_STATIC)  # limits were measured, no values


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Level:
    """What rows of one group share, drawn anew for each group."""

    name: str = field(metadata=_STATIC)  # of its effects in a result, less the word
    # Levels of one key are one, with the groups of all evidence: it shares their effects.
    key: str = field(metadata=_STATIC)
    groups: tuple[str, ...] = field(metadata=_STATIC)
    sd: Arguments  # spread between groups: the argument ``value``


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Observation:
    """Measurements of one output."""

    name: str = field(metadata=_STATIC)  # of the evidence
    observes: str = field(metadata=_STATIC)
    statistic: str = field(metadata=_STATIC)  # query, or median or mean of the queries
    family: str = field(metadata=_STATIC)  # of the error
    model: EnergyModel = field(metadata=_STATIC)
    parameters: Arguments  # of the error
    levels: tuple[Level, ...] = ()  # from the finest
    discrepancy: Arguments | None = None  # the error that all rows share, as a spread
    rows: tuple[Rows, ...] = ()

    @property
    def multiplies(self) -> bool:
        """True where the error is one of the logarithm."""
        return self.family in MULTIPLYING

    @property
    def count(self) -> int:
        """Number of rows."""
        return sum(len(part.places) for part in self.rows)

    def observed(self) -> dict[str, Floats]:
        """What was measured, shape (rows,): the values, and limits where there are any."""
        low, high = np.empty(self.count), np.empty(self.count)
        for part in self.rows:
            low[[*part.places]], high[[*part.places]] = part.low, part.high
        low, high = (np.exp(low), np.exp(high)) if self.multiplies else (low, high)
        measured = {self.name: np.where(low == high, low, np.nan)}
        if (low != high).any():
            measured |= {f"{self.name}_at_least": low, f"{self.name}_at_most": high}
        return measured

    def centers(
        self, joint: Joint, scores: Scores, queries: Scores, picked: Array | None = None
    ) -> tuple[Array, ...]:
        """What the model gives for each part of the rows, on the error's scale: shape (n, m).

        m is 1 for a statistic of queries. Scores are independent ones, shape () each, those of
        queries too; `queries` are those over which is averaged, shape (m,) each. With the noise
        `picked`, shape (rows,), rows of single queries are those of the one that it picks: m is 1.
        """

        def output(known: Values, query: Scores) -> Array:
            inputs = {**joint.inputs(joint.correlate({**scores, **query}), known), **known}
            replaced = {*replaced_by(known.keys(), self.model), *EFFECTS}
            kept = {name: value for name, value in inputs.items() if name not in replaced}
            return self.model(kept)[self.observes]

        over_queries = jax.vmap(output, (None, 0)) if queries else lambda k, q: output(k, q)[None]
        centers = list[Array]()
        for part in self.rows:
            conditions = {name: jnp.asarray(column) for name, column in part.known.items()}
            points, axis = {n: x[: None if part.averaged else 1] for n, x in queries.items()}, None
            if picked is not None and part.averaged and self.statistic == "query":
                uniform = picked[jnp.asarray(part.places)]
                number = jnp.floor(uniform * len(next(iter(queries.values())))).astype(int)
                points, axis = {n: x[number, None] for n, x in queries.items()}, 0
            center = jax.vmap(over_queries, (0, axis), axis_size=len(part.places))(
                conditions, points
            )
            center = jnp.log(center) if self.multiplies else center
            if self.statistic == "median":
                center = jnp.median(center, axis=1, keepdims=True)
            elif self.statistic == "mean" and self.multiplies:
                logs = jax.nn.logsumexp(center, axis=1, keepdims=True)
                center = logs - jnp.log(center.shape[1])
            elif self.statistic == "mean":
                center = center.mean(1, keepdims=True)
            centers.append(center)
        return tuple(centers)

    def weigh(self, values: Values, centers: Sequence[Array], key: str, effects: Effects) -> Array:
        """What rows say of the effects of a level: weights and weighted sums, shape (2, groups).

        Levels of which `effects` knows nothing are errors. Rows that are limits say nothing here.
        """
        levels = {level.key: level for level in self.levels}
        known = jnp.zeros((2, len(levels[key].groups)))
        parameters = self.parameters.fields(values)
        if "df" in parameters:
            # Of Student's t the normal error that tells as much of its center, by the Fisher
            # information of a location: (df + 1) / (df + 3) / scale^2.
            variance = (parameters["df"] + 3) / (parameters["df"] + 1) * parameters["scale"] ** 2
        else:
            variance = jnp.asarray(parameters["sigma" if self.multiplies else "sd"]) ** 2
        for other in levels.keys() - {key, *effects}:
            variance += _value(levels[other].sd, values) ** 2
        for part, center in zip(self.rows, centers, strict=True):
            if not part.censored:
                weight = 1 / (variance + center.var(1))
                apart = jnp.asarray(part.low) - center.mean(1) - _value(self.discrepancy, values)
                places = dict(zip(levels, part.groups, strict=True))
                for other in [other for other in levels if other in effects]:
                    apart -= effects[other][places[other]]
                known = known.at[:, places[key]].add(jnp.stack([weight, weight * apart]))
        return known

    def at(
        self, values: Values, centers: Sequence[Array], scores: Effects, noise: Array | None = None
    ) -> tuple[Array, Array]:
        """Log likelihood of each row, and a measurement that the model would give.

        Parameters
        ----------
        values : mapping of str to array
            Every assumption, shape () each.
        centers : sequence of array
            From `centers`.
        scores : mapping of str to array
            Standard normal score of each group of a level, by its key, shape (groups,).
        noise : array, optional
            Uniform numbers from 0 to 1 for new errors, shape (rows, 3).

        Returns
        -------
        log_likelihood, replicate : array
            Log densities (of a censored row: log probability), and values (0 without `noise`);
            shape (rows,).
        """
        family, place = _CENTERED[self.family]
        parameters, kernel = self.parameters.fields(values), FAMILIES[family]
        spread = {"sd": parameters["sigma"]} if "sigma" in parameters else parameters
        error = kernel.parameters({**spread, place: jnp.zeros(())})
        densities, drawn = list[Array](), list[Array]()
        for part, center in zip(self.rows, centers, strict=True):
            shift = jnp.full(len(part.places), _value(self.discrepancy, values))
            for level, groups in zip(self.levels, part.groups, strict=True):
                shift += _value(level.sd, values) * scores[level.key][jnp.asarray(groups)]
            shifted = center + shift[:, None]
            low, high = (jnp.asarray(ends)[:, None] for ends in (part.low, part.high))
            if part.censored:
                ends = [_limit_score(kernel, error, end, shifted) for end in (low, high)]
                each = _log_between(*ends)
            else:  # the density of the value itself, not of its logarithm
                each = kernel.log_density(error, low - shifted) - low * self.multiplies
            densities.append(jax.nn.logsumexp(each, axis=1) - jnp.log(each.shape[1]))
            if noise is not None:
                uniform = noise[jnp.asarray(part.places)]
                query = jnp.floor(uniform[:, 2] * shifted.shape[1]).astype(int)
                of_query = jnp.take_along_axis(shifted, query[:, None], 1)[:, 0]
                drawn.append(of_query + self._errors(parameters, uniform[:, 0], uniform[:, 1]))
        places = [place for part in self.rows for place in part.places]

        def in_order(parts: Sequence[Array]) -> Array:
            joined = jnp.concatenate(parts) if parts else jnp.zeros(0)
            if places == sorted(places):  # slopes of a gather are a scatter, which is slow
                return joined
            return joined[jnp.asarray(np.argsort(places))]

        new = in_order(drawn) if drawn else jnp.zeros(self.count)
        return in_order(densities), jnp.exp(new) if self.multiplies else new

    def _errors(self, parameters: Values, first: Array, second: Array) -> Array:
        """Errors of single measurements, from two uniform numbers each.

        Notes
        -----
        Box and Muller (1958); for Student's t Bailey (1994), Mathematics of Computation 62, 779.
        """
        turn, logarithm = jnp.cos(2 * jnp.pi * second), jnp.log(first)
        if "df" not in parameters:
            sd = parameters["sigma" if self.multiplies else "sd"]
            return sd * jnp.sqrt(-2 * logarithm) * turn
        df = parameters["df"]
        return parameters["scale"] * jnp.sqrt(df * jnp.expm1(-2 / df * logarithm)) * turn


def _limit_score(kernel: Kernel, error: Params, end: Array, centers: Array) -> Array:
    """Score of a limit; where there is none, the farthest."""
    none = jnp.isinf(end)
    score = kernel.score(error, jnp.where(none, 0.0, end) - centers)
    return jnp.where(none, jnp.sign(end) * _FAR, jnp.clip(score, -_FAR, _FAR))


def _log_between(low: Array, high: Array) -> Array:
    """Log probability between two scores, from the side where it does not cancel."""
    flip = low > 0
    below, above = jnp.where(flip, -high, low), jnp.where(flip, -low, high)
    some = above > below
    upper, lower = log_ndtr(jnp.where(some, above, 1.0)), log_ndtr(jnp.where(some, below, 0.0))
    return jnp.where(some, upper + jnp.log1p(-jnp.exp(lower - upper)), -jnp.inf)


def _value(argument: Arguments | None, values: Values) -> Array:
    return jnp.zeros(()) if argument is None else argument.fields(values)["value"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Target:
    """The posterior as a density over one vector of standard normal scores."""

    joint: Joint
    observations: tuple[Observation, ...]
    queries: Mapping[str, ArrayLike]  # points to average over, shape (m,) each
    # Coordinates in the order of the vector; after them the groups of each level.
    names: tuple[str, ...] = field(metadata=_STATIC)
    # True where the scores of groups are measured against `guide`: the posterior of a spread and of
    # what it spreads is a funnel else, or a bent ridge.
    guided: bool = field(default=False, metadata=_STATIC)
    # True where new measurements count alone: of single queries only those that the noise picks are
    # evaluated, and what is said of likelihood is of them.
    predicts: bool = field(default=False, metadata=_STATIC)

    @property
    def levels(self) -> dict[str, Level]:
        """Levels of all observations by key."""
        return {x.key: x for item in self.observations for x in item.levels}

    @property
    def places(self) -> dict[str, slice]:
        """Places of each level's groups in the vector, by its key."""
        ends = [*accumulate((len(x.groups) for x in self.levels.values()), initial=len(self.names))]
        return {key: slice(*ends[i : i + 2]) for i, key in enumerate(self.levels)}

    @property
    def size(self) -> int:
        """Length of the vector."""
        return len(self.names) + sum(len(level.groups) for level in self.levels.values())

    def split(self, z: Array) -> tuple[dict[str, Array], Effects]:
        """Scores by name, and those of the groups of each level by its key."""
        # Score 0 for what evidence cannot move.
        zeros = {node.name: jnp.zeros(()) for node in self.joint.nodes if node.uncertain}
        scores = {**zeros, **dict(zip(self.names, z, strict=False))}
        return scores, {key: z[place] for key, place in self.places.items()}

    def guide(
        self, values: Values, centers: Sequence[Sequence[Array]], scores: Effects
    ) -> tuple[Effects, Array]:
        """Plain scores of groups from guided ones, and what the log density gains.

        A score is measured against what rows say of it, were every error normal: it is standard
        normal then whatever the spread of the groups, exactly so with one level and normal errors,
        nearly so else. Coarser levels come first, and finer ones know their effects.
        """
        plain, effects, volume = dict(scores), dict[str, Array](), jnp.zeros(())
        for key, level in reversed(self.levels.items()):
            known, spread = jnp.zeros((2, len(level.groups))), _value(level.sd, values)
            for item, center in zip(self.observations, centers, strict=True):
                if key in {other.key for other in item.levels}:
                    known += item.weigh(values, center, key, effects)
            sd = (1 + spread**2 * known[0]) ** -0.5
            plain[key] = spread * known[1] * sd**2 + sd * scores[key]
            effects[key] = spread * plain[key]
            volume += (logpdf(plain[key]) - logpdf(scores[key]) + jnp.log(sd)).sum()
        return plain, volume

    def at(self, z: Array, noise: Array | None = None) -> "At":
        """Evaluate all observations; `noise` is that of all their rows."""
        scores, effects = self.split(z)
        queries = {name: jnp.asarray(points) for name, points in self.queries.items()}
        values = self.joint.inputs(self.joint.correlate(scores))
        rows, expected, volume, plain = [], list[Array](), jnp.zeros(()), effects
        ends = [*accumulate((item.count for item in self.observations), initial=0)]
        errors = [None if noise is None else noise[i:j] for i, j in pairwise(ends)]
        centers = list[Sequence[Array]]()
        for item, error in zip(self.observations, errors, strict=True):
            picked = error[:, 2] if self.predicts and error is not None else None
            centers.append(item.centers(self.joint, scores, queries, picked))
        if self.guided:
            plain, volume = self.guide(values, centers, effects)
        for item, center, error in zip(self.observations, centers, errors, strict=True):
            rows.append(item.at(values, center, plain, error))
            expected.append(item.at(values, center, effects, error)[1])
        vector = jnp.concatenate([z[: len(self.names)], *plain.values()])
        return At(tuple(rows), tuple(expected), vector, volume)

    @property
    def count(self) -> int:
        """Number of rows of all observations."""
        return sum(item.count for item in self.observations)

    @property
    def calls(self) -> int:
        """Calls of models at one point: of each row as many as it is averaged over."""
        queries = max((np.size(points) for points in self.queries.values()), default=1)
        parts = [part for item in self.observations for part in item.rows]
        return sum(len(part.places) * (queries if part.averaged else 1) for part in parts)

    def log_density(self, z: Array) -> Array:
        """Log density of the posterior at `z`, but for a constant; minus infinity for none."""
        point = self.at(z)
        total = sum((rows.sum() for rows, _ in point.rows), logpdf(z).sum() + point.volume)
        return jnp.where(jnp.isnan(total), -jnp.inf, total)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class At:
    """A target at one point."""

    rows: tuple[tuple[Array, Array], ...]  # `Observation.at` of each observation
    # The same with effects that know nothing of what was measured: at points of the prior, what it
    # expects.
    expected: tuple[Array, ...]
    plain: Array  # the vector with plain scores of groups
    # What the log density gains, beside the likelihood, over that of a standard normal vector: 0
    # where the scores of groups are plain.
    volume: Array


def observations_of(
    evidence: Sequence[tuple[Evidence, EnergyModel | None]],
    joint: Joint,
    central: Mapping[str, float],
) -> tuple[tuple[Observation, ...], list[Fault]]:
    """Compile evidence against the joint prior; gives what fits, and everything that does not.

    `central` holds every assumption at its median.
    """
    observations, faults = list[Observation](), list[Fault]()
    groups = dict[str, dict[str, int]]()  # places by name, of each level by key
    for item, model in evidence:
        if item.measurement is None or model is None:
            continue
        measurement = item.measurement
        output = _output(item, measurement, model, joint)
        if isinstance(output, Fault):
            faults.append(output)
            continue
        limits, wrong = _limits(item, measurement, output)
        numbers, levels = dict[str, float | Reference](), list[Level]()
        # The logarithm of an output has no unit.
        scale = "1" if measurement.multiplies else output.unit
        for key, keys, value in numbers_of(measurement):
            try:
                numbers[key] = in_unit(value, "1" if key == "df" else scale)
            except UnitError as error:
                wrong.append(item.fault(str(error), *keys))
        for number, column in enumerate(measurement.grouping):
            sd = numbers.pop(f"sd {number}", 0.0)
            lost = math.isnan(central.get(EFFECTS[number], 0.0))
            if isinstance(sd, Reference) and lost and central[sd] <= 0:
                text = f"names {str(sd)!r}, whose median is {central[sd]:g}; a spread is above 0"
                wrong.append(item.fault(text, *measurement.level_at(number), "sd"))
            name = f"{item.name}_{column}" if number else item.name
            levels.append(Level(name, f"{column} {sd} {scale}", (), Arguments.of(value=sd)))
            places = groups.setdefault(levels[-1].key, {})
            for row in item.rows:
                places.setdefault(row.groups[number], len(places))
        shared, known = numbers.pop("discrepancy", None), [groups[x.key] for x in levels]
        observations.append(
            Observation(
                name=item.name,
                observes=measurement.observes,
                statistic=measurement.statistic,
                family=measurement.family,
                model=model,
                levels=tuple(levels),
                discrepancy=None if shared is None else Arguments.of(value=shared),
                parameters=Arguments.of(**numbers),
                rows=() if wrong else tuple(rows_of(item.rows, limits, known, joint, model)),
            )
        )
        faults += wrong
    for i, one in enumerate(observations):
        levels = [replace(level, groups=tuple(groups[level.key])) for level in one.levels]
        observations[i] = replace(one, levels=tuple(levels))
    return tuple(observations), faults


def _output(
    item: Evidence, measurement: Measurement, model: EnergyModel, joint: Joint
) -> Output | Fault:
    """Find the observed output, and see that the boundary is its own."""
    # Traced at the conditions of every kind of row: a model may give more where it knows more.
    kinds = {frozenset(row.conditions): row.number for row in item.rows} or {frozenset(): 0}
    assumed = {node.name for node in joint.nodes if node.name not in EFFECTS}
    names: list[str] | None = None
    for conditions, number in kinds.items():
        shapes = {name: jnp.zeros(()) for name in assumed | conditions}
        try:
            outputs = jax.eval_shape(model, shapes)
        except Exception as error:  # a user's own function may raise anything
            return item.fault(f"{model.name} {failure_text(error)}", "rows", number)
        names = [name for name in (outputs if names is None else names) if name in outputs]
    if names is None or measurement.observes not in names:
        hint = nearest(measurement.observes, names or [])
        return item.fault(f"{model.name} has no output {measurement.observes!r}{hint}", "observes")
    output = declared_output(measurement.observes, model)
    of_rows = [(row.boundary, ("rows", row.number)) for row in item.rows if row.boundary]
    for boundary, keys in ((measurement.boundary, ("boundary",)), *of_rows):
        if output.boundary and boundary and boundary != output.boundary:
            text = f"was measured at {boundary}, and {output.name} is at {output.boundary}"
            hint = "; compare like with like: observe an output of that boundary"
            return item.fault(text + hint, *keys)
    return output


def _limits(
    item: Evidence, measurement: Measurement, output: Output
) -> tuple[list[tuple[float, float]], list[Fault]]:
    """Give what was measured of each row as its limits on the error's scale."""
    limits, faults = list[tuple[float, float]](), list[Fault]()
    for row in item.rows:
        try:
            numbers = {k: float(in_unit(v, output.unit)) for k, v in row.observed.items()}
        except UnitError as error:
            faults.append(item.fault(str(error), "rows", row.number, next(iter(row.observed))))
            continue
        if measurement.multiplies and min(numbers.values()) <= 0:
            text = f"must be above 0, as its error multiplies (got {min(numbers.values()):g})"
            least = min(numbers, key=lambda key: numbers[key])
            faults.append(item.fault(text, "rows", row.number, least))
            continue
        scale = math.log if measurement.multiplies else float
        ends = {key: scale(number) for key, number in numbers.items()}
        low = ends.get("value", ends.get("at_least", -math.inf))
        high = ends.get("value", ends.get("at_most", math.inf))
        if low > high or ("value" not in ends and low == high):
            text = "at_least must lie below at_most"
            faults.append(item.fault(text, "rows", row.number, "at_least"))
        limits.append((low, high))
    return limits, faults


def rows_of(
    rows: Sequence[Row],
    limits: Sequence[tuple[float, float]],
    groups: Sequence[Mapping[str, int]],
    joint: Joint,
    model: EnergyModel,
) -> Iterator[Rows]:
    """Put rows together that state the same inputs and were observed in the same way."""
    kinds: dict[tuple[frozenset[str], bool], list[int]] = {}
    for place, row in enumerate(rows):
        censored = limits[place][0] != limits[place][1]
        kinds.setdefault((frozenset(row.conditions), censored), []).append(place)
    for (names, censored), places in kinds.items():
        kind = [rows[place] for place in places]
        numbers = [limits[place] for place in places]
        yield Rows(
            known={n: np.array([row.conditions[n] for row in kind]) for n in sorted(names)},
            low=np.array([low for low, _ in numbers]),
            high=np.array([high for _, high in numbers]),
            groups=tuple(
                np.array([names[row.groups[level]] for row in kind])
                for level, names in enumerate(groups)
            ),
            places=tuple(places),
            averaged=bool(joint.left_open(model, names) & joint.coordinates(varies=True).keys()),
            censored=censored,
        )

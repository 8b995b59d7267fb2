"""A query and how it is served: the bytes that a step of decode moves, and the time it takes."""

from dataclasses import dataclass

from uncertainty.arrays import Array, ArrayLike, jnp
from uncertainty.energy.board import Board
from uncertainty.energy.transformer import (
    FLOP_PER_PARAMETER,
    Transformer,
    kv_bytes_per_token,
    routed_share,
    shared_part,
    touched_share,
)
from uncertainty.inputs import Output

BYTES_PER_NUMBER = 2.0
"""Of what GPUs exchange: 16 bits."""

# At 8 the smooth maximum is under 1 % too large once one is 1.5 times the other; a higher power
# would turn its slope within a shorter range, which a sampler by gradients would have to resolve.
_SHARPNESS = 8.0

_YEAR = 2025.0
"""Of the software that waits as long as `launch_s` and `schedule_s` say."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Tokens of one query.

    Attributes
    ----------
    output_tokens, input_tokens : array_like
        0 or more; for times of decode at least a part of an output token.
    cached_share : array_like
        Share of the input whose keys and values are cached, 0 to 1.
    cache_hit_cost : array_like
        What a cached token costs of an uncached one's prefill, 0 to 1: it is fetched and checked.
    steps_per_session : array_like, optional
        Queries of one session, each with lengths of its own: a sum of them, never one long query.
    """

    output_tokens: ArrayLike
    input_tokens: ArrayLike = 0.0
    cached_share: ArrayLike = 0.0
    cache_hit_cost: ArrayLike = 0.0
    steps_per_session: ArrayLike | None = None

    @property
    def tokens_read(self) -> ArrayLike:
        """Tokens of the input, a cached one counted by what it costs.

        Examples
        --------
        >>> Query(
        ...     output_tokens=1, input_tokens=1000, cached_share=0.75, cache_hit_cost=0.5
        ... ).tokens_read
        625.0
        """
        return self.input_tokens * (1 - self.cached_share * (1 - self.cache_hit_cost))

    @property
    def context(self) -> ArrayLike:
        """Tokens that a generated one attends to, on average: ``n_in + (n_out - 1) / 2``."""
        return self.input_tokens + jnp.maximum(self.output_tokens - 1, 0) / 2

    def context_within(self, window: ArrayLike) -> Array:
        """As `context`, for a layer that attends to the last `window` tokens alone."""
        first = self.input_tokens
        return mean_within(window, first, first + jnp.maximum(self.output_tokens - 1, 0))


@dataclass(frozen=True, kw_only=True)
class Serving(Query):
    """Queries served together by one copy of a model.

    Attributes
    ----------
    batch_size, occupancy : array_like
        Sequences that can be decoded together, and the average share of them in use (continuous
        batching): above 0.
    bytes_per_parameter : array_like
        Memory of one parameter.
    gpu_count : array_like
        GPUs over which each layer of the copy is split, 1 or more.
    prefill_share : array_like
        Share of prefill's time that adds to decode's; the rest is hidden behind its memory
        traffic, or done elsewhere.
    prefill_gpu_count : array_like, optional
        GPUs that only read inputs, always busy; 0, or not given: those that decode do both.
    schedule_s : array_like
        Time of a step, for each of its sequences, in which the GPUs wait for what plans it and
        hands out its tokens.
    software_year : array_like
        Vintage of the serving software, years with their part (2025.5).
    software_trend : array_like
        How fast newer software waits less: yearly fall of the logarithm of `schedule_s`, which
        holds for the start of 2025.
    speculative_tokens, acceptance, draft_parameters : array_like
        Tokens drafted for each step, the chance that one is accepted, and the size of the model
        that drafts them.
    """

    batch_size: ArrayLike
    bytes_per_parameter: ArrayLike
    occupancy: ArrayLike = 1.0
    gpu_count: ArrayLike = 1.0
    prefill_share: ArrayLike = 1.0
    prefill_gpu_count: ArrayLike | None = None
    schedule_s: ArrayLike = 0.0
    software_year: ArrayLike = _YEAR
    software_trend: ArrayLike = 0.0
    speculative_tokens: ArrayLike = 0.0
    acceptance: ArrayLike = 0.0
    draft_parameters: ArrayLike = 0.0

    @property
    def batch(self) -> ArrayLike:
        """Sequences decoded together, on average."""
        return self.batch_size * self.occupancy


SESSION = Output("session_energy_wh", "Wh", "energy of a session", "facility", total=True)
"""What `session_energy` gives: a sum of queries, which follows the mean one."""


def session_energy(query: Query, energy_wh: ArrayLike) -> dict[str, ArrayLike]:
    """Energy of as many queries as a session has, Wh; nothing where that is not given.

    Examples
    --------
    >>> session_energy(Query(output_tokens=400.0, steps_per_session=80.0), 0.5)
    {'session_energy_wh': 40.0}
    """
    steps = query.steps_per_session
    return {} if steps is None else {SESSION.name: steps * energy_wh}


TOKEN_OUTPUTS = (
    Output("gpu_energy_per_output_token_j", "J", "energy of one output token", "gpu_board"),
    Output("decode_energy_per_output_token_j", "J", "energy of generating one token", "gpu_board"),
    Output(
        "prefill_energy_per_input_token_j", "J", "energy of reading one uncached token", "gpu_board"
    ),
)
"""What `energy_per_token` gives."""


def energy_per_token(query: Query, joules: ArrayLike, reading: ArrayLike) -> dict[str, ArrayLike]:
    """Energy of one token from that of a query, all of it and of reading its input, J.

    Returns
    -------
    dict of str to array_like
        J, shape (): ``gpu_energy_per_output_token_j`` with the input's part in it, and
        ``decode_energy_per_output_token_j`` without it; ``prefill_energy_per_input_token_j`` of
        one uncached token, 0 where nothing is read.

    Examples
    --------
    >>> found = energy_per_token(Query(output_tokens=100.0, input_tokens=1000.0), 300.0, 100.0)
    >>> [round(float(joules), 3) for joules in found.values()]
    [3.0, 2.0, 0.1]
    """
    read = jnp.asarray(query.tokens_read)
    some = jnp.where(read > 0, read, 1.0)  # for a finite slope
    return {
        "gpu_energy_per_output_token_j": joules / query.output_tokens,
        "decode_energy_per_output_token_j": (jnp.asarray(joules) - reading) / query.output_tokens,
        "prefill_energy_per_input_token_j": jnp.where(read > 0, reading / some, 0.0),
    }


def mean_within(window: ArrayLike, first: ArrayLike, last: ArrayLike) -> Array:
    """Average of the smaller of `window` and a number that runs evenly from `first` to `last`.

    Examples
    --------
    >>> [float(mean_within(128, 0, last)) for last in (0, 100, 256)]
    [0.0, 50.0, 96.0]
    """
    short = [jnp.maximum(jnp.asarray(window) - end, 0.0) for end in (first, last)]
    length = jnp.asarray(last) - first
    some = jnp.where(length > 0, length, 1.0)  # for a finite slope where nothing runs
    missing = (short[0] + short[1]) / 2 * jnp.where(length > 0, (short[0] - short[1]) / some, 1.0)
    return jnp.asarray(window - missing)


def smooth_maximum(one: ArrayLike, other: ArrayLike) -> Array:
    """Larger of two numbers above 0, differentiable everywhere.

    Parameters
    ----------
    one, other : array_like
        Above 0, any shapes that fit.

    Returns
    -------
    Array
        Never below the larger; 9 % above it where both are equal, under 1 % above it where one is
        1.5 times the other, and next to nothing beyond twice.

    Notes
    -----
    The norm ``(a^p + b^p)^(1/p)`` with ``p = 8``, by the logarithm of their ratio so that nothing
    overflows.

    Examples
    --------
    >>> [round(float(smooth_maximum(1.0, b)), 4) for b in (0.25, 0.5, 1.0)]
    [1.0, 1.0005, 1.0905]
    """
    first = jnp.asarray(one)
    return first * jnp.exp(jnp.logaddexp(0.0, _SHARPNESS * jnp.log(other / first)) / _SHARPNESS)


def weight_of_first(one: ArrayLike, other: ArrayLike) -> Array:
    """How far the first decides the maximum: 1 where it is far larger, 0 where far smaller.

    It is the elasticity of `smooth_maximum` in its first argument.

    Examples
    --------
    >>> [round(float(weight_of_first(1.0, b)), 3) for b in (0.5, 1.0, 2.0)]
    [0.996, 0.5, 0.004]
    """
    ratio = jnp.log(jnp.asarray(other) / one)
    return 1 / (1 + jnp.exp(_SHARPNESS * ratio))


def tokens_per_step(speculative_tokens: ArrayLike = 0.0, acceptance: ArrayLike = 0.0) -> Array:
    """Tokens that one step of the large model gives each sequence, on average.

    Parameters
    ----------
    speculative_tokens : array_like
        Tokens drafted for the step, 0 or more.
    acceptance : array_like
        Chance that a drafted token is accepted, 0 to 1.

    Returns
    -------
    Array
        From 1 to ``speculative_tokens + 1``.

    Notes
    -----
    ``(1 - a^(g+1)) / (1 - a)``: Leviathan et al. (2023), Fast inference from transformers via
    speculative decoding, arXiv:2211.17192, equation 1.

    Examples
    --------
    >>> [round(float(tokens_per_step(4, a)), 2) for a in (0.0, 0.8, 1.0)]
    [1.0, 3.36, 5.0]
    """
    chance, most = jnp.asarray(acceptance), jnp.asarray(speculative_tokens) + 1.0
    # The formula is 0/0 at a = 1 and has no slope at 0: both ends have their limit.
    inside = (chance > 0) & (chance < 1)
    some = jnp.where(inside, chance, 0.5)
    between = -jnp.expm1(most * jnp.log(some)) / (1 - some)
    return jnp.where(inside, between, jnp.where(chance >= 1, most, 1.0))


def exchange_seconds(
    board: Board,
    *,
    gpu_count: ArrayLike,
    tokens: ArrayLike,
    layers: ArrayLike,
    model_width: ArrayLike,
) -> ArrayLike:
    """Time in which the GPUs of one copy of a model exchange results, for one step.

    Parameters
    ----------
    board : Board
        Its links.
    gpu_count : array_like
        GPUs over which each layer is split, 1 or more.
    tokens : array_like
        Tokens of the step.
    layers, model_width : array_like
        Layers, and numbers that stand for a token between them.

    Returns
    -------
    array_like
        s; 0 for one GPU.

    Notes
    -----
    Two all-reduces in each layer (attention and feed-forward), each of ``tokens * width`` numbers
    of 16 bits: ``2 (n-1)/n`` of them cross each link, after ``log2(n)`` rounds of latency. Shoeybi
    et al. (2019), Megatron-LM, arXiv:1909.08053; Thakur et al. (2005), Optimization of collective
    communication operations in MPICH.

    Examples
    --------
    >>> board = Board(
    ...     peak_flops=1e15, memory_bandwidth_bytes_per_s=3e12, gpu_power_w=700.0,
    ...     link_latency_s=1e-5,
    ... )
    >>> seconds = [
    ...     exchange_seconds(board, gpu_count=n, tokens=8, layers=80, model_width=8192)
    ...     for n in (1, 8)
    ... ]
    >>> [round(float(s), 4) for s in seconds]
    [0.0, 0.0048]
    """
    count = jnp.asarray(gpu_count)
    rounds = jnp.log2(count) * board.link_latency_s
    moving: ArrayLike = 0.0
    if board.link_bandwidth_bytes_per_s is not None:
        numbers = 2 * (count - 1) / count * tokens * model_width
        moving = numbers * BYTES_PER_NUMBER / board.link_bandwidth_bytes_per_s
    return 2 * layers * (rounds + moving)


def step_bytes(transformer: Transformer, serving: Serving) -> dict[str, ArrayLike]:
    """Bytes that a step reads from memory.

    Parameters
    ----------
    transformer : Transformer
    serving : Serving

    Returns
    -------
    dict of str to array_like
        Bytes, shape (): ``weights``, ``cache`` and ``state``; the share of the experts
        ``touched``; the share of a token's parameters that are ``chosen`` for it, and the share of
        the experts that it leaves (``sparsity``, 0 if dense).

    Notes
    -----
    Parameters that all tokens share are read once for all sequences, and so is each expert that
    one of them chooses; the cache is read for each. Pope et al. (2023), arXiv:2211.05102.

    Examples
    --------
    >>> moved = step_bytes(
    ...     Transformer(active_parameters=70e9),
    ...     Serving(batch_size=8.0, output_tokens=400.0, bytes_per_parameter=2.0),
    ... )
    >>> f"{float(moved['weights']):.3g}"
    '1.4e+11'
    """
    shared, share = jnp.asarray(shared_part(transformer)), routed_share(transformer)
    touched = touched_share(share, serving.batch * (1 + serving.speculative_tokens))
    parameters = shared + (transformer.stored_parameters - shared) * touched
    kept = kv_bytes_per_token(transformer, keeping_layers=transformer.full_layers)
    cache = serving.batch * kept * serving.context
    if transformer.windows:
        layers, tokens = transformer.windows
        kept = kv_bytes_per_token(transformer, keeping_layers=layers)
        cache += serving.batch * kept * serving.context_within(tokens)
    return {
        "weights": serving.bytes_per_parameter * parameters,
        "cache": cache,
        # States are read and written.
        "state": 2 * serving.batch * transformer.state_bytes,
        "touched": touched,
        "chosen": 1 - jnp.minimum(shared / transformer.active_parameters, 1.0),
        "sparsity": 1 - share,
    }


def held_bytes(transformer: Transformer, serving: Serving) -> dict[str, ArrayLike]:
    """Bytes that the GPUs of one copy keep: all ``weights``, and the ``cache`` of the batch.

    States of linear layers are in the cache.

    Examples
    --------
    >>> held = held_bytes(
    ...     Transformer(active_parameters=17e9, total_parameters=109e9),
    ...     Serving(batch_size=8.0, output_tokens=400.0, bytes_per_parameter=2.0),
    ... )
    >>> f"{held['weights']:.3g}"
    '2.18e+11'
    """
    weights = serving.bytes_per_parameter * transformer.stored_parameters
    states = serving.batch * transformer.state_bytes
    return {"weights": weights, "cache": step_bytes(transformer, serving)["cache"] + states}


def step_seconds(
    transformer: Transformer,
    board: Board,
    serving: Serving,
    *,
    flop: dict[str, Array],
    moved: dict[str, ArrayLike],
    produced: ArrayLike,
) -> dict[str, ArrayLike]:
    """Time that a step takes, and for what.

    Parameters
    ----------
    transformer : Transformer
    board : Board
    serving : Serving
    flop : dict of str to Array
        Of one query, from `query_flop`.
    moved : dict of str to array_like
        From `step_bytes`.
    produced : array_like
        From `tokens_per_step`.

    Returns
    -------
    dict of str to array_like
        s, shape (). Of a step: ``decode``, which is its ``limit`` (the larger of ``moving`` bytes
        and ``computing``) and drafting; ``prefill`` of the queries that take the places of those
        that end; ``waiting``. ``reading`` is the prefill of one query by itself.

    Notes
    -----
    As in `roofline`.
    """
    layers, heads, head_dim = transformer.dimensions
    width = heads * head_dim
    if transformer.model_width is not None:
        width = jnp.where(jnp.asarray(transformer.model_width) > 0, transformer.model_width, width)
    peak = serving.gpu_count * board.peak_flops
    arithmetic = peak * board.compute_cap
    bandwidth = serving.gpu_count * board.memory_bandwidth_bytes_per_s * board.bandwidth_cap
    checked = serving.batch * (1 + serving.speculative_tokens)
    # What is lost to experts grows with the share of them that a token leaves: none if dense.
    slowed = 1 + (jnp.asarray(board.expert_cost) ** moved["sparsity"] - 1) * moved["chosen"]
    launching = board.launch_s * board.expert_launch ** moved["sparsity"]
    older = serving.software_trend * (_YEAR - serving.software_year)
    of_token = slowed * flop["decode_weights"] + flop["decode_attention"]
    moving = (moved["weights"] + moved["state"] + board.kv_cost * moved["cache"]) / bandwidth
    computing = of_token / serving.output_tokens * checked / arithmetic
    limit = smooth_maximum(moving, computing)
    cap = board.compute_cap if board.prefill_utilization is None else board.prefill_utilization
    reading = (slowed * flop["prefill_weights"] + flop["prefill_attention"]) / (peak * cap)
    # Of each parameter of the drafting model, for each drafted token.
    drafting = smooth_maximum(
        serving.bytes_per_parameter / bandwidth, FLOP_PER_PARAMETER * serving.batch / arithmetic
    )
    links = exchange_seconds(
        board, gpu_count=serving.gpu_count, tokens=checked, layers=layers, model_width=width
    )
    share = serving.prefill_share
    if serving.prefill_gpu_count is not None:  # others read the input
        share = jnp.where(jnp.asarray(serving.prefill_gpu_count) > 0, 0.0, share)
    # In a step `batch * produced / output_tokens` queries end, and as many are read in.
    ending = serving.batch * produced / serving.output_tokens
    return {
        "decode": limit + serving.speculative_tokens * serving.draft_parameters * drafting,
        "limit": limit,
        "prefill": share * reading * ending,
        "waiting": layers * launching + serving.batch * serving.schedule_s * jnp.exp(older) + links,
        "moving": moving,
        "computing": computing,
        "reading": reading,
    }

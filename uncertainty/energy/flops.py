"""Energy from arithmetic: FLOP over achieved FLOP/s, times power."""

from uncertainty.arrays import Array, ArrayLike, jnp
from uncertainty.energy.board import BOUNDARY_OUTPUTS, Facility, at_boundaries
from uncertainty.energy.model import by_name, model_from_callable
from uncertainty.energy.serving import (
    SESSION,
    TOKEN_OUTPUTS,
    Query,
    energy_per_token,
    mean_within,
    session_energy,
)
from uncertainty.energy.transformer import FLOP_PER_PARAMETER, Shape
from uncertainty.inputs import ALTERNATIVES, Output

_PARTS = {
    "decode_weights": "generating: parameters",
    "decode_attention": "generating: attention",
    "prefill_weights": "reading the input: parameters",
    "prefill_attention": "reading the input: attention",
}


def query_flop(shape: Shape, query: Query) -> dict[str, Array]:
    """Floating-point operations of one query.

    Parameters
    ----------
    shape : Shape
    query : Query

    Returns
    -------
    dict of str to Array
        FLOP, shape (): ``decode_weights``, ``decode_attention``, ``prefill_weights``,
        ``prefill_attention``.

    Notes
    -----
    Each generated token costs ``2 N + 4 L H d context``; reading n tokens costs
    ``2 N n + factor * 4 L H d n^2``. Cached tokens cost `cache_hit_cost` of that, nothing where it
    is not given, but new ones attend to them.
    A layer with a window of w tokens has ``min(position, w)`` in place of the position, averaged
    over all; for latent attention see `Shape.flop_per_pair`.
    Sources: Chowdhery et al. (2022), arXiv:2204.02311, appendix B (its ``6 N + 12 L H Q T`` a token
    counts forward and backward, three times the forward pass); Epoch AI (2025).

    Examples
    --------
    >>> flop = query_flop(Shape(active_parameters=100e9), Query(output_tokens=500.0))
    >>> f"{float(flop['decode_weights']):.3g}"
    '1e+14'
    """
    per_token = FLOP_PER_PARAMETER * shape.active_parameters
    n, cached, hit = query.input_tokens, query.cached_share, query.cache_hit_cost
    layers, factor = shape.full_layers, shape.attention_factor
    decode = shape.flop_per_pair(layers, reading=False) * query.context
    prefill = (
        factor * shape.flop_per_pair(layers, reading=True) * (n**2 * (1 - cached**2 * (1 - hit)))
    )
    if shape.windows:
        layers, tokens = shape.windows
        decode += shape.flop_per_pair(layers, reading=False) * query.context_within(tokens)
        # Twice, as the positions of n tokens add up to n^2 / 2.
        pairs = 2 * n * (1 - cached) * mean_within(tokens, cached * n, n)
        pairs += 2 * n * cached * hit * mean_within(tokens, 0.0, cached * n)
        prefill += factor * shape.flop_per_pair(layers, reading=True) * pairs
    return {
        "decode_weights": jnp.asarray(per_token * query.output_tokens),
        "decode_attention": jnp.asarray(decode * query.output_tokens),
        "prefill_weights": jnp.asarray(per_token * query.tokens_read),
        "prefill_attention": jnp.asarray(prefill),
    }


def flops(
    shape: Shape,
    query: Query,
    facility: Facility,
    *,
    utilization: ArrayLike,
    peak_flops: ArrayLike,
    gpu_power_w: ArrayLike,
    power_fraction: ArrayLike,
    prefill_utilization: ArrayLike | None = None,
    prefill_power_fraction: ArrayLike | None = None,
) -> dict[str, ArrayLike]:
    """Energy of one query from its arithmetic.

    Parameters
    ----------
    shape : Shape
    query : Query
    facility : Facility
    utilization, prefill_utilization : array_like
        Achieved over peak FLOP/s, above 0 to 1; prefill is like decode where not given.
    peak_flops : array_like
        Dense peak of one GPU, FLOP/s.
    gpu_power_w : array_like
        Rated board power of one GPU, W.
    power_fraction, prefill_power_fraction : array_like
        Average over rated power, 0 to 1; prefill is like decode where not given.

    Returns
    -------
    dict of str to array_like
        Wh, shape (): ``energy_wh`` at the facility, the other boundaries, the four components of
        ``energy_wh``; and, of the boards, ``gpu_energy_per_output_token_j``, the energy of reading
        and of generating each by itself (see `energy_per_token`), and ``gpu_seconds``, s.

    Notes
    -----
    ``t = FLOP / (peak_flops * utilization)``, ``E = gpu_power_w * power_fraction * overhead * t``:
    in decode and in prefill. Source: Epoch AI (2025), How much energy does ChatGPT use?

    Examples
    --------
    500 tokens of a 100B-parameter model at 10 % utilization, 1500 W and 70 % power:

    >>> result = flops(
    ...     Shape(active_parameters=100e9, layers=0.0), Query(output_tokens=500.0),
    ...     Facility(overhead=1.0), utilization=0.1, peak_flops=989e12, gpu_power_w=1500.0,
    ...     power_fraction=0.7,
    ... )
    >>> round(float(result["energy_wh"]), 3)
    0.295
    """
    rates = {
        "decode": (utilization, power_fraction),
        "prefill": (
            utilization if prefill_utilization is None else prefill_utilization,
            power_fraction if prefill_power_fraction is None else prefill_power_fraction,
        ),
    }
    seconds, joules = {}, {}
    for part, flop in query_flop(shape, query).items():
        achieved, drawn = rates[part.split("_")[0]]
        seconds[part] = flop / (peak_flops * achieved)
        joules[part] = seconds[part] * gpu_power_w * drawn
    whole, gpu_seconds = sum(joules.values()), sum(seconds.values())
    boundaries = at_boundaries(whole, gpu_seconds, facility, joules)
    return {
        **boundaries,
        **session_energy(query, boundaries["energy_wh"]),
        **energy_per_token(query, whole, joules["prefill_weights"] + joules["prefill_attention"]),
        "gpu_seconds": gpu_seconds,
    }


FLOPS = model_from_callable(
    by_name(flops),
    alternatives=ALTERNATIVES,
    outputs=(
        *BOUNDARY_OUTPUTS,
        *(
            Output(f"energy_wh_{part}", "Wh", meaning, "facility", part_of="energy_wh")
            for part, meaning in _PARTS.items()
        ),
        SESSION,
        *TOKEN_OUTPUTS,
        Output("gpu_seconds", "s", "time of one whole GPU spent on the query"),
    ),
)
"""The model ``flops``, as `ENERGY_MODELS` holds it."""

"""Energy from arithmetic: FLOP over achieved FLOP/s, times power."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from uncertainty.energy import constants
from uncertainty.energy.boundaries import BOUNDARY_OUTPUTS, at_boundaries, facility_factor
from uncertainty.energy.model import model_from_callable
from uncertainty.energy.transformer import stated_shape
from uncertainty.inputs import ALTERNATIVES, Output

_MEANINGS = {
    "decode_weights": "generating: parameters",
    "decode_attention": "generating: attention",
    "prefill_weights": "reading the input: parameters",
    "prefill_attention": "reading the input: attention",
}

COMPONENT_OUTPUTS = tuple(
    Output(f"energy_wh_{part}", "Wh", meaning, "facility", part_of="energy_wh")
    for part, meaning in _MEANINGS.items()
)


def query_flop(
    *,
    active_parameters: ArrayLike,
    output_tokens: ArrayLike,
    input_tokens: ArrayLike = 0.0,
    cached_share: ArrayLike = 0.0,
    attention_factor: ArrayLike = 0.5,
    layers: ArrayLike | None = None,
    heads: ArrayLike | None = None,
    head_dim: ArrayLike | None = None,
) -> dict[str, Array]:
    """Floating-point operations of one query.

    Parameters
    ----------
    active_parameters : array_like
        Parameters used for one token, above 0.
    output_tokens, input_tokens : array_like
        Tokens, 0 or more.
    cached_share : array_like
        Share of the input whose keys and values are cached, 0 to 1.
    attention_factor : array_like
        Share of the n^2 attention of the input that is computed: 0.5 causal, 1 full.
    layers, heads, head_dim : array_like, optional
        Shape of the transformer; scaled from `active_parameters` where not given.

    Returns
    -------
    dict of str to Array
        FLOP, shape (): ``decode_weights``, ``decode_attention``, ``prefill_weights``,
        ``prefill_attention``.

    Notes
    -----
    Each generated token costs ``2 N + 4 L H d context``; reading n tokens costs
    ``2 N n + factor * 4 L H d n^2``. The average context of decode is
    ``n_in + (n_out - 1) / 2``. Cached tokens cost no prefill, but new ones attend to them.
    Sources: Chowdhery et al. (2022), arXiv:2204.02311, appendix B (its ``6 N + 12 L H Q T`` a token
    counts forward and backward, three times the forward pass); Epoch AI (2025).

    Examples
    --------
    >>> flop = query_flop(active_parameters=100e9, output_tokens=500.0)
    >>> f"{float(flop['decode_weights']):.3g}"
    '1e+14'
    """
    depth, count, width = stated_shape(active_parameters, layers, heads, head_dim)
    per_pair = constants.FLOP_PER_PAIR * depth * count * width
    per_token = constants.FLOP_PER_PARAMETER * active_parameters
    context = input_tokens + jnp.maximum(output_tokens - 1, 0) / 2
    new = 1 - cached_share**2
    return {
        "decode_weights": jnp.asarray(per_token * output_tokens),
        "decode_attention": jnp.asarray(per_pair * context * output_tokens),
        "prefill_weights": jnp.asarray(per_token * input_tokens * (1 - cached_share)),
        "prefill_attention": jnp.asarray(attention_factor * per_pair * input_tokens**2 * new),
    }


def flops(
    *,
    active_parameters: ArrayLike,
    output_tokens: ArrayLike,
    utilization: ArrayLike,
    peak_flops: ArrayLike,
    gpu_power_w: ArrayLike,
    power_fraction: ArrayLike,
    input_tokens: ArrayLike = 0.0,
    prefill_utilization: ArrayLike | None = None,
    prefill_power_fraction: ArrayLike | None = None,
    cached_share: ArrayLike = 0.0,
    attention_factor: ArrayLike = 0.5,
    layers: ArrayLike | None = None,
    heads: ArrayLike | None = None,
    head_dim: ArrayLike | None = None,
    overhead: ArrayLike | None = None,
    host: ArrayLike | None = None,
    idle: ArrayLike | None = None,
    pue: ArrayLike | None = None,
) -> dict[str, Array]:
    """Energy of one query from its arithmetic.

    Parameters
    ----------
    active_parameters, output_tokens, input_tokens, cached_share, attention_factor
        As in `query_flop`.
    layers, heads, head_dim : array_like, optional
        As in `query_flop`.
    utilization, prefill_utilization : array_like
        Achieved over peak FLOP/s, above 0 to 1; prefill is like decode where not given.
    peak_flops : array_like
        Dense peak of one GPU, FLOP/s.
    gpu_power_w : array_like
        Rated board power of one GPU, W.
    power_fraction, prefill_power_fraction : array_like
        Average over rated power, 0 to 1; prefill is like decode where not given.
    overhead, host, idle, pue : array_like, optional
        Either `overhead`, or the other three (see `at_boundaries`).

    Returns
    -------
    dict of str to Array
        Wh, shape (): ``energy_wh`` at the facility, the other boundaries, the four components of
        ``energy_wh``; and ``gpu_energy_per_output_token_j``, ``gpu_seconds``, s.

    Notes
    -----
    ``t = FLOP / (peak_flops * utilization)``, ``E = gpu_power_w * power_fraction * overhead * t``:
    in decode and in prefill. Source: Epoch AI (2025), How much energy does ChatGPT use?

    Examples
    --------
    500 tokens of a 100B-parameter model at 10 % utilization, 1500 W and 70 % power:

    >>> result = flops(active_parameters=100e9, output_tokens=500.0, utilization=0.1,
    ...     peak_flops=989e12, gpu_power_w=1500.0, power_fraction=0.7, overhead=1.0, layers=0.0)
    >>> round(float(result["energy_wh"]), 3)
    0.295
    """
    flop = query_flop(
        active_parameters=active_parameters,
        output_tokens=output_tokens,
        input_tokens=input_tokens,
        cached_share=cached_share,
        attention_factor=attention_factor,
        layers=layers,
        heads=heads,
        head_dim=head_dim,
    )
    prefill = (
        utilization if prefill_utilization is None else prefill_utilization,
        power_fraction if prefill_power_fraction is None else prefill_power_fraction,
    )
    rates = {"decode": (utilization, power_fraction), "prefill": prefill}
    seconds = {k: v / (peak_flops * rates[k.split("_")[0]][0]) for k, v in flop.items()}
    boards_wh = {
        k: t * gpu_power_w * rates[k.split("_")[0]][1] / constants.JOULES_PER_WH
        for k, t in seconds.items()
    }
    to_facility = facility_factor(overhead, host, idle, pue)
    joules = _sum(boards_wh) * constants.JOULES_PER_WH
    return {
        **at_boundaries(_sum(boards_wh), overhead=overhead, host=host, idle=idle, pue=pue),
        **{f"energy_wh_{part}": wh * to_facility for part, wh in boards_wh.items()},
        "gpu_energy_per_output_token_j": joules / output_tokens,
        "gpu_seconds": _sum(seconds),
    }


def _sum(parts: dict[str, Array]) -> Array:
    first, *rest = parts.values()
    return sum(rest, start=first)


FLOPS = model_from_callable(
    flops,
    alternatives=ALTERNATIVES,
    outputs=(
        *BOUNDARY_OUTPUTS,
        *COMPONENT_OUTPUTS,
        Output("gpu_energy_per_output_token_j", "J", "energy of one output token", "gpu_board"),
        Output("gpu_seconds", "s", "time of one whole GPU spent on the query"),
    ),
)
"""The model ``flops``, as `ENERGY_MODELS` holds it."""

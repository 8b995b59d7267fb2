"""Energy from a measured or assumed throughput."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from uncertainty.energy import constants
from uncertainty.energy.boundaries import BOUNDARY_OUTPUTS, at_boundaries
from uncertainty.energy.model import arrays, model_from_callable
from uncertainty.inputs import ALTERNATIVES, Output


def throughput(
    *,
    output_tokens: ArrayLike,
    tokens_per_s: ArrayLike,
    gpu_power_w: ArrayLike,
    power_fraction: ArrayLike,
    gpu_count: ArrayLike = 1.0,
    overhead: ArrayLike | None = None,
    host: ArrayLike | None = None,
    idle: ArrayLike | None = None,
    pue: ArrayLike | None = None,
) -> dict[str, Array]:
    """Energy of one query from the power of a deployment and its tokens per second.

    Parameters
    ----------
    output_tokens : array_like
        Tokens of the query, 0 or more.
    tokens_per_s : array_like
        Output tokens per second of the whole deployment, above 0.
    gpu_power_w, power_fraction : array_like
        Rated board power of one GPU, W, and the average share of it drawn, 0 to 1.
    gpu_count : array_like
        GPUs of the deployment, 1 or more.
    overhead, host, idle, pue : array_like, optional
        Either `overhead`, or the other three (see `at_boundaries`).

    Returns
    -------
    dict of str to Array
        Shape (): Wh of the query at each boundary, ``gpu_energy_per_output_token_j``, and
        ``gpu_seconds``.

    Notes
    -----
    ``J/token = n P / (tokens/s)``: energy is power over rate, so both must be those of the same
    GPUs. Reading the input is inside a measured throughput. Source: Samsi et al. (2023), From words
    to watts, arXiv:2310.03003.

    Examples
    --------
    Four GPUs of 375 W that give 156 tokens per second:

    >>> found = throughput(output_tokens=1.0, tokens_per_s=156.0, gpu_power_w=375.0,
    ...     power_fraction=1.0, gpu_count=4.0, overhead=1.0)
    >>> round(float(found["gpu_energy_per_output_token_j"]), 2)
    9.62
    """
    joules = jnp.asarray(gpu_count * gpu_power_w * power_fraction / tokens_per_s)
    boards_wh = joules * output_tokens / constants.JOULES_PER_WH
    boundaries = at_boundaries(boards_wh, overhead=overhead, host=host, idle=idle, pue=pue)
    return arrays(
        {
            **boundaries,
            "gpu_energy_per_output_token_j": joules,
            "gpu_seconds": gpu_count * output_tokens / tokens_per_s,
        }
    )


THROUGHPUT = model_from_callable(
    throughput,
    alternatives=ALTERNATIVES,
    outputs=(
        *BOUNDARY_OUTPUTS,
        Output("gpu_energy_per_output_token_j", "J", "energy of one output token", "gpu_board"),
        Output("gpu_seconds", "s", "time of one whole GPU spent on the query"),
    ),
)
"""The model ``throughput``, as `ENERGY_MODELS` holds it."""

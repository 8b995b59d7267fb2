"""Energy from a measured or assumed throughput."""

from uncertainty.arrays import ArrayLike
from uncertainty.energy.board import BOUNDARY_OUTPUTS, Facility, at_boundaries
from uncertainty.energy.model import by_name, model_from_callable
from uncertainty.inputs import ALTERNATIVES, Output


def throughput(
    facility: Facility,
    *,
    output_tokens: ArrayLike,
    tokens_per_s: ArrayLike,
    gpu_power_w: ArrayLike,
    power_fraction: ArrayLike,
    gpu_count: ArrayLike = 1.0,
) -> dict[str, ArrayLike]:
    """Energy of one query from the power of a deployment and its tokens per second.

    Parameters
    ----------
    facility : Facility
    output_tokens : array_like
        Tokens of the query, 0 or more.
    tokens_per_s : array_like
        Output tokens per second of the whole deployment, above 0.
    gpu_power_w, power_fraction : array_like
        Rated board power of one GPU, W, and the average share of it drawn, 0 to 1.
    gpu_count : array_like
        GPUs of the deployment, 1 or more.

    Returns
    -------
    dict of str to array_like
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

    >>> result = throughput(
    ...     Facility(overhead=1.0), output_tokens=1.0, tokens_per_s=156.0, gpu_power_w=375.0,
    ...     power_fraction=1.0, gpu_count=4.0,
    ... )
    >>> round(result["gpu_energy_per_output_token_j"], 2)
    9.62
    """
    joules = gpu_count * gpu_power_w * power_fraction / tokens_per_s
    gpu_seconds = gpu_count * output_tokens / tokens_per_s
    return {
        **at_boundaries(joules * output_tokens, gpu_seconds, facility),
        "gpu_energy_per_output_token_j": joules,
        "gpu_seconds": gpu_seconds,
    }


THROUGHPUT = model_from_callable(
    by_name(throughput),
    alternatives=ALTERNATIVES,
    outputs=(
        *BOUNDARY_OUTPUTS,
        Output("gpu_energy_per_output_token_j", "J", "energy of one output token", "gpu_board"),
        Output("gpu_seconds", "s", "time of one whole GPU spent on the query"),
    ),
)
"""The model ``throughput``, as `ENERGY_MODELS` holds it."""

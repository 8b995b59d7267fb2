"""Power of a board by how busy it is."""

from jax.typing import ArrayLike


def board_power(
    *,
    gpu_power_w: ArrayLike,
    busy: ArrayLike,
    static_power_fraction: ArrayLike = 0.25,
    power_exponent: ArrayLike = 0.67,
    arithmetic: ArrayLike = 1.0,
    memory_power_fraction: ArrayLike = 1.0,
) -> ArrayLike:
    """Average power of one GPU board.

    Parameters
    ----------
    gpu_power_w : array_like
        Rated power, W.
    busy : array_like
        Share of the time in which it computes or moves memory, above 0 to 1.
    static_power_fraction : array_like
        Idle over rated power, 0 to 1.
    power_exponent : array_like
        Above 0; 1 is a straight line.
    arithmetic : array_like
        Share of the busy time in which it computes, 0 to 1; for the rest it waits for memory.
    memory_power_fraction : array_like
        Power above idle while it only moves memory over that while it computes, above 0 to 1.

    Returns
    -------
    array_like
        W.

    Notes
    -----
    ``P = P_rated (s + (1 - s) u^a (m + (1 - m) c))``. With ``m = 1`` that is the form of Fan,
    Weber and Barroso (2007), Power provisioning for a warehouse-sized computer, section 4; the
    defaults fit the ML.ENERGY measurements.

    Examples
    --------
    >>> board_power(gpu_power_w=700, busy=1.0)
    700.0
    """
    active = memory_power_fraction + (1 - memory_power_fraction) * arithmetic
    dynamic = (1 - static_power_fraction) * busy**power_exponent * active
    return gpu_power_w * (static_power_fraction + dynamic)

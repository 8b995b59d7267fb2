"""Depth and width of a transformer whose shape is not published."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["transformer_shape"]

_ACTIVE, _LAYERS, _HEADS, _HEAD_DIM = 39e9, 56.0, 48.0, 128.0


def transformer_shape(active_parameters: ArrayLike) -> tuple[Array, Array, Array]:
    """Scale Mixtral-8x22B to a number of active parameters.

    Parameters
    ----------
    active_parameters : array_like
        Parameters used for one token, above 0, any shape.

    Returns
    -------
    layers, heads, head_dim : Array
        Not rounded, so that the energy stays smooth.

    Notes
    -----
    With ``s = active_parameters / 39e9``, layers and model width grow as ``s^(1/3)``, heads and
    head width as ``s^(1/6)``. Source: Epoch AI (2025), How much energy does ChatGPT use?,
    long-input calculation; reference shape from the model card of Mixtral-8x22B (2024).

    Examples
    --------
    >>> [round(float(x), 1) for x in transformer_shape(100e9)]
    [76.6, 56.2, 149.7]
    """
    scale = jnp.asarray(active_parameters) / _ACTIVE
    return _LAYERS * scale ** (1 / 3), _HEADS * scale ** (1 / 6), _HEAD_DIM * scale ** (1 / 6)

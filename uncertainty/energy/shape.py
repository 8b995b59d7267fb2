"""Depth and width of a transformer, and what its cache keeps."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["kv_bytes_per_token", "stated_shape", "transformer_shape"]

_ACTIVE, _LAYERS, _HEADS, _HEAD_DIM, _KV_HEADS = 39e9, 56.0, 48.0, 128.0, 8.0


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


def stated_shape(
    active_parameters: ArrayLike,
    layers: ArrayLike | None,
    heads: ArrayLike | None,
    head_dim: ArrayLike | None,
) -> tuple[ArrayLike, ArrayLike, ArrayLike]:
    """Layers, heads and width of a head: as given, else as `transformer_shape` scales them.

    Examples
    --------
    >>> [round(float(x), 1) for x in stated_shape(39e9, 80, None, None)]
    [80.0, 48.0, 128.0]
    """
    scaled = transformer_shape(active_parameters)
    depth, count, width = (
        own if own is not None else other
        for own, other in zip((layers, heads, head_dim), scaled, strict=True)
    )
    return depth, count, width


def kv_bytes_per_token(
    *,
    active_parameters: ArrayLike,
    layers: ArrayLike | None = None,
    head_dim: ArrayLike | None = None,
    kv_heads: ArrayLike | None = None,
    kv_width: ArrayLike | None = None,
    kv_bytes_per_value: ArrayLike = 2.0,
) -> ArrayLike:
    """Memory that the keys and values of one token take in the cache.

    Parameters
    ----------
    active_parameters : array_like
        Parameters used for one token, above 0.
    layers, head_dim, kv_heads : array_like, optional
        Shape of the transformer; scaled from `active_parameters` where not given (Mixtral-8x22B
        has 8 key-value heads).
    kv_width : array_like, optional
        Numbers kept in each layer, where a model keeps something else than its heads' keys and
        values; ``2 * kv_heads * head_dim`` where not given.
    kv_bytes_per_value : array_like
        Bytes of one number.

    Returns
    -------
    array_like
        Bytes.

    Notes
    -----
    ``2 L kv_heads d_head bytes``: Pope et al. (2023), Efficiently scaling transformer inference,
    arXiv:2211.05102, section 2.

    Examples
    --------
    Llama 3.1 70B keeps 320 KiB of each token in 16 bits:

    >>> kv_bytes_per_token(active_parameters=70.6e9, layers=80, head_dim=128, kv_heads=8) / 1024
    320.0
    """
    depth, _, width = stated_shape(active_parameters, layers, None, head_dim)
    if kv_width is None:
        scale = jnp.asarray(active_parameters) / _ACTIVE
        pairs = _KV_HEADS * scale ** (1 / 6) if kv_heads is None else kv_heads
        kv_width = 2 * pairs * width
    return depth * kv_width * kv_bytes_per_value

"""Mixtures of experts: which parameters every token uses, and how many experts a batch touches."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

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


_SHARED = 0.3


def all_parameters(
    active_parameters: ArrayLike,
    total_parameters: ArrayLike | None = None,
    moe_ratio: ArrayLike | None = None,
) -> ArrayLike:
    """Parameters stored: as given, else from their ratio to the active ones, else the same.

    Examples
    --------
    >>> all_parameters(37e9, moe_ratio=10.0)
    370000000000.0
    """
    if total_parameters is not None:
        return total_parameters
    return active_parameters if moe_ratio is None else active_parameters * moe_ratio


def shared_part(
    active_parameters: ArrayLike,
    total_parameters: ArrayLike,
    shared_parameters: ArrayLike | None = None,
    experts: ArrayLike | None = None,
    experts_per_token: ArrayLike | None = None,
) -> ArrayLike:
    """Parameters that every token uses.

    Parameters
    ----------
    active_parameters, total_parameters : array_like
        For one token, and in all.
    shared_parameters : array_like, optional
        As published.
    experts, experts_per_token : array_like, optional
        Routed experts of a layer, and those that one token uses.

    Returns
    -------
    array_like
        Parameters, from 0 to `active_parameters`.

    Notes
    -----
    With E experts of which k serve a token, ``active = shared + k e`` and ``total = shared + E e``,
    so ``shared = (active - (k/E) total) / (1 - k/E)``. Where neither is known, 30 % of the active
    ones: open mixtures lie between 13 % (Mixtral 8x22B) and 45 % (DeepSeek-V3), with Llama 4 above,
    by their model cards.

    Examples
    --------
    Mixtral 8x22B:

    >>> f"{float(shared_part(39.1e9, 140.6e9, None, 8, 2)):.3g}"
    '5.27e+09'
    """
    if shared_parameters is not None:
        return shared_parameters
    if experts is None or experts_per_token is None:
        return _SHARED * active_parameters
    used = jnp.asarray(experts_per_token) / experts
    rest = jnp.where(used < 1, 1 - used, 1.0)
    implied = (active_parameters - used * total_parameters) / rest
    return jnp.where(used < 1, jnp.clip(implied, 0, active_parameters), active_parameters)


def routed_share(
    active_parameters: ArrayLike, total_parameters: ArrayLike, shared: ArrayLike
) -> Array:
    """Share of the experts that one token uses, from 0 to 1: ``k/E``.

    Examples
    --------
    >>> round(float(routed_share(39.1e9, 140.6e9, 5.27e9)), 3)
    0.25
    """
    active, total, common = map(jnp.asarray, (active_parameters, total_parameters, shared))
    some = jnp.where(total > common, total - common, 1.0)
    return jnp.where(total > common, jnp.clip((active - common) / some, 0, 1), 1.0)


def touched_share(share_per_token: ArrayLike, tokens: ArrayLike) -> Array:
    """Expected share of the experts that a step reads.

    Parameters
    ----------
    share_per_token : array_like
        ``k/E``, 0 to 1.
    tokens : array_like
        Tokens of the step, above 0.

    Returns
    -------
    Array
        From `share_per_token` (one token) to 1.

    Notes
    -----
    ``1 - (1 - k/E)^B`` for B tokens that choose experts evenly and apart: the expected share of
    distinct choices, the occupancy problem of Feller (1968), An introduction to probability
    theory, volume 1. Tokens that prefer some experts touch fewer.

    Examples
    --------
    Two of 16 experts, by the tokens in a step:

    >>> [round(16 * float(touched_share(2 / 16, tokens)), 1) for tokens in (1, 8, 64)]
    [2.0, 10.5, 16.0]
    """
    share = jnp.asarray(share_per_token)
    some = jnp.where(share < 1, share, 0.5)
    return jnp.where(share < 1, -jnp.expm1(tokens * jnp.log1p(-some)), 1.0)

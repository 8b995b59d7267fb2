"""A transformer: its shape, what it keeps in memory, and the experts that a batch touches."""

from dataclasses import dataclass

from uncertainty.arrays import Array, ArrayLike, jnp

FLOP_PER_PARAMETER = 2.0
"""Of one token: a multiplication and an addition for each active parameter."""
FLOP_PER_WIDTH = 2.0
"""Of one token that attends to another, for each head and number of a key, or of a value."""

# Of the 576 numbers that latent attention keeps, 64 tell places and serve the scores alone: by the
# model card of DeepSeek-V3 (2024), and the same in Kimi K2.
_ROPE = 64 / 576

# Mixtral-8x22B, by its model card (2024): what shapes are scaled from.
_ACTIVE, _LAYERS, _HEADS, _HEAD_DIM, _KV_HEADS = 39e9, 56.0, 48.0, 128.0, 8.0

# Share of the active parameters that every token uses, where nothing is known of the experts: open
# mixtures lie between 13 % (Mixtral 8x22B) and 45 % (DeepSeek-V3), with Llama 4 above, by their
# model cards.
_SHARED = 0.3


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the arithmetic of a transformer depends on.

    Attributes
    ----------
    active_parameters : array_like
        Parameters used for one token, above 0.
    attention_factor : array_like
        Share of the n^2 attention of the input that is computed: 0.5 causal, 1 full.
    layers, heads, head_dim : array_like, optional
        Scaled from `active_parameters` where not given (see `transformer_shape`).
    window_layers, window_tokens : array_like, optional
        Layers that attend to the last so many tokens alone, and how many these are.
    linear_layers : array_like, optional
        Layers whose cost does not grow with the context: linear attention, state spaces.
    kv_width : array_like, optional
        Numbers that latent attention keeps of a token in each layer, in place of the keys and
        values of heads; 0 where these are kept.
    """

    active_parameters: ArrayLike
    attention_factor: ArrayLike = 0.5
    layers: ArrayLike | None = None
    heads: ArrayLike | None = None
    head_dim: ArrayLike | None = None
    window_layers: ArrayLike | None = None
    window_tokens: ArrayLike | None = None
    linear_layers: ArrayLike | None = None
    kv_width: ArrayLike | None = None

    @property
    def dimensions(self) -> tuple[ArrayLike, ArrayLike, ArrayLike]:
        """Layers, heads and width of a head: as given, else scaled.

        Examples
        --------
        >>> [round(float(x), 1) for x in Shape(active_parameters=39e9, layers=80).dimensions]
        [80.0, 48.0, 128.0]
        """
        layers, heads, head_dim = transformer_shape(self.active_parameters)
        return (
            layers if self.layers is None else self.layers,
            heads if self.heads is None else self.heads,
            head_dim if self.head_dim is None else self.head_dim,
        )

    @property
    def windows(self) -> tuple[ArrayLike, ArrayLike] | None:
        """Layers with a window, and its tokens; None where all layers attend to everything."""
        if self.window_layers is None or self.window_tokens is None:
            return None
        return self.window_layers, self.window_tokens

    @property
    def full_layers(self) -> ArrayLike:
        """Layers that attend to everything.

        Examples
        --------
        >>> float(Shape(active_parameters=3e9, layers=48, linear_layers=36).full_layers)
        12.0
        """
        layers = self.dimensions[0]
        others = [self.windows[0]] if self.windows else []
        others += [] if self.linear_layers is None else [self.linear_layers]
        return jnp.maximum(layers - sum(map(jnp.asarray, others)), 0.0) if others else layers

    def flop_per_pair(self, layers: ArrayLike, *, reading: bool) -> ArrayLike:
        """Operations by which one token attends to another in so many layers.

        Notes
        -----
        ``4 L H d``: scores and weighted values. Latent attention reads the input with keys and
        values written out, and generates on what it keeps, as wide for every head (DeepSeek-AI
        2024, arXiv:2405.04434, section 2.1).

        Examples
        --------
        DeepSeek-V3, while it generates and while it reads:

        >>> shape = Shape(active_parameters=37e9, heads=128, head_dim=128, kv_width=576)
        >>> [float(shape.flop_per_pair(1, reading=reading)) for reading in (False, True)]
        [278528.0, 81920.0]
        """
        _, heads, head_dim = self.dimensions
        key = value = head_dim
        if self.kv_width is not None:
            latent, rope = jnp.asarray(self.kv_width) > 0, _ROPE * self.kv_width
            key = jnp.where(latent, head_dim + rope if reading else self.kv_width, key)
            value = jnp.where(latent, head_dim if reading else self.kv_width - rope, value)
        return FLOP_PER_WIDTH * layers * heads * (key + value)


@dataclass(frozen=True, kw_only=True)
class Transformer(Shape):
    """A transformer with what it keeps in memory.

    Attributes
    ----------
    total_parameters, moe_ratio : array_like, optional
        Of a mixture of experts: parameters in all, or their ratio to the active ones. Dense where
        neither is given.
    shared_parameters : array_like, optional
        Parameters that every token uses, as published.
    experts, experts_per_token : array_like, optional
        Routed experts of a layer, and those that one token uses.
    kv_heads : array_like, optional
        Key-value heads; scaled from `active_parameters` where not given.
    kv_bytes_per_value : array_like
        Bytes of one number of the KV cache.
    state_bytes : array_like
        Bytes that linear layers keep of one sequence, all of them together.
    model_width : array_like, optional
        Numbers that stand for a token between layers; ``heads * head_dim`` where 0 or not given.
    """

    total_parameters: ArrayLike | None = None
    moe_ratio: ArrayLike | None = None
    shared_parameters: ArrayLike | None = None
    experts: ArrayLike | None = None
    experts_per_token: ArrayLike | None = None
    kv_heads: ArrayLike | None = None
    kv_bytes_per_value: ArrayLike = 2.0
    state_bytes: ArrayLike = 0.0
    model_width: ArrayLike | None = None

    @property
    def stored_parameters(self) -> ArrayLike:
        """Parameters in all: as given, else from their ratio to the active ones, else the same.

        Examples
        --------
        >>> Transformer(active_parameters=37e9, moe_ratio=10.0).stored_parameters
        370000000000.0
        """
        if self.total_parameters is not None:
            return self.total_parameters
        return self.active_parameters * (1.0 if self.moe_ratio is None else self.moe_ratio)


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
    long-input calculation.

    Examples
    --------
    >>> [round(float(x), 1) for x in transformer_shape(100e9)]
    [76.6, 56.2, 149.7]
    """
    scale = jnp.asarray(active_parameters) / _ACTIVE
    return _LAYERS * scale ** (1 / 3), _HEADS * scale ** (1 / 6), _HEAD_DIM * scale ** (1 / 6)


def kv_bytes_per_token(
    transformer: Transformer, *, keeping_layers: ArrayLike | None = None
) -> ArrayLike:
    """Memory that the keys and values of one token take in the cache.

    Parameters
    ----------
    transformer : Transformer
    keeping_layers : array_like, optional
        Layers to count; all that keep anything where not given.

    Returns
    -------
    array_like
        Bytes; a layer with a window keeps as many tokens as that.

    Notes
    -----
    ``2 L kv_heads d_head bytes``: Pope et al. (2023), Efficiently scaling transformer inference,
    arXiv:2211.05102, section 2. Latent attention keeps `kv_width` numbers in each layer.

    Examples
    --------
    Llama 3.1 70B keeps 320 KiB of each token in 16 bits, and DeepSeek-V3 69:

    >>> llama = Transformer(active_parameters=70.6e9, layers=80, head_dim=128, kv_heads=8)
    >>> deepseek = Transformer(active_parameters=37e9, layers=61, kv_width=576)
    >>> [float(kv_bytes_per_token(model)) / 1024 for model in (llama, deepseek)]
    [320.0, 68.625]
    """
    layers = keeping_layers
    if layers is None:
        layers = transformer.full_layers
        if transformer.windows:
            layers = layers + transformer.windows[0]
    heads, latent = transformer.kv_heads, transformer.kv_width
    if heads is None:
        heads = _KV_HEADS * (jnp.asarray(transformer.active_parameters) / _ACTIVE) ** (1 / 6)
    width = 2 * heads * transformer.dimensions[2]
    if latent is not None:
        width = jnp.where(jnp.asarray(latent) > 0, latent, width)
    return layers * width * transformer.kv_bytes_per_value


def shared_part(transformer: Transformer) -> ArrayLike:
    """Parameters that every token uses, from 0 to `active_parameters`.

    Parameters
    ----------
    transformer : Transformer

    Returns
    -------
    array_like

    Notes
    -----
    With E experts of which k serve a token, ``active = shared + k e`` and ``total = shared + E e``,
    so ``shared = (active - (k/E) total) / (1 - k/E)``. Where neither is known, 30 % of the active
    ones.

    Examples
    --------
    >>> mixtral = Transformer(
    ...     active_parameters=39.1e9, total_parameters=140.6e9, experts=8, experts_per_token=2
    ... )
    >>> f"{float(shared_part(mixtral)):.3g}"
    '5.27e+09'
    """
    active = transformer.active_parameters
    if transformer.shared_parameters is not None:
        return transformer.shared_parameters
    if transformer.experts is None or transformer.experts_per_token is None:
        return _SHARED * active
    share = jnp.asarray(transformer.experts_per_token) / transformer.experts
    # Where all experts serve each token the rest is 0: divide by 1 there, so that the slope that
    # `where` discards is finite too.
    rest = jnp.where(share < 1, 1 - share, 1.0)
    implied = (active - share * transformer.stored_parameters) / rest
    return jnp.where(share < 1, jnp.clip(implied, 0, active), active)


def routed_share(transformer: Transformer) -> Array:
    """Share of the experts that one token uses, ``k/E``, from 0 to 1 (dense).

    Examples
    --------
    >>> mixtral = dict(active_parameters=39.1e9, total_parameters=140.6e9)
    >>> round(float(routed_share(Transformer(**mixtral, shared_parameters=5.27e9))), 3)
    0.25
    """
    shared = jnp.asarray(shared_part(transformer))
    routed = transformer.stored_parameters - shared
    some = jnp.where(routed > 0, routed, 1.0)  # for a finite slope, as in `shared_part`
    used = jnp.clip((transformer.active_parameters - shared) / some, 0, 1)
    return jnp.where(routed > 0, used, 1.0)


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
    some = jnp.where(share < 1, share, 0.5)  # for a finite slope, as in `shared_part`
    # Digits are kept where one token uses few experts, hence expm1 and log1p.
    return jnp.where(share < 1, -jnp.expm1(tokens * jnp.log1p(-some)), 1.0)

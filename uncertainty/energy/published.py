"""Energy as somebody published it, to compare others with."""

from uncertainty.arrays import ArrayLike
from uncertainty.energy.model import by_name, model_from_callable
from uncertainty.inputs import Output


def published(*, published_wh: ArrayLike) -> dict[str, ArrayLike]:
    """Energy of one query as a published figure has it.

    Parameters
    ----------
    published_wh : array_like
        Wh, what surrounds the machines included.

    Returns
    -------
    dict of str to array_like
        Shape (): ``energy_wh``, the same.

    Notes
    -----
    What is compared stands at one boundary, the facility: a figure of accelerators alone is to be
    multiplied by what surrounds them first. Source: that of the figure.

    Examples
    --------
    >>> published(published_wh=0.3)
    {'energy_wh': 0.3}
    """
    return {"energy_wh": published_wh}


PUBLISHED = model_from_callable(
    by_name(published), outputs=(Output("energy_wh", "Wh", "energy of one query", "facility"),)
)
"""The model ``published``, as `ENERGY_MODELS` holds it."""

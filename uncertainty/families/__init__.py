"""Distribution families over a standard normal score, in `jax.numpy`: an explicit registry."""

from types import MappingProxyType

from uncertainty.families.beta import BETA, PERT
from uncertainty.families.closed import FIXED, LOGNORMAL, LOGUNIFORM, NORMAL, TRIANGULAR, UNIFORM
from uncertainty.families.kernel import Kernel, Params, score_of, tails
from uncertainty.families.mixture import Part, choice_quantile, mixture_quantile, mixture_score

__all__ = [
    "FAMILIES",
    "Kernel",
    "Params",
    "Part",
    "choice_quantile",
    "mixture_quantile",
    "mixture_score",
    "score_of",
    "tails",
]

FAMILIES = MappingProxyType(
    {
        "fixed": FIXED,
        "uniform": UNIFORM,
        "loguniform": LOGUNIFORM,
        "normal": NORMAL,
        "lognormal": LOGNORMAL,
        "beta": BETA,
        "triangular": TRIANGULAR,
        "pert": PERT,
    }
)
"""Kernels by the name that files use; mixtures and choices are made of them."""

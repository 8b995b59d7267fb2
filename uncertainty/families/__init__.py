"""Distribution families over a standard normal score, in `jax.numpy`: an explicit registry."""

from types import MappingProxyType

from uncertainty.families.beta import BETA, PERT
from uncertainty.families.choice import CHOICE
from uncertainty.families.closed import (
    ARCSINE,
    FIXED,
    LOGNORMAL,
    LOGUNIFORM,
    NORMAL,
    TRIANGULAR,
    UNIFORM,
)
from uncertainty.families.gamma import GAMMA
from uncertainty.families.inverse import Inverse, invert_density, invert_score
from uncertainty.families.kernel import Fields, Kernel, Params, just_below, score_of, tails
from uncertainty.families.mixture import mixture_quantile, mixture_score
from uncertainty.families.points import EMPIRICAL, QUANTILES
from uncertainty.families.student import STUDENT_T
from uncertainty.families.table import resolved
from uncertainty.families.waiting import EXPONENTIAL, WEIBULL

__all__ = [
    "FAMILIES",
    "Fields",
    "Inverse",
    "Kernel",
    "Params",
    "invert_density",
    "invert_score",
    "just_below",
    "mixture_quantile",
    "mixture_score",
    "resolved",
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
        "gamma": GAMMA,
        "student_t": STUDENT_T,
        "exponential": EXPONENTIAL,
        "weibull": WEIBULL,
        "triangular": TRIANGULAR,
        "pert": PERT,
        "arcsine": ARCSINE,
        "quantiles": QUANTILES,
        "empirical": EMPIRICAL,
        "choice": CHOICE,
    }
)
"""Kernels by the name that files use; mixtures are made of them."""

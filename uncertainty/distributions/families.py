"""Distribution families over a standard normal score, in `jax.numpy`: an explicit registry."""

from types import MappingProxyType

from uncertainty.distributions.beta import BETA, PERT
from uncertainty.distributions.closed import (
    ARCSINE,
    CHOICE,
    EXPONENTIAL,
    FIXED,
    LOGNORMAL,
    LOGUNIFORM,
    NORMAL,
    TRIANGULAR,
    UNIFORM,
    WEIBULL,
)
from uncertainty.distributions.gamma import GAMMA
from uncertainty.distributions.points import EMPIRICAL, QUANTILES
from uncertainty.distributions.student import STUDENT_T

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

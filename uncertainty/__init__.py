"""Uncertainty analysis of the energy of LLM queries: priors in files, models in JAX.

Names load when first used, so that importing the package is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uncertainty.comparison import check_ledger as check_ledger
    from uncertainty.comparison import compare as compare
    from uncertainty.comparison import explain as explain
    from uncertainty.comparison import summarize_scenarios as summarize_scenarios
    from uncertainty.comparison import sweep as sweep
    from uncertainty.energy import ENERGY_MODELS as ENERGY_MODELS
    from uncertainty.errors import Fault as Fault
    from uncertainty.errors import InputError as InputError
    from uncertainty.errors import UncertaintyError as UncertaintyError
    from uncertainty.files import Priors as Priors
    from uncertainty.files import import_measurements as import_measurements
    from uncertainty.files import import_usage as import_usage
    from uncertainty.files import load_priors as load_priors
    from uncertainty.inference import check_fit as check_fit
    from uncertainty.inference import check_prior as check_prior
    from uncertainty.inference import compare_fits as compare_fits
    from uncertainty.inference import export_priors as export_priors
    from uncertainty.inference import infer as infer
    from uncertainty.inference import predict as predict
    from uncertainty.inference import score as score
    from uncertainty.inference import update as update
    from uncertainty.problem import Problem as Problem
    from uncertainty.problem import build_problem as build_problem
    from uncertainty.report import write_assumptions as write_assumptions
    from uncertainty.report import write_comparison as write_comparison
    from uncertainty.report import write_explanation as write_explanation
    from uncertainty.report import write_fits as write_fits
    from uncertainty.report import write_posterior as write_posterior
    from uncertainty.report import write_provenance as write_provenance
    from uncertainty.report import write_ranking as write_ranking
    from uncertainty.report import write_report as write_report
    from uncertainty.report import write_scenarios as write_scenarios
    from uncertainty.report import write_scores as write_scores
    from uncertainty.report import write_sweep as write_sweep
    from uncertainty.results import exceedance as exceedance
    from uncertainty.results import load as load
    from uncertainty.results import save as save
    from uncertainty.results import share_per_query as share_per_query
    from uncertainty.results import summarize as summarize
    from uncertainty.sampling import simulate as simulate
    from uncertainty.sampling import stream as stream
    from uncertainty.sampling import summarize_inputs as summarize_inputs
    from uncertainty.sensitivity import plan_measurements as plan_measurements
    from uncertainty.sensitivity import rank_inputs as rank_inputs

_ROOMS = {
    "comparison": ("check_ledger", "compare", "explain", "summarize_scenarios", "sweep"),
    "energy": ("ENERGY_MODELS",),
    "errors": ("Fault", "InputError", "UncertaintyError"),
    "files": ("Priors", "import_measurements", "import_usage", "load_priors"),
    "inference": (
        "check_fit", "check_prior", "compare_fits", "export_priors", "infer", "predict", "score",
        "update",
    ),
    "problem": ("Problem", "build_problem"),
    "report": (
        "write_assumptions", "write_comparison", "write_explanation", "write_fits",
        "write_posterior", "write_provenance", "write_ranking", "write_report", "write_scenarios",
        "write_scores", "write_sweep",
    ),
    "results": ("exceedance", "load", "save", "share_per_query", "summarize"),
    "sampling": ("simulate", "stream", "summarize_inputs"),
    "sensitivity": ("plan_measurements", "rank_inputs"),
}  # fmt: skip
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_ROOM_OF)  # kept in one place


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        from uncertainty.errors import DISTRIBUTION

        return version(DISTRIBUTION)
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'uncertainty' has no attribute {name!r}")
    return getattr(import_module(f"uncertainty.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__

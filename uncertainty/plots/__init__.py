"""Datasets to figures: no mathematics, and nothing is saved here."""

from uncertainty.plots.assumptions import plot_assumptions
from uncertainty.plots.components import plot_components
from uncertainty.plots.distribution import plot_distribution
from uncertainty.plots.posterior import plot_fit, plot_fits, plot_movement, plot_updated
from uncertainty.plots.ranking import plot_ranking
from uncertainty.plots.ranks import plot_interactions, plot_rank_chances, plot_shares
from uncertainty.plots.scenarios import plot_scenarios
from uncertainty.plots.style import STATISTIC_LABELS, fit_labels, plain_text, quantity_label
from uncertainty.plots.sweep import plot_sweep
from uncertainty.plots.waterfall import plot_waterfall

__all__ = [
    "STATISTIC_LABELS",
    "fit_labels",
    "plain_text",
    "plot_assumptions",
    "plot_components",
    "plot_distribution",
    "plot_fit",
    "plot_fits",
    "plot_interactions",
    "plot_movement",
    "plot_rank_chances",
    "plot_ranking",
    "plot_scenarios",
    "plot_shares",
    "plot_sweep",
    "plot_updated",
    "plot_waterfall",
    "quantity_label",
]

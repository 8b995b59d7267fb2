"""Datasets to figures: no mathematics, and nothing is saved here."""

from uncertainty.report.figures.assumptions import plot_assumptions
from uncertainty.report.figures.comparison import plot_scenarios, plot_sweep, plot_waterfall
from uncertainty.report.figures.distribution import plot_components, plot_distribution
from uncertainty.report.figures.posterior import plot_fit, plot_fits, plot_movement, plot_updated
from uncertainty.report.figures.ranking import (
    plot_interactions,
    plot_rank_chances,
    plot_ranking,
    plot_shares,
)
from uncertainty.report.figures.style import (
    STATISTIC_LABELS,
    fit_labels,
    plain_text,
    quantity_label,
)

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

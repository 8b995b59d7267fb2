"""Datasets to figures: no mathematics, and nothing is saved here."""

from uncertainty.report.figures.draws import (
    plot_assumptions,
    plot_components,
    plot_distribution,
    plot_fit,
    plot_fits,
    plot_movement,
    plot_updated,
)
from uncertainty.report.figures.style import (
    STATISTIC_LABELS,
    boundary_words,
    fit_labels,
    plain_text,
    quantity_label,
    rounded,
)
from uncertainty.report.figures.tables import (
    plot_interactions,
    plot_rank_chances,
    plot_ranking,
    plot_scenarios,
    plot_shares,
    plot_sweep,
    plot_waterfall,
)

__all__ = [
    "STATISTIC_LABELS", "boundary_words", "fit_labels", "plain_text", "plot_assumptions",
    "plot_components", "plot_distribution", "plot_fit", "plot_fits", "plot_interactions",
    "plot_movement", "plot_rank_chances", "plot_ranking", "plot_scenarios", "plot_shares",
    "plot_sweep", "plot_updated", "plot_waterfall", "quantity_label", "rounded",
]  # fmt: skip

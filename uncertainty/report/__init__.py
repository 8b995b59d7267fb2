"""How it is told: the parts of a page, and their files."""

from uncertainty.report.comparison import (
    comparison_parts,
    comparison_record,
    scenario_parts,
    scenario_record,
    write_comparison,
    write_explanation,
    write_scenarios,
    write_sweep,
)
from uncertainty.report.pages import write_document
from uncertainty.report.parts import (
    Data,
    Doubts,
    Figure,
    Heading,
    Notes,
    Part,
    Sentence,
    Table,
    items_of,
    rows_of,
    sentences_of,
    write,
)
from uncertainty.report.posterior import posterior_parts, write_fits, write_posterior, write_scores
from uncertainty.report.ranking import ranking_parts, ranking_record, rankings_parts, write_ranking
from uncertainty.report.result import (
    check_parts,
    notices_of,
    parts,
    record,
    write_assumptions,
    write_provenance,
    write_report,
)

__all__ = [
    "Data", "Doubts", "Figure", "Heading", "Notes", "Part", "Sentence", "Table", "check_parts",
    "comparison_parts", "comparison_record", "items_of", "notices_of", "parts",
    "posterior_parts", "ranking_parts",
    "ranking_record", "rankings_parts", "record", "rows_of", "scenario_parts",
    "scenario_record", "sentences_of", "write", "write_assumptions", "write_comparison",
    "write_document", "write_explanation", "write_fits", "write_posterior", "write_provenance",
    "write_ranking",
    "write_report", "write_scenarios", "write_scores", "write_sweep",
]  # fmt: skip

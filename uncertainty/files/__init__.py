"""What the user wrote: files to frozen objects; the only room that reads them."""

from uncertainty.files.assumptions import (
    Assumption,
    Correlation,
    Expression,
    Law,
    Layer,
    Number,
    Resolution,
    names_in,
    parse_expression,
)
from uncertainty.files.catalogue import KINDS, catalogue
from uncertainty.files.document import Key, parse_yaml, yaml_text
from uncertainty.files.entries import (
    MULTIPLYING,
    NO_NAME,
    AssumptionEntry,
    Measurement,
    Term,
    read_ledger,
)
from uncertainty.files.evidence import (
    Evidence,
    Row,
    conditions_of,
    evidence_in,
    group_of_row,
    measurement_in,
    read_evidence,
)
from uncertainty.files.families import Reference, Scalar, hint_for_number
from uncertainty.files.json_schema import json_schemas
from uncertainty.files.library import (
    LOADED_AS,
    InputFile,
    Place,
    file_of_function,
    find_file,
    shipped_folder,
    shipped_names,
    shown_path,
    source_keys,
    sources,
)
from uncertainty.files.logs import import_measurements, import_usage, rows_of_usage
from uncertainty.files.logs.conditions import RowsLike, read_rows, read_runs
from uncertainty.files.priors import (
    EFFECT,
    GIVEN,
    Priors,
    correlation_matrix,
    given_layer,
    load_priors,
    model_of_text,
    resolve,
)
from uncertainty.files.starter import starting_file

__all__ = [
    "EFFECT", "GIVEN", "KINDS", "LOADED_AS", "MULTIPLYING", "NO_NAME", "Assumption",
    "AssumptionEntry", "Correlation", "Evidence", "Expression", "InputFile", "Key", "Law", "Layer",
    "Measurement", "Number", "Place", "Priors", "Reference", "Resolution", "Row", "RowsLike",
    "Scalar", "Term", "catalogue", "conditions_of", "correlation_matrix", "evidence_in",
    "file_of_function", "find_file", "given_layer", "group_of_row", "hint_for_number",
    "import_measurements", "import_usage", "json_schemas", "load_priors", "measurement_in",
    "model_of_text", "names_in", "parse_expression", "parse_yaml", "read_evidence", "read_ledger",
    "read_rows", "read_runs", "resolve", "rows_of_usage", "shipped_folder", "shipped_names",
    "shown_path", "source_keys", "sources", "starting_file", "yaml_text",
]  # fmt: skip

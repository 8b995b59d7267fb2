"""What the user wrote: files to frozen objects; the only room that reads them."""

from uncertainty.files.assumptions import Assumption, Correlation, Law, Number, Resolution
from uncertainty.files.catalogue import KINDS, catalogue
from uncertainty.files.claims import Claim, Term, Today, read_ledger
from uncertainty.files.correlations import correlation_matrix
from uncertainty.files.document import Key, parse_yaml, yaml_text
from uncertainty.files.evidence import (
    MULTIPLYING,
    Evidence,
    Measurement,
    Row,
    conditions_of,
    group_of_row,
    read_evidence,
    stated_evidence,
    stated_measurement,
)
from uncertainty.files.expressions import Expression, names_in, parse_expression
from uncertainty.files.functions import LOADED_AS, file_of_function, model_of_text
from uncertainty.files.json_schema import json_schemas
from uncertainty.files.layers import Layer
from uncertainty.files.library import (
    InputFile,
    Place,
    find_file,
    shipped_folder,
    shipped_names,
    shown_path,
    source_keys,
    sources,
)
from uncertainty.files.priors import GIVEN, Priors, given_layer, load_priors
from uncertainty.files.resolve import resolve
from uncertainty.files.schema import NO_NAME, AssumptionEntry
from uncertainty.files.starter import starting_file
from uncertainty.files.values import Reference, Scalar, hint_for_number

__all__ = [
    "GIVEN",
    "KINDS",
    "LOADED_AS",
    "MULTIPLYING",
    "NO_NAME",
    "Assumption",
    "AssumptionEntry",
    "Claim",
    "Correlation",
    "Evidence",
    "Expression",
    "InputFile",
    "Key",
    "Law",
    "Layer",
    "Measurement",
    "Number",
    "Place",
    "Priors",
    "Reference",
    "Resolution",
    "Row",
    "Scalar",
    "Term",
    "Today",
    "catalogue",
    "conditions_of",
    "correlation_matrix",
    "file_of_function",
    "find_file",
    "given_layer",
    "group_of_row",
    "hint_for_number",
    "json_schemas",
    "load_priors",
    "model_of_text",
    "names_in",
    "parse_expression",
    "parse_yaml",
    "read_evidence",
    "read_ledger",
    "resolve",
    "shipped_folder",
    "shipped_names",
    "shown_path",
    "source_keys",
    "sources",
    "starting_file",
    "stated_evidence",
    "stated_measurement",
    "yaml_text",
]

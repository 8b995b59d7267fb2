"""Files to frozen objects: the only room that reads what users write."""

from uncertainty.spec.assumptions import Assumption, Correlation, Law, Number, Resolution
from uncertainty.spec.catalogue import KINDS, catalogue
from uncertainty.spec.correlations import correlation_matrix
from uncertainty.spec.document import Key, parse_yaml
from uncertainty.spec.evidence import (
    MULTIPLYING,
    Evidence,
    Measurement,
    evidence_names,
    read_evidence,
    stated_evidence,
    stated_measurement,
)
from uncertainty.spec.expressions import Expression, names_in, parse_expression
from uncertainty.spec.families import FAMILY_CLASSES
from uncertainty.spec.functions import LOADED_AS, file_of_function, load_function, model_of_text
from uncertainty.spec.hints import hint_for_number
from uncertainty.spec.json_schema import catalogue_schema, evidence_schema, prior_schema
from uncertainty.spec.layers import Layer
from uncertainty.spec.ledger import Claim, Term, Today, read_ledger
from uncertainty.spec.library import (
    InputFile,
    Place,
    find_file,
    shipped_folder,
    shipped_names,
    shown_path,
    source_keys,
    sources,
)
from uncertainty.spec.priors import GIVEN, Priors, given_layer, load_priors
from uncertainty.spec.resolve import resolve
from uncertainty.spec.rows import OBSERVED, Row, conditions_of, group_of_row
from uncertainty.spec.schema import NO_NAME, AssumptionEntry
from uncertainty.spec.starter import starting_file
from uncertainty.spec.validation import nearest
from uncertainty.spec.values import Reference, Scalar

__all__ = [
    "FAMILY_CLASSES",
    "GIVEN",
    "KINDS",
    "LOADED_AS",
    "MULTIPLYING",
    "NO_NAME",
    "OBSERVED",
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
    "catalogue_schema",
    "conditions_of",
    "correlation_matrix",
    "evidence_names",
    "evidence_schema",
    "file_of_function",
    "find_file",
    "given_layer",
    "group_of_row",
    "hint_for_number",
    "load_function",
    "load_priors",
    "model_of_text",
    "names_in",
    "nearest",
    "parse_expression",
    "parse_yaml",
    "prior_schema",
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
]

"""JSON Schema of the file formats, for editors: generated from the classes that check files."""

from collections.abc import Iterator

from pydantic import BaseModel

from uncertainty.files.catalogue import KINDS, catalogue
from uncertainty.files.evidence import EvidenceFile
from uncertainty.files.families import JsonSchema
from uncertainty.files.schema import CatalogueFile, FileEntry
from uncertainty.files.values import TEXT_SCHEMA

Schema = dict[str, JsonSchema]
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def prior_schema() -> Schema:
    """Schema of prior files.

    Examples
    --------
    >>> sorted(prior_schema()["required"])
    ['schema']
    """
    schema = _schema(FileEntry, "A prior file of uncertainty, format 1")
    properties = _inside(schema, "properties")
    entry = _inside(properties, "assumptions", "additionalProperties")
    short: list[JsonSchema] = [entry, {**TEXT_SCHEMA}]
    assumptions = _inside(properties, "assumptions")
    assumptions["additionalProperties"] = {"anyOf": short}
    assumptions["properties"] = dict(_bundles(entry))
    scenario = _inside(properties, "scenarios", "additionalProperties")
    scenario["additionalProperties"] = {"anyOf": short}
    scenario["properties"] = dict(_bundles(entry))
    return schema


def evidence_schema() -> Schema:
    """Schema of evidence files."""
    schema = _schema(EvidenceFile, "Measurements for uncertainty, format 1")
    assumptions = _inside(schema, "properties", "assumptions")
    assumptions["additionalProperties"] = {
        "anyOf": [assumptions["additionalProperties"], {**TEXT_SCHEMA}]
    }
    return schema


def catalogue_schema() -> Schema:
    """Schema of catalogue files."""
    return _schema(CatalogueFile, "A catalogue of uncertainty, format 1")


def _schema(kind: type[BaseModel], title: str) -> Schema:
    found = _pruned(kind.model_json_schema())
    assert isinstance(found, dict)
    return {"$schema": _DRAFT, "title": title, **found}


def _inside(schema: Schema, *keys: str) -> Schema:
    for key in keys:
        inner = schema[key]
        assert isinstance(inner, dict)
        schema = inner
    return schema


def _bundles(entry: Schema) -> Iterator[tuple[str, JsonSchema]]:
    """Catalogue names, which stand where an assumption could."""
    for kind in KINDS:
        names: list[JsonSchema] = [*catalogue(kind)]
        text = f"a name of the {kind} catalogue"
        other: Schema = {**entry, "not": _fixed_name({"type": "string"})}
        named: list[JsonSchema] = [{"enum": names}, _fixed_name({"enum": names}), other]
        named.append(_choice_of(names))
        yield kind, {"description": text, "anyOf": named}


def _choice_of(names: list[JsonSchema]) -> Schema:
    options: Schema = {"type": "array", "items": {"enum": names}, "minItems": 2}
    choice: Schema = {"type": "object", "properties": {"options": options}, "required": ["options"]}
    return {"type": "object", "properties": {"choice": choice}, "required": ["choice"]}


def _fixed_name(name: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {"fixed": name},
        "required": ["fixed"],
        "additionalProperties": False,
    }


def _pruned(node: JsonSchema, *, names: bool = False) -> JsonSchema:
    """Drop what tells an editor nothing: generated titles, stand-in defaults, null."""
    if isinstance(node, list):
        return [_pruned(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _pruned(value, names=key in {"properties", "$defs"})
        for key, value in node.items()
        if names or key not in {"title", "default"}
    }
    return kept if names else _named(_without_null(kept))


def _without_null(node: Schema) -> Schema:
    options = node.get("anyOf")
    if not isinstance(options, list) or {"type": "null"} not in options:
        return node
    rest = [option for option in options if option != {"type": "null"}]
    del node["anyOf"]
    only = rest[0] if len(rest) == 1 else {"anyOf": rest}
    assert isinstance(only, dict)
    return {**only, **node}


def _named(node: Schema) -> Schema:
    """Write a mapping with checked names so that single names may be excepted."""
    patterns = node.get("patternProperties")
    if not isinstance(patterns, dict) or "additionalProperties" in node:
        return node
    [(pattern, value)] = patterns.items()
    del node["patternProperties"]
    return {**node, "propertyNames": {"pattern": pattern}, "additionalProperties": value}

"""Where a mapping file puts the fields of an operation, those of nested records included."""

from __future__ import annotations

from collections.abc import Iterator

from ..operations import OPERATIONS, is_record, record_fields
from .mapping import ContractMapping, FieldPaths
from .paths import ElementPath


def request_places(mapping: ContractMapping, operation: str) -> Iterator[tuple[str, ElementPath]]:
    """What a request holds and where: fields (``holder.surname``), constants in quotes."""
    spelled = mapping.operation(operation)
    for constants in (spelled.constants, *spelled.when.values()):
        for path, text in constants.items():
            yield f'"{text}"', path
    yield from _placed(mapping, operation, OPERATIONS[operation].request, spelled.request)


def response_places(mapping: ContractMapping, operation: str) -> Iterator[tuple[str, ElementPath]]:
    """What is read in an answer and where: ``products.structure.name``."""
    spelled = mapping.operation(operation)
    yield from _placed(mapping, operation, OPERATIONS[operation].response, spelled.response)


def _placed(
    mapping: ContractMapping, operation: str, record: type, paths: FieldPaths
) -> Iterator[tuple[str, ElementPath]]:
    kinds = record_fields(record)
    for name, several in paths.items():
        field = kinds[name.partition(".")[0]]
        for path in several:
            if not is_record(field.kind):
                yield name, path
                continue
            nested = mapping.record(operation, field.kind)
            for inner, below in _placed(mapping, operation, field.kind, nested):
                steps = (*path.steps, *below.steps)
                yield f"{name}.{inner}", ElementPath(steps, below.attribute, len(steps) - 1)

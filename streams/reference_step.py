"""The step of records that say what events are judged by, and who may publish, on their way into the ledger. Pure.

Versions of companies, of the registry and of publishers' keys: their topics are compacted, so the records have no
receipts; what cannot be read goes to `rejected` like any other record.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from brokers.batches import Record, cut_of, weight
from schemas.company import CompanyVersion, read_company
from schemas.faults import Fault, fault
from schemas.keys import KeyVersion, read_key
from schemas.ledger import CompanyRow, KeyRow, RegistryRow
from schemas.registry_document import Registry, read_registry
from streams.decide import Batch, PartitionInfo, reject

_Version = TypeVar("_Version")


def process_companies(place: PartitionInfo, records: Sequence[Record], condemned: Mapping[int, str]) -> Batch:
    """Decide on records of one partition of the register.

    Args:
        place: where the records are.
        records: consecutive records of that partition.
        condemned: offset -> fault code of records that cannot be processed or stored.
    """
    batch, found = _process(place, records, condemned, read_company_record)
    batch.rows.companies += [CompanyRow(version, known_at) for version, known_at in found]
    return batch


def process_registry(place: PartitionInfo, records: Sequence[Record], condemned: Mapping[int, str]) -> Batch:
    """Decide on records of one partition of the registry's topic; as `process_companies`."""
    batch, found = _process(place, records, condemned, read_registry_record)
    batch.rows.registries += [RegistryRow(version, known_at) for version, known_at in found]
    return batch


def process_keys(place: PartitionInfo, records: Sequence[Record], condemned: Mapping[int, str]) -> Batch:
    """Decide on records of one partition of the topic of keys; as `process_companies`."""
    batch, found = _process(place, records, condemned, _read_key_record)
    batch.rows.keys += [KeyRow(version, known_at) for version, known_at in found]
    return batch


def read_company_record(record: Record) -> CompanyVersion | list[Fault]:
    """What a record of the register says, or all that is wrong with it; for the ledger and the register in memory."""
    return _cut(record) or read_company(record.key, record.value, record.timestamp)


def read_registry_record(record: Record) -> Registry | list[Fault]:
    """What a record of the registry's topic says, or what is wrong with it; for the ledger and for decisions."""
    return _cut(record) or read_registry(record.key, record.value, record.timestamp)


def _read_key_record(record: Record) -> KeyVersion | list[Fault]:
    return _cut(record) or read_key(record.key, record.value, record.timestamp)


def _cut(record: Record) -> list[Fault]:
    cut = cut_of(record)
    return [] if cut is None else [fault("", cut.code, cut.value)]


def _process(
    place: PartitionInfo,
    records: Sequence[Record],
    condemned: Mapping[int, str],
    read: Callable[[Record], _Version | list[Fault]],
) -> tuple[Batch, list[tuple[_Version, int]]]:
    """The batch with what is rejected, and the versions with the time of their record."""
    batch = Batch(weight=sum(map(weight, records)))
    found: list[tuple[_Version, int]] = []
    for record in records:
        reason = condemned.get(record.offset)
        version = read(record) if reason is None else [fault("", reason)]
        if isinstance(version, list):
            reject(batch, place, record, version)
        else:
            found.append((version, record.timestamp))
    return batch, found

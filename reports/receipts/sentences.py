"""An answer in words, for people: one sentence, or a few, that say what became of it and what to do."""

from datetime import datetime

from reports.receipts.answer_model import Answer, CountedAs, Rejected, Version
from schemas.classifications import UNKNOWN
from schemas.counts import counted, one_or_many
from schemas.event_time import COPENHAGEN
from schemas.faults import CODES, Fault
from schemas.indicators import HELPED, LABELS


def sentence(answer: Answer) -> str:
    """What became of an event or an activity. Texts of others in it are as they came."""
    what = f"Event {answer.event_id}" if answer.event_id is not None else f"Activity {answer.activity_id}"
    if answer.version is not None:
        return " ".join(_in_ledger(what, answer, answer.version))
    match answer.state:
        case "waiting" if answer.unread:
            said = [f"{what} is not counted yet: records wait to be read. Ask again in a minute."]
        case "waiting":
            said = [f"{what} is not in the ledger: it was not received, or has not been read yet."]
        case "unknown":
            said = [
                f"{what} is not in the ledger, and everything that was received has been read.",
                "Send it, or ask for it by the id that it was sent with. Rejected events are kept for 90 days.",
            ]
        case _:
            said = [f"{what} was rejected and does not count.", *map(_rejected, answer.rejected[:1])]
    return " ".join(said)


def _in_ledger(what: str, answer: Answer, version: Version) -> list[str]:
    by = answer.by
    if answer.state == "duplicate":
        first = f"{what} repeats event {version.event_id}, which was received {_at(_arrived(version))}."
    elif answer.state == "corrected" and by is not None:
        first = f"{what} was accepted; event {by.event_id}, received {_at(_arrived(by))}, corrects it."
    elif answer.state == "retracted":
        last = by or version
        first = f"{what} was retracted by event {last.event_id}, received {_at(_arrived(last))}: it does not count."
    elif version.retracts:
        first = f"{what} was accepted: it retracts activity {answer.activity_id}, which does not count."
    else:
        first = f"{what} was accepted {_at(_arrived(version))}."
    said = [first]
    if answer.counted is not None:
        said.append(_counts(answer.counted, by or version))
    elif answer.state == "duplicate":
        said.append(f"Its activity was retracted by event {(by or version).event_id}: it does not count.")
    if waiting := sum(one.is_open for one in answer.rejected):
        said.append(
            f"{counted(waiting, 'rejected record')} about it {one_or_many(waiting, 'waits', 'wait')} for somebody."
        )
    return said


def _counts(found: CountedAs, newest: Version) -> str:
    name = f"{found.name} (CVR {found.company})" if found.name else f"CVR {found.company}"
    merged = f", into which CVR {newest.company} was merged" if found.company != newest.company else ""
    if found.kind == "other":
        what = "a public body or institution: these are counted apart from companies"
    elif not found.in_register:
        what = "which the register lacks: its size is unknown"
    elif found.size_band == UNKNOWN:
        what = "whose size is unknown"
    else:
        what = f"with {found.size_band} employees"
    figures = [
        LABELS[HELPED],
        *(f"{LABELS[name]} (reported)" for name in found.reported),
        *(f"{LABELS[name]} (derived)" for name in found.derived),
    ]
    return f"It counts in {found.year}, with its day {found.day}, in {'; '.join(figures)}; for {name}{merged}, {what}."


def _rejected(one: Rejected) -> str:
    faults = "; ".join(map(_fault, one.faults))
    match one.closed:
        case "replayed":
            then = "An operator has sent it again."
        case "discarded":
            then = "An operator has closed it: nothing is to be done."
        case "judged_again":
            then = "It has been judged again since."
        case _ if one.superseded:
            then = "Another event of its activity was accepted after it."
        case _:
            then = "Fix it and send it again."
    return f"What is wrong, as received {_at(one.record.log_time)}: {faults}. {then}"


def _fault(one: Fault) -> str:
    value = f" ({one.value})" if one.value else ""
    return f"{one.field or 'the record'}{value}: {CODES.get(one.code, one.code)}"


def _arrived(version: Version) -> datetime:
    return version.records[0].log_time if version.records else version.known_at


def _at(instant: datetime) -> str:
    """Danish time, to the minute."""
    return f"on {instant.astimezone(COPENHAGEN):%Y-%m-%d at %H:%M}"

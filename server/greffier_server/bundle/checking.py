"""A stored session held against its hash chain, where it lies: in the store and the journal."""

import asyncio

from greffier_server.bundle.heads import Known
from greffier_server.bundle.verify import Finding, LogCheck, Report, check_audio
from greffier_server.core.events import Recorded
from greffier_server.core.records import MalformedRecord, encode_record
from greffier_server.errors import SessionNotFound, StorageFailed
from greffier_server.pipeline.read_back import locate_audio
from greffier_server.storage.failures import StorageUnavailable
from greffier_server.storage.journal import AudioJournal
from greffier_server.storage.store import SessionRow, SessionStore
from greffier_server.transport.frames import closing

__all__ = ["check_session"]

_BATCH = 256


async def check_session(
    store: SessionStore,
    journal: AudioJournal | None,
    tenant: str,
    session: str,
    *,
    known: Known | None = None,
    head: str = "",
) -> Report:
    """Check a session; the audio of one that goes on is left alone.

    Args:
        store: events.
        journal: audio; None = it is not to be looked at.
        tenant: owner.
        session: id.
        known: what the register of heads says of it; None = there is no register.
        head: hash of a record that must be in the chain; empty = the newest of the register.

    Raises:
        SessionNotFound: there is none.
        StorageUnavailable: the store cannot be reached.
    """
    row = await store.get(tenant, session)
    if row is None:
        raise SessionNotFound("There is no such session.")
    report = Report()
    noted = known.heads[-1].head if known is not None and known.heads else ""
    log = LogCheck(report, head=head or noted)
    await _check_records(store, row, log, report)
    finished = row.state == "finished"
    if finished and not log.finished:
        text = "the session is listed as finished, and its last record is missing"
        report.findings.append(Finding("unfinished", text))
    if not finished:
        report.notes.append(Finding("unfinished", "the session goes on: only its records so far"))
    elif journal is not None:
        await _check_recording(journal, row, log, report)
    _check_register(report, known, finished=finished, given=bool(head))
    return report


async def _check_records(
    store: SessionStore, row: SessionRow, log: LogCheck, report: Report
) -> None:
    after = 0
    while True:
        batch: list[Recorded] = []
        failure: StorageFailed | MalformedRecord | None = None
        try:
            async with closing(store.events(row.tenant, row.session, after=after)) as records:
                async for record in records:
                    batch.append(record)
                    after = min(max(after + 1, record.seq), row.last_seq)
                    if len(batch) == _BATCH:
                        await asyncio.to_thread(_add, log, batch)
                        batch = []
        except StorageUnavailable:
            raise
        except (StorageFailed, MalformedRecord) as error:
            failure = error
        await asyncio.to_thread(_add, log, batch)
        if failure is None:
            break
        if after >= row.last_seq:
            raise failure
        after += 1
        log.miss(after)
    log.finish()
    if after < row.last_seq:
        text = f"the end is cut off: records {after + 1} to {row.last_seq} are missing"
        report.findings.append(Finding("cut_off", text, after + 1))
    if report.records and (report.tenant, report.session) != (row.tenant, row.session):
        text = "the records are those of another session"
        report.findings.append(Finding("foreign_record", text, 1))


def _add(log: LogCheck, records: list[Recorded]) -> None:
    for record in records:
        log.add(encode_record(record).encode())


async def _check_recording(
    journal: AudioJournal, row: SessionRow, log: LogCheck, report: Report
) -> None:
    if not await journal.size_bytes(row.tenant, row.session):
        if any(anchor.to_byte for anchor in log.anchors):
            text = "the recording is gone"
            report.findings.append(Finding("audio_missing", text, None, 0, row.duration_ms))
        return
    recording = await journal.open(row.tenant, row.session)
    await recording.seal()  # it is already; so that it is not held open

    def check() -> None:
        check_audio(
            report,
            log,
            length=recording.durable_bytes,
            read=lambda begin, end: locate_audio(recording, begin, end),
        )

    await asyncio.to_thread(check)


def _check_register(report: Report, known: Known | None, *, finished: bool, given: bool) -> None:
    if known is not None and known.broken_lines:
        text = "lines of the register of heads were changed or are missing, at line "
        text += ", ".join(map(str, known.broken_lines[:10]))
        report.findings.append(Finding("register", text))
    if finished and not given and (known is None or not known.heads):
        text = "no head of this session was noted: that its end was rewritten cannot be ruled out"
        report.notes.append(Finding("no_head", text))

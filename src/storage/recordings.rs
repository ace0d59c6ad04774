//! Recordings, their parts' signed manifests, and who may be watching one.

use crate::domain::id::{AccountId, ConsultationId, PartId, ParticipantId, PlaybackId, RecordingId};
use crate::domain::recording::{AfterWithdrawal, Recording, State};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, maybe_time, time};

const INSERT: &str = "INSERT INTO recordings (id, consultation_id, patient_id, requested_by, state, requested_at, duration_ms, bytes, policy_digest, retention_class,
    text, version) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9, $10)";
const LOOKUP: &str = "SELECT * FROM recordings WHERE id = $1";
const OPEN_OF_CONSULTATION: &str = "SELECT * FROM recordings WHERE consultation_id = $1 AND state IN ('requested', 'active', 'paused')";
const OF_CONSULTATION: &str = "SELECT * FROM recordings WHERE consultation_id = $1 ORDER BY requested_at, id";
const OF_PRACTITIONER: &str = "SELECT r.* FROM recordings r JOIN consultations c ON c.id = r.consultation_id WHERE c.practitioner_id = $1
    ORDER BY r.requested_at DESC, r.id DESC LIMIT 500";
const ALL: &str = "SELECT * FROM recordings ORDER BY requested_at DESC, id DESC LIMIT 500";
const UNFINISHED: &str = "SELECT * FROM recordings WHERE state IN ('requested', 'active', 'paused', 'stopped') ORDER BY requested_at, id";
const UPDATE: &str =
    "UPDATE recordings SET state = $2, started_at = $3, stopped_at = $4, duration_ms = $5, bytes = $6, withdrawn = $7 WHERE id = $1";
const DESTROYED: &str = "SELECT * FROM recordings WHERE state = 'destroyed' ORDER BY requested_at, id";
const LOCK: &str = "UPDATE recordings SET state = state WHERE id = $1";
const SHRED_PARTS: &str = "UPDATE recording_parts SET header = $2 WHERE recording_id = $1";
const INSERT_PART: &str = "INSERT INTO recording_parts (id, recording_id, participant_id, source, header, manifest, signature) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const PARTS: &str = "SELECT * FROM recording_parts WHERE recording_id = $1 ORDER BY id";
const INSERT_PLAYBACK: &str = "INSERT INTO playbacks (id, recording_id, account_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
const PLAYBACK: &str = "SELECT recording_id, account_id, expires_at FROM playbacks WHERE id = $1";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[
    DESTROYED,
    LOCK,
    SHRED_PARTS,
    INSERT,
    LOOKUP,
    OPEN_OF_CONSULTATION,
    OF_CONSULTATION,
    OF_PRACTITIONER,
    ALL,
    UNFINISHED,
    UPDATE,
    INSERT_PART,
    PARTS,
    INSERT_PLAYBACK,
    PLAYBACK,
];

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    consultation_id: String,
    patient_id: String,
    requested_by: String,
    state: String,
    requested_at: i64,
    started_at: Option<i64>,
    stopped_at: Option<i64>,
    duration_ms: i64,
    bytes: i64,
    policy_digest: String,
    retention_class: String,
    text: String,
    version: String,
    withdrawn: Option<String>,
}

impl TryFrom<Row> for Recording {
    type Error = StorageError;
    fn try_from(row: Row) -> Result<Self, StorageError> {
        let at = At { table: "recordings", row: &row.id };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            consultation: at.parse("consultation_id", &row.consultation_id)?,
            patient: at.parse("patient_id", &row.patient_id)?,
            requested_by: at.parse("requested_by", &row.requested_by)?,
            state: at.need("state", State::parse(&row.state))?,
            requested_at: time(row.requested_at),
            started_at: maybe_time(row.started_at),
            stopped_at: maybe_time(row.stopped_at),
            duration_ms: row.duration_ms,
            bytes: row.bytes,
            policy_digest: row.policy_digest,
            retention_class: row.retention_class,
            withdrawn: row.withdrawn.as_deref().map(|w| at.need("withdrawn", AfterWithdrawal::parse(w))).transpose()?,
            text: row.text,
            version: row.version,
        })
    }
}

/// A part's signed manifest.
pub struct StoredPart {
    /// Its id.
    pub id: PartId,
    /// Whose track.
    pub participant: ParticipantId,
    /// `microphone`, `camera` or `screen`.
    pub source: String,
    /// The part's header with its wrapped data key.
    pub header: Vec<u8>,
    /// The manifest's canonical bytes.
    pub manifest: Vec<u8>,
    /// The installation's signature over them.
    pub signature: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct PartRow {
    id: String,
    participant_id: String,
    source: String,
    header: Vec<u8>,
    manifest: Vec<u8>,
    signature: Vec<u8>,
}

/// A permitted viewing.
pub struct Playback {
    /// Of which recording.
    pub recording: RecordingId,
    /// By whom.
    pub account: AccountId,
    /// Until when.
    pub expires_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct PlaybackRow {
    recording_id: String,
    account_id: String,
    expires_at: i64,
}

/// Adds a recording.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert(tx: &mut Tx, r: &Recording) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        r.id.to_string(),
        r.consultation.to_string(),
        r.patient.to_string(),
        r.requested_by.to_string(),
        r.state.as_str(),
        r.requested_at.as_micros(),
        &r.policy_digest,
        &r.retention_class,
        &r.text,
        &r.version
    )?;
    Ok(())
}

/// One recording.
///
/// # Errors
/// See [`StorageError`].
pub async fn lookup(tx: &mut Tx, id: RecordingId) -> Result<Option<Recording>, StorageError> {
    fetch_optional!(tx, Row, LOOKUP, id.to_string())?.map(TryInto::try_into).transpose()
}

/// The recording of a consultation that can still be decided about, if there is one.
///
/// # Errors
/// See [`StorageError`].
pub async fn open_of_consultation(tx: &mut Tx, id: ConsultationId) -> Result<Option<Recording>, StorageError> {
    fetch_optional!(tx, Row, OPEN_OF_CONSULTATION, id.to_string())?.map(TryInto::try_into).transpose()
}

/// The recordings of a consultation, oldest first.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_consultation(tx: &mut Tx, id: ConsultationId) -> Result<Vec<Recording>, StorageError> {
    fetch_all!(tx, Row, OF_CONSULTATION, id.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// The newest recordings of one clinician's consultations.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_practitioner(tx: &mut Tx, account: AccountId) -> Result<Vec<Recording>, StorageError> {
    fetch_all!(tx, Row, OF_PRACTITIONER, account.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// The newest recordings of all.
///
/// # Errors
/// See [`StorageError`].
pub async fn all(tx: &mut Tx) -> Result<Vec<Recording>, StorageError> {
    fetch_all!(tx, Row, ALL)?.into_iter().map(TryInto::try_into).collect()
}

/// Recordings that a stop of the server left unfinished.
///
/// # Errors
/// See [`StorageError`].
pub async fn unfinished(tx: &mut Tx) -> Result<Vec<Recording>, StorageError> {
    fetch_all!(tx, Row, UNFINISHED)?.into_iter().map(TryInto::try_into).collect()
}

/// Writes state, times, length and size.
///
/// # Errors
/// See [`StorageError`].
pub async fn update(tx: &mut Tx, r: &Recording) -> Result<(), StorageError> {
    execute!(
        tx,
        UPDATE,
        r.id.to_string(),
        r.state.as_str(),
        r.started_at.map(Timestamp::as_micros),
        r.stopped_at.map(Timestamp::as_micros),
        r.duration_ms,
        r.bytes,
        r.withdrawn.map(AfterWithdrawal::as_str)
    )?;
    Ok(())
}

/// One recording that is about to be changed: until this transaction ends, nobody else changes it.
///
/// # Errors
/// See [`StorageError`].
pub async fn lookup_to_change(tx: &mut Tx, id: RecordingId) -> Result<Option<Recording>, StorageError> {
    // touching the row locks it on either engine; what is read after that is what was committed last
    execute!(tx, LOCK, id.to_string())?;
    lookup(tx, id).await
}

/// Recordings whose keys are gone.
///
/// # Errors
/// See [`StorageError`].
pub async fn destroyed(tx: &mut Tx) -> Result<Vec<Recording>, StorageError> {
    fetch_all!(tx, Row, DESTROYED)?.into_iter().map(TryInto::try_into).collect()
}

/// Takes the wrapped data keys out of a recording's parts. What they sealed cannot be opened any more.
///
/// # Errors
/// See [`StorageError`].
pub async fn shred_parts(tx: &mut Tx, id: RecordingId) -> Result<(), StorageError> {
    execute!(tx, SHRED_PARTS, id.to_string(), Vec::<u8>::new())?;
    Ok(())
}

/// Adds a part.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert_part(tx: &mut Tx, recording: RecordingId, part: &StoredPart) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT_PART,
        part.id.to_string(),
        recording.to_string(),
        part.participant.to_string(),
        &part.source,
        &part.header,
        &part.manifest,
        &part.signature
    )?;
    Ok(())
}

/// The parts of a recording in the order they were begun.
///
/// # Errors
/// See [`StorageError`].
pub async fn parts(tx: &mut Tx, recording: RecordingId) -> Result<Vec<StoredPart>, StorageError> {
    fetch_all!(tx, PartRow, PARTS, recording.to_string())?
        .into_iter()
        .map(|row| {
            let at = At { table: "recording_parts", row: &row.id };
            Ok(StoredPart {
                id: at.parse("id", &row.id)?,
                participant: at.parse("participant_id", &row.participant_id)?,
                source: row.source,
                header: row.header,
                manifest: row.manifest,
                signature: row.signature,
            })
        })
        .collect()
}

/// Notes a permitted viewing.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert_playback(tx: &mut Tx, id: PlaybackId, playback: &Playback, now: Timestamp) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT_PLAYBACK,
        id.to_string(),
        playback.recording.to_string(),
        playback.account.to_string(),
        now.as_micros(),
        playback.expires_at.as_micros()
    )?;
    Ok(())
}

/// A permitted viewing.
///
/// # Errors
/// See [`StorageError`].
pub async fn playback(tx: &mut Tx, id: PlaybackId) -> Result<Option<Playback>, StorageError> {
    let key = id.to_string();
    let Some(row) = fetch_optional!(tx, PlaybackRow, PLAYBACK, &key)? else { return Ok(None) };
    let at = At { table: "playbacks", row: &key };
    Ok(Some(Playback {
        recording: at.parse("recording_id", &row.recording_id)?,
        account: at.parse("account_id", &row.account_id)?,
        expires_at: time(row.expires_at),
    }))
}

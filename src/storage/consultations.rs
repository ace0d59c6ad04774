//! Consultations.

use crate::domain::consultation::{Consultation, State};
use crate::domain::id::{AccountId, ConsultationId};
use crate::domain::time::Timestamp;
use crate::storage::database::{Tx, execute, fetch_all, fetch_optional};
use crate::storage::error::StorageError;
use crate::storage::row::{At, maybe_time, time};

const INSERT: &str = "INSERT INTO consultations (id, patient_id, practitioner_id, status, starts_at, started_at, ended_at, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const LOOKUP: &str = "SELECT * FROM consultations WHERE id = $1";
const OF_PRACTITIONER: &str = "SELECT * FROM consultations WHERE practitioner_id = $1 ORDER BY starts_at DESC, id DESC LIMIT 200";
const ALL: &str = "SELECT * FROM consultations ORDER BY starts_at DESC, id DESC LIMIT 500";
const SET_STATE: &str = "UPDATE consultations SET status = $2, started_at = $3, ended_at = $4 WHERE id = $1 AND status = $5";

/// Every statement, for the test that prepares them on both engines.
pub const STATEMENTS: &[&str] = &[INSERT, LOOKUP, OF_PRACTITIONER, ALL, SET_STATE];

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    patient_id: String,
    practitioner_id: String,
    status: String,
    starts_at: i64,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    created_at: i64,
}

impl TryFrom<Row> for Consultation {
    type Error = StorageError;
    fn try_from(row: Row) -> Result<Self, StorageError> {
        let at = At { table: "consultations", row: &row.id };
        let started = || at.need("started_at", maybe_time(row.started_at));
        let ended = || at.need("ended_at", maybe_time(row.ended_at));
        let state = match row.status.as_str() {
            "planned" => State::Planned,
            "in_progress" => State::InProgress { started_at: started()? },
            "completed" => State::Completed { started_at: started()?, ended_at: ended()? },
            "cancelled" => State::Cancelled { ended_at: ended()? },
            _ => return Err(at.wrong("status")),
        };
        Ok(Self {
            id: at.parse("id", &row.id)?,
            patient: at.parse("patient_id", &row.patient_id)?,
            practitioner: at.parse("practitioner_id", &row.practitioner_id)?,
            starts_at: time(row.starts_at),
            state,
            created_at: time(row.created_at),
        })
    }
}

/// Adds a consultation.
///
/// # Errors
/// See [`StorageError`].
pub async fn insert(tx: &mut Tx, c: &Consultation) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        c.id.to_string(),
        c.patient.to_string(),
        c.practitioner.to_string(),
        c.state.as_str(),
        c.starts_at.as_micros(),
        c.state.started_at().map(Timestamp::as_micros),
        c.state.ended_at().map(Timestamp::as_micros),
        c.created_at.as_micros()
    )?;
    Ok(())
}

/// One consultation.
///
/// # Errors
/// See [`StorageError`].
pub async fn lookup(tx: &mut Tx, id: ConsultationId) -> Result<Option<Consultation>, StorageError> {
    fetch_optional!(tx, Row, LOOKUP, id.to_string())?.map(TryInto::try_into).transpose()
}

/// The newest consultations of one clinician.
///
/// # Errors
/// See [`StorageError`].
pub async fn of_practitioner(tx: &mut Tx, practitioner: AccountId) -> Result<Vec<Consultation>, StorageError> {
    fetch_all!(tx, Row, OF_PRACTITIONER, practitioner.to_string())?.into_iter().map(TryInto::try_into).collect()
}

/// The newest consultations of everyone.
///
/// # Errors
/// See [`StorageError`].
pub async fn all(tx: &mut Tx) -> Result<Vec<Consultation>, StorageError> {
    fetch_all!(tx, Row, ALL)?.into_iter().map(TryInto::try_into).collect()
}

/// Moves from one state to another; `false` if someone else moved it first.
///
/// # Errors
/// See [`StorageError`].
pub async fn set_state(tx: &mut Tx, id: ConsultationId, from: State, to: State) -> Result<bool, StorageError> {
    let changed = execute!(
        tx,
        SET_STATE,
        id.to_string(),
        to.as_str(),
        to.started_at().map(Timestamp::as_micros),
        to.ended_at().map(Timestamp::as_micros),
        from.as_str()
    )?;
    Ok(changed == 1)
}

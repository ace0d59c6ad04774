//! Custody of recordings: legal holds, and grants to watch one recording for a while.

use crate::domain::access::{AccountRole, GrantPlayback, ManageHolds, Permit, ReadCustody};
use crate::domain::audit::Event;
use crate::domain::id::{AccountId, HoldId, PlaybackGrantId, RecordingId};
use crate::domain::patient::FieldError;
use crate::domain::recording::Recording;
use crate::services::Services;
use crate::services::error::ServiceError;
use crate::services::recorded::Recorded;
use crate::storage::accounts;
use crate::storage::custody::{self, LegalHold, PlaybackGrant};
use crate::storage::database::Tx;
use std::time::Duration;

/// The longest a grant to watch may last.
const LONGEST_GRANT: Duration = Duration::from_hours(30 * 24);

/// Everything about the custody of one recording.
pub struct Custody {
    /// Holds with who placed them, newest first.
    pub holds: Vec<(LegalHold, String)>,
    /// Grants with whom they are for, newest first.
    pub grants: Vec<(PlaybackGrant, String)>,
}

fn reason(text: &str) -> Result<String, ServiceError> {
    let text = text.trim();
    if (5..=300).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(ServiceError::Validation(vec![FieldError { name: "reason", message: "must be 5 to 300 characters" }]))
}

impl Services {
    /// Places a legal hold: while it stands, the recording is not destroyed.
    ///
    /// # Errors
    /// [`ServiceError::Validation`] without a reason.
    pub async fn place_hold(&self, permit: &Permit<ManageHolds>, recording: &Recording, why: &str) -> Result<LegalHold, ServiceError> {
        let hold = LegalHold {
            id: HoldId::from_uuid(self.new_uuid()?),
            recording: recording.id,
            reason: reason(why)?,
            placed_by: permit.account().ok_or(ServiceError::Unauthenticated)?,
            placed_at: self.now(),
            released_at: None,
        };
        let mut tx = self.database.begin().await?;
        custody::insert_hold(tx.tx(), &hold).await?;
        let entry = self.entry(Event::HoldPlaced, permit.caller())?.about("hold", hold.id).about("recording", recording.id);
        self.commit(tx, entry).await?;
        Ok(hold)
    }

    /// Releases a legal hold.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the recording has none such.
    pub async fn release_hold(&self, permit: &Permit<ManageHolds>, recording: RecordingId, id: HoldId) -> Result<(), ServiceError> {
        let by = permit.account().ok_or(ServiceError::Unauthenticated)?;
        let mut tx = self.database.begin().await?;
        if !custody::release(tx.tx(), id, recording, by, self.now()).await? {
            return Err(ServiceError::NotFound("legal hold"));
        }
        self.commit(tx, self.entry(Event::HoldReleased, permit.caller())?.about("hold", id).about("recording", recording)).await
    }

    /// Grants a clinician or records officer to watch a recording for a while.
    ///
    /// # Errors
    /// [`ServiceError::Validation`]; [`ServiceError::NotFound`] for someone who is neither.
    pub async fn grant_playback(
        &self,
        permit: &Permit<GrantPlayback>,
        recording: &Recording,
        username: &str,
        hours: u32,
        why: &str,
    ) -> Result<PlaybackGrant, ServiceError> {
        let lasts = Duration::from_hours(u64::from(hours));
        if lasts.is_zero() || lasts > LONGEST_GRANT {
            return Err(ServiceError::Validation(vec![FieldError { name: "hours", message: "must be 1 to 720" }]));
        }
        let why = reason(why)?;
        let now = self.now();
        let mut tx = self.database.begin().await?;
        let account = accounts::by_username(tx.tx(), &username.trim().to_lowercase()).await?;
        let may = |role| matches!(role, AccountRole::Clinician | AccountRole::RecordsOfficer);
        let account = account.filter(|a| a.active && may(a.role)).ok_or(ServiceError::NotFound("clinician or records officer"))?;
        if permit.account() == Some(account.id) {
            return Err(ServiceError::Conflict("Nobody grants themselves to watch. Ask another records officer."));
        }
        let grant = PlaybackGrant {
            id: PlaybackGrantId::from_uuid(self.new_uuid()?),
            recording: recording.id,
            account: account.id,
            reason: why,
            granted_by: permit.account().ok_or(ServiceError::Unauthenticated)?,
            granted_at: now,
            expires_at: now.plus(lasts),
            ended_at: None,
        };
        custody::insert_grant(tx.tx(), &grant).await?;
        let entry = self
            .entry(Event::PlaybackGranted, permit.caller())?
            .about("playback_grant", grant.id)
            .about("recording", recording.id)
            .about("account", account.id)
            .with("hours", hours);
        self.commit(tx, entry).await?;
        Ok(grant)
    }

    /// Ends a grant before its time; what was opened under it closes.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the recording has none such.
    pub async fn end_grant(&self, permit: &Permit<GrantPlayback>, recording: RecordingId, id: PlaybackGrantId) -> Result<(), ServiceError> {
        let mut tx = self.database.begin().await?;
        if !custody::end_grant(tx.tx(), id, recording, self.now()).await? {
            return Err(ServiceError::NotFound("playback grant"));
        }
        let entry = self.entry(Event::PlaybackGrantEnded, permit.caller())?.about("playback_grant", id).about("recording", recording);
        self.commit(tx, entry).await
    }

    /// Holds and grants of a recording.
    ///
    /// # Errors
    /// If they cannot be read or the read not audited.
    pub async fn custody(&self, permit: &Permit<ReadCustody>, recording: RecordingId) -> Result<Recorded<Custody>, ServiceError> {
        let recorded = self.recorded(self.entry(Event::CustodyRead, permit.caller())?.about("recording", recording), ()).await?;
        let mut read = self.database.read().await?;
        let mut all = Custody { holds: Vec::new(), grants: Vec::new() };
        for hold in custody::holds(read.tx(), recording).await? {
            let name = self.display_name(read.tx(), hold.placed_by).await?;
            all.holds.push((hold, name));
        }
        for grant in custody::grants(read.tx(), recording).await? {
            let name = self.display_name(read.tx(), grant.account).await?;
            all.grants.push((grant, name));
        }
        Ok(recorded.map(|()| all))
    }

    /// The recordings that an account was granted to watch.
    pub(crate) async fn granted_recordings(&self, tx: &mut Tx, account: AccountId) -> Result<Vec<RecordingId>, ServiceError> {
        let all = custody::granted_to(tx, account, self.now()).await?;
        Ok(all.into_iter().map(|grant| grant.recording).collect())
    }
}

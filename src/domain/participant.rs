//! Who takes part in a consultation, in which role, and where they are.

use serde::{Deserialize, Serialize};

/// The role of a participant (FHIR Encounter.participant, in the house's words).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The clinician who holds the consultation.
    Practitioner,
    /// The person it is about.
    Patient,
    /// Family, carer or guardian.
    RelatedPerson,
    /// Someone who translates.
    Interpreter,
    /// Someone who only watches, such as a student.
    Observer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Practitioner, Self::Patient, Self::RelatedPerson, Self::Interpreter, Self::Observer];

    /// The stable name, in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Practitioner => "practitioner",
            Self::Patient => "patient",
            Self::RelatedPerson => "related_person",
            Self::Interpreter => "interpreter",
            Self::Observer => "observer",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether someone of this role may be invited by link.
    #[must_use]
    pub const fn is_invitable(self) -> bool {
        !matches!(self, Self::Practitioner)
    }
}

/// Where a participant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Redeemed the invitation, has not reached the lobby.
    Invited,
    /// Waits to be admitted.
    Lobby,
    /// May hear and see the others.
    InCall,
    /// Left on their own.
    Left,
    /// Was not admitted.
    TurnedAway,
    /// Was taken out of the call.
    Removed,
}

impl Place {
    const ALL: [Self; 6] = [Self::Invited, Self::Lobby, Self::InCall, Self::Left, Self::TurnedAway, Self::Removed];

    /// The stable name, in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Lobby => "lobby",
            Self::InCall => "in_call",
            Self::Left => "left",
            Self::TurnedAway => "turned_away",
            Self::Removed => "removed",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.as_str() == text)
    }

    /// Whether the clinician's word has ended this participant's way in.
    #[must_use]
    pub const fn is_barred(self) -> bool {
        matches!(self, Self::TurnedAway | Self::Removed)
    }
}

/// A participant's name as the others see it: 1 to 80 characters, no control characters, trimmed.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    let length = name.chars().count();
    (1..=80).contains(&length) && name.trim() == name && !name.chars().any(char::is_control)
}

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

/// Something a participant may do in the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Be heard.
    PublishAudio,
    /// Be seen.
    PublishVideo,
    /// Show their screen.
    ShareScreen,
    /// Write to the others.
    Chat,
    /// Send files to the others; nothing offers this yet.
    SendFiles,
    /// Let people in and out.
    Admit,
    /// Ask to record.
    Record,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 7] =
        [Self::PublishAudio, Self::PublishVideo, Self::ShareScreen, Self::Chat, Self::SendFiles, Self::Admit, Self::Record];

    /// The stable name, in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PublishAudio => "publish_audio",
            Self::PublishVideo => "publish_video",
            Self::ShareScreen => "share_screen",
            Self::Chat => "chat",
            Self::SendFiles => "send_files",
            Self::Admit => "admit",
            Self::Record => "record",
        }
    }
}

/// A set of capabilities: what a participant's token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u8);

impl Capabilities {
    /// A set of these.
    #[must_use]
    pub fn of(all: &[Capability]) -> Self {
        Self(all.iter().fold(0, |set, one| set | 1 << *one as u8))
    }

    /// Whether it holds one.
    #[must_use]
    pub const fn has(self, one: Capability) -> bool {
        self.0 & 1 << one as u8 != 0
    }

    /// The same without one.
    #[must_use]
    pub const fn without(self, one: Capability) -> Self {
        Self(self.0 & !(1 << one as u8))
    }

    /// Whether everything in it is in `other` as well.
    #[must_use]
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// What it holds.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |one| self.has(*one))
    }

    /// As stored: names with spaces between.
    #[must_use]
    pub fn to_text(self) -> String {
        self.iter().map(Capability::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Reads the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all: Option<Vec<_>> =
            text.split_whitespace().map(|name| Capability::ALL.into_iter().find(|one| one.as_str() == name)).collect();
        all.map(|all| Self::of(&all))
    }
}

impl Role {
    /// The most that someone of this role may do. An observer watches; nobody who was invited admits or records.
    #[must_use]
    pub fn capabilities(self) -> Capabilities {
        use Capability as C;
        Capabilities::of(match self {
            Self::Practitioner => &Capability::ALL,
            Self::Patient | Self::RelatedPerson | Self::Interpreter => {
                &[C::PublishAudio, C::PublishVideo, C::ShareScreen, C::Chat, C::SendFiles]
            }
            Self::Observer => &[C::Chat],
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_survive_their_text_and_an_unknown_one_is_refused() {
        for role in Role::ALL {
            let set = role.capabilities();
            assert_eq!(Capabilities::parse(&set.to_text()), Some(set));
            assert!(set.within(Role::Practitioner.capabilities()));
        }
        assert_eq!(Capabilities::parse("chat fly"), None);
        assert_eq!(Capabilities::parse(""), Some(Capabilities::default()));
    }

    #[test]
    fn nobody_who_was_invited_admits_or_records_and_an_observer_is_neither_heard_nor_seen() {
        for role in Role::ALL.into_iter().filter(|role| role.is_invitable()) {
            assert!(!role.capabilities().has(Capability::Admit) && !role.capabilities().has(Capability::Record));
        }
        assert_eq!(Role::Observer.capabilities(), Capabilities::of(&[Capability::Chat]));
    }
}

//! `unusual.toml`: what stands out in the audit log, and the judge that marks entries by it.
//!
//! Pure: the judge is shown entries in their order and remembers what its rules need of those before.

use crate::domain::access::AccountRole;
use crate::domain::audit::{Action, Outcome};
use crate::domain::patient::search_words;
use crate::domain::time::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// What an entry can be marked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A patient of the same family name.
    OwnName,
    /// Many patients in a short time.
    MassReads,
    /// When the clinic is closed.
    OffHours,
    /// Emergency access (break-glass).
    EmergencyAccess,
    /// Refused again and again.
    RepeatedDenials,
}

impl Mark {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::OwnName, Self::MassReads, Self::OffHours, Self::EmergencyAccess, Self::RepeatedDenials];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnName => "own_name",
            Self::MassReads => "mass_reads",
            Self::OffHours => "off_hours",
            Self::EmergencyAccess => "emergency_access",
            Self::RepeatedDenials => "repeated_denials",
        }
    }
}

/// The rules.
#[derive(Debug, Clone, Default)]
pub struct UnusualRules {
    own_name: Option<HashSet<String>>,
    mass_reads: Option<(usize, Duration)>,
    off_hours: Option<OffHours>,
    emergency_access: bool,
    repeated_denials: Option<(usize, Duration)>,
}

#[derive(Debug, Clone)]
struct OffHours {
    zone: TimeZone,
    roles: Vec<AccountRole>,
    days: Vec<i8>,
    open: Time,
    close: Time,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    zone: String,
    own_name: Option<FileOwnName>,
    mass_reads: Option<FileMassReads>,
    off_hours: Option<FileOffHours>,
    emergency_access: Option<FileEmergency>,
    repeated_denials: Option<FileDenials>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOwnName {
    #[serde(default)]
    ignore: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMassReads {
    patients: u32,
    minutes: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOffHours {
    roles: Vec<String>,
    days: Vec<String>,
    open: String,
    close: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEmergency {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDenials {
    denials: u32,
    minutes: u32,
}

/// Longest stretch a rule looks back over, in minutes: a day.
const LONGEST: u32 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl UnusualRules {
    /// Reads the file; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        let zone = TimeZone::get(&file.zone).map_err(|_| format!("zone {} is not one, such as Europe/Madrid", file.zone))?;
        let counted = |name: &str, count: u32, minutes: u32| {
            if (2..=10_000).contains(&count) && (1..=LONGEST).contains(&minutes) {
                Ok((usize::try_from(count).unwrap_or(usize::MAX), Duration::from_secs(u64::from(minutes) * 60)))
            } else {
                Err(format!("{name} needs a number of 2 to 10000 and 1 to {LONGEST} minutes"))
            }
        };
        Ok(Self {
            own_name: file.own_name.map(|own| own.ignore.iter().flat_map(|word| search_words(word)).collect()),
            mass_reads: file.mass_reads.map(|r| counted("mass_reads", r.patients, r.minutes)).transpose()?,
            off_hours: file.off_hours.map(|hours| OffHours::of(&hours, zone)).transpose()?,
            emergency_access: file.emergency_access.is_some(),
            repeated_denials: file.repeated_denials.map(|r| counted("repeated_denials", r.denials, r.minutes)).transpose()?,
        })
    }

    /// Whether names have to be compared.
    #[must_use]
    pub const fn compares_names(&self) -> bool {
        self.own_name.is_some()
    }

    /// Whether a member of staff and a patient have a family name in common.
    #[must_use]
    pub fn share_family_name(&self, staff: &str, patient: &str) -> bool {
        let Some(ignored) = &self.own_name else { return false };
        let of_patient = family_names(patient);
        family_names(staff).iter().any(|name| of_patient.contains(name) && !ignored.contains(name))
    }
}

/// What stands before names.
const TITLES: [&str; 14] = ["dr", "dra", "med", "prof", "mr", "mrs", "ms", "mx", "sr", "sra", "herr", "frau", "mme", "m"];

/// The words of a name, folded, without titles and the first given name; a name of one word is that word.
fn family_names(name: &str) -> Vec<String> {
    let words: Vec<String> = search_words(name).into_iter().filter(|word| !TITLES.contains(&word.as_str())).collect();
    let given = usize::from(words.len() > 1);
    words.into_iter().skip(given).filter(|word| word.chars().count() > 1).collect()
}

impl OffHours {
    fn of(file: &FileOffHours, zone: TimeZone) -> Result<Self, String> {
        let time = |text: &str| text.parse::<Time>().map_err(|_| format!("off_hours: {text} is not a time of day such as 07:30"));
        let (open, close) = (time(&file.open)?, time(&file.close)?);
        if open >= close {
            return Err("off_hours: open must be earlier than close".to_owned());
        }
        let day = |name: &String| DAYS.iter().position(|day| day == name).ok_or_else(|| format!("off_hours: {name} is no day"));
        let days = file.days.iter().map(|name| day(name).map(|at| i8::try_from(at + 1).unwrap_or(0))).collect::<Result<_, _>>()?;
        let role = |name: &String| AccountRole::parse(name).ok_or_else(|| format!("off_hours: {name} is no role"));
        Ok(Self { zone, roles: file.roles.iter().map(role).collect::<Result<_, _>>()?, days, open, close })
    }

    fn is_closed(&self, at: Timestamp) -> bool {
        let Ok(at) = jiff::Timestamp::from_microsecond(at.as_micros()) else { return false };
        let here = at.to_zoned(self.zone.clone());
        let open = self.days.contains(&here.weekday().to_monday_one_offset()) && (self.open..self.close).contains(&here.time());
        !open
    }
}

/// What is judged of an entry.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// When.
    pub at: Timestamp,
    /// Account, participant, or the network where nobody is signed in; empty for the server.
    pub who: &'a str,
    /// The role, if an account acted.
    pub staff: Option<AccountRole>,
    /// The event's code.
    pub event: &'a str,
    /// HL7 `PurposeOfUse`.
    pub purpose: &'a str,
    /// Kind of act.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// The patients it was about.
    pub patients: Vec<&'a str>,
    /// Whether one of them has a family name in common with who acted.
    pub own_name: bool,
}

/// People whose past is remembered; beyond that, whoever was quiet longest is forgotten first.
const REMEMBERED: usize = 10_000;

/// Marks entries. What it remembers can be had again by showing it the entries of the last day.
#[derive(Default)]
pub struct Judge {
    reads: HashMap<String, VecDeque<(Timestamp, String)>>,
    denials: HashMap<String, VecDeque<Timestamp>>,
}

impl Judge {
    /// Judges the next entry.
    pub fn judge(&mut self, rules: &UnusualRules, seen: &Seen<'_>) -> Vec<Mark> {
        let mut marks = Vec::new();
        if rules.emergency_access && (seen.purpose == "BTG" || seen.event.starts_with("emergency.taken")) {
            marks.push(Mark::EmergencyAccess);
        }
        if let Some((most, within)) = rules.repeated_denials
            && seen.outcome == Outcome::Denied
            && !seen.who.is_empty()
        {
            forget_quiet(&mut self.denials, |all| all.back().copied());
            let denials = self.denials.entry(seen.who.to_owned()).or_default();
            denials.push_back(seen.at);
            while denials.front().is_some_and(|at| seen.at.since(*at) > within) {
                denials.pop_front();
            }
            if denials.len() >= most {
                marks.push(Mark::RepeatedDenials);
            }
        }
        let Some(role) = seen.staff else { return marks };
        if seen.patients.is_empty() || seen.outcome != Outcome::Success {
            return marks;
        }
        if seen.own_name {
            marks.push(Mark::OwnName);
        }
        if rules.off_hours.as_ref().is_some_and(|hours| hours.roles.contains(&role) && hours.is_closed(seen.at)) {
            marks.push(Mark::OffHours);
        }
        // a list of many that were found is not the records of many
        if let Some((most, within)) = rules.mass_reads
            && seen.action == Action::R
            && seen.patients.len() == 1
        {
            forget_quiet(&mut self.reads, |all| all.back().map(|(at, _)| *at));
            let reads = self.reads.entry(seen.who.to_owned()).or_default();
            while reads.front().is_some_and(|(at, _)| seen.at.since(*at) > within) {
                reads.pop_front();
            }
            let mut more = false;
            for patient in &seen.patients {
                if !reads.iter().any(|(_, one)| one == patient) {
                    reads.push_back((seen.at, (*patient).to_owned()));
                    more = true;
                }
            }
            // each further patient, not each further look at one of them
            if more && reads.len() >= most {
                marks.push(Mark::MassReads);
            }
        }
        marks
    }
}

fn forget_quiet<V>(past: &mut HashMap<String, V>, last: impl Fn(&V) -> Option<Timestamp>) {
    if past.len() >= REMEMBERED
        && let Some(quiet) = past.iter().min_by_key(|(_, all)| last(all)).map(|(who, _)| who.clone())
    {
        past.remove(&quiet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
        zone = "Europe/Madrid"
        [own_name]
        ignore = ["García"]
        [mass_reads]
        patients = 3
        minutes = 60
        [off_hours]
        roles = ["clinician"]
        days = ["mon", "tue", "wed", "thu", "fri"]
        open = "07:00"
        close = "20:00"
        [emergency_access]
        [repeated_denials]
        denials = 3
        minutes = 10
    "#;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    /// A clinician reads a patient's record on a Thursday at noon.
    fn read<'a>(patient: &'a str, time: &str) -> Seen<'a> {
        Seen {
            at: at(time),
            who: "ana",
            staff: Some(AccountRole::Clinician),
            event: "consultation.read",
            purpose: "TREAT",
            action: Action::R,
            outcome: Outcome::Success,
            patients: vec![patient],
            own_name: false,
        }
    }

    fn denied<'a>(who: &'a str, time: &str) -> Seen<'a> {
        Seen { who, outcome: Outcome::Denied, ..read("p", time) }
    }

    #[test]
    fn ordinary_work_is_not_marked() {
        let rules = UnusualRules::parse(RULES).expect("rules");
        let mut judge = Judge::default();
        for minute in 10..40 {
            assert_eq!(judge.judge(&rules, &read("p1", &format!("2026-03-12T11:{minute}:00Z"))), [], "one patient, however often");
        }
        let server = Seen { staff: None, who: "", ..read("p2", "2026-03-12T02:00:00Z") };
        assert_eq!(judge.judge(&rules, &server), [], "the server works at night");
    }

    #[test]
    fn hours_are_those_of_the_clinics_zone_and_its_summer_time() {
        let rules = UnusualRules::parse(RULES).expect("rules");
        for (time, closed) in [
            ("2026-03-12T06:30:00Z", false), // 07:30 in winter
            ("2026-03-12T05:59:00Z", true),
            ("2026-03-12T19:30:00Z", true),  // 20:30
            ("2026-06-11T05:30:00Z", false), // 07:30 in summer
            ("2026-06-11T18:30:00Z", true),  // 20:30 in summer
            ("2026-03-14T11:00:00Z", true),  // a Saturday
        ] {
            let marks = Judge::default().judge(&rules, &read("p", time));
            assert_eq!(marks.contains(&Mark::OffHours), closed, "{time}");
        }
        let auditor = Seen { staff: Some(AccountRole::Auditor), ..read("p", "2026-03-14T11:00:00Z") };
        assert_eq!(Judge::default().judge(&rules, &auditor), []);
    }

    #[test]
    fn many_patients_in_a_short_time_are_marked_from_the_one_that_is_too_many() {
        let rules = UnusualRules::parse(RULES).expect("rules");
        let mut judge = Judge::default();
        let mut marked = |patient: &str, time: &str| judge.judge(&rules, &read(patient, time)).contains(&Mark::MassReads);
        assert!(!marked("p1", "2026-03-12T11:00:00Z") && !marked("p2", "2026-03-12T11:10:00Z"));
        assert!(marked("p3", "2026-03-12T11:20:00Z"));
        assert!(!marked("p3", "2026-03-12T11:21:00Z"), "looked at again");
        assert!(!marked("p4", "2026-03-12T12:25:00Z"), "the hour is over");
    }

    #[test]
    fn refusals_are_counted_for_each_person_or_network() {
        let rules = UnusualRules::parse(RULES).expect("rules");
        let mut judge = Judge::default();
        let mut marked = |who: &str, time: &str| judge.judge(&rules, &denied(who, time)).contains(&Mark::RepeatedDenials);
        assert!(!marked("a", "2026-03-12T11:00:00Z") && !marked("b", "2026-03-12T11:00:01Z"));
        assert!(!marked("a", "2026-03-12T11:01:00Z") && marked("a", "2026-03-12T11:02:00Z"));
        assert!(!marked("a", "2026-03-12T11:30:00Z"), "after a while it begins anew");
    }

    #[test]
    fn emergency_access_is_always_marked() {
        let rules = UnusualRules::parse(RULES).expect("rules");
        let seen = Seen { purpose: "BTG", ..read("p", "2026-03-12T11:00:00Z") };
        assert_eq!(Judge::default().judge(&rules, &seen), [Mark::EmergencyAccess]);
        assert_eq!(Judge::default().judge(&UnusualRules::default(), &seen), [], "without rules nothing is");
    }

    #[test]
    fn family_names_are_compared_without_titles_and_given_names() {
        let rules = UnusualRules::parse(RULES).expect("rules");
        for (staff, patient, same) in [
            ("Dr. Ana Ruiz", "Maria Ruiz Ortega", true),
            ("Dr. Ana Ruiz", "Ana Ortega", false),
            ("Dr. Ana Ruiz", "ANA RUIZ", true),
            ("Prof. Dr. med. Uwe Groß", "Erika groß", true),
            ("Dr. Luz García", "Pedro García", false),
            ("Ben", "Ben", true),
        ] {
            assert_eq!(rules.share_family_name(staff, patient), same, "{staff}, {patient}");
        }
    }

    #[test]
    fn rules_that_cannot_be_are_refused_in_words() {
        for (from, to, names) in [
            ("Europe/Madrid", "Europe/Madrit", "Europe/Madrit"),
            ("patients = 3", "patients = 1", "mass_reads"),
            ("07:00", "25:00", "25:00"),
            ("07:00", "21:00", "earlier"),
            ("\"fri\"", "\"friday\"", "friday"),
            ("clinician", "surgeon", "surgeon"),
            ("denials = 3", "denial = 3", "denial"),
        ] {
            let refused = UnusualRules::parse(&RULES.replace(from, to)).expect_err("refused");
            assert!(refused.contains(names), "{refused}");
        }
    }
}

//! A patient as the clinic knows them. The values are sealed in storage; this is their open form.

use serde::{Deserialize, Serialize};
use time::Date;
use time::macros::format_description;

/// What the clinic says of a patient (FHIR Patient: identifier, name, birthDate, communication, telecom).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientDetails {
    /// The clinic's own identifier.
    pub identifier: String,
    /// Full name.
    pub name: String,
    /// `YYYY-MM-DD`. Match data, never a factor of authentication.
    pub birth_date: String,
    /// BCP 47 tag.
    pub language: String,
    /// Where to call when the connection fails.
    pub call_back_number: Option<String>,
}

/// A field that cannot be accepted, and why, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The member's name in the request.
    pub name: &'static str,
    /// What is wrong with it.
    pub message: &'static str,
}

impl PatientDetails {
    /// Everything that is wrong with these details; empty means they can be kept.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut found = Vec::new();
        let mut check = |ok: bool, name, message| {
            if !ok {
                found.push(FieldError { name, message });
            }
        };
        check(is_text(&self.identifier, 64), "identifier", "must be 1 to 64 characters");
        check(is_text(&self.name, 120), "name", "must be 1 to 120 characters");
        check(is_date(&self.birth_date), "birth_date", "must be a date such as 1980-05-17");
        check(is_language(&self.language), "language", "must be a language tag such as en or es");
        check(
            self.call_back_number.as_deref().is_none_or(is_telephone),
            "call_back_number",
            "must be a telephone number such as +1 555 0100",
        );
        found
    }

    /// The words under which this patient can be found: folded parts of identifier and name.
    #[must_use]
    pub fn search_words(&self) -> Vec<String> {
        search_words(&format!("{} {}", self.identifier, self.name))
    }
}

/// Folds a text into search words: lower case, split at anything that is neither letter nor digit.
#[must_use]
pub fn search_words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

fn is_text(text: &str, most: usize) -> bool {
    let length = text.chars().count();
    (1..=most).contains(&length) && text.trim() == text && !text.chars().any(char::is_control)
}

/// Whether a text is a day such as `1980-05-17`, not before 1880.
#[must_use]
pub fn is_date(text: &str) -> bool {
    Date::parse(text, format_description!("[year]-[month]-[day]")).is_ok_and(|date| date.year() >= 1880)
}

fn is_language(text: &str) -> bool {
    (2..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_telephone(text: &str) -> bool {
    (3..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b" +-()/.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details() -> PatientDetails {
        PatientDetails {
            identifier: "MRN-1".into(),
            name: "Ana Ruiz".into(),
            birth_date: "1980-05-17".into(),
            language: "es".into(),
            call_back_number: Some("+34 555 0100".into()),
        }
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        assert!(details().problems().is_empty());
        let bad = PatientDetails {
            identifier: String::new(),
            name: "\u{7}".into(),
            birth_date: "17/05/1980".into(),
            language: "x y".into(),
            call_back_number: Some("call me".into()),
        };
        let names: Vec<_> = bad.problems().into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["identifier", "name", "birth_date", "language", "call_back_number"]);
    }

    #[test]
    fn search_words_are_folded() {
        assert_eq!(details().search_words(), ["mrn", "1", "ana", "ruiz"]);
    }
}

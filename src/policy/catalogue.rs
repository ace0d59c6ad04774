//! The consent catalogue: the exact words people are shown, by version and language, with the facts that belong to them.
//!
//! Invariants: the languages of one version agree in every fact; a version that was accepted is never edited.

use crate::crypto::digest::{sha256, sha256_hex};
use crate::domain::consent::{Moment, Purpose};
use crate::domain::participant::Role;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One consent text in one version and one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentText {
    /// Where it stands in the bundle.
    pub path: String,
    /// Its name.
    pub text: String,
    /// Its version.
    pub version: String,
    /// BCP 47 tag.
    pub language: String,
    /// SHA-256 of the file, lower-case hex: what a decision names.
    pub digest: String,
    /// Heading.
    pub title: String,
    /// What consent is asked for; all of them at the same moment.
    pub purposes: Vec<Purpose>,
    /// The legal basis.
    pub legal_basis: String,
    /// Whose law it was written for.
    pub jurisdiction: String,
    /// Who receives what is made under it.
    pub recipients: Vec<String>,
    /// Class in the retention schedule of what is made under it.
    pub retention_class: String,
    /// How long a consent to it holds.
    pub expires: Expiry,
    /// Whether care depends on it.
    pub required: bool,
    /// Who must decide.
    pub roles: Vec<Role>,
    /// Whether those who consented to an earlier version must be asked again.
    pub ask_again: bool,
    /// With whom it is shared, where that is what is asked.
    pub third_party: Option<String>,
    /// What 42 CFR 2.31 asks for, where the text says that part 2 applies.
    pub part2: Option<Part2>,
    /// `sample` as shipped, `adopted` when it is the clinic's own.
    pub status: String,
    /// The words, in the small Markdown subset the pages render.
    pub body: String,
}

/// How long a consent holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Until the consultation ends.
    Consultation,
    /// For so many days.
    Days(u32),
}

impl Expiry {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            None => (text == "end_of_consultation").then_some(Self::Consultation),
            Some((days, "days" | "day")) => days.parse().ok().filter(|days| (1..=36_500).contains(days)).map(Self::Days),
            Some(_) => None,
        }
    }

    /// As it stands in the head.
    #[must_use]
    pub fn as_text(self) -> String {
        match self {
            Self::Consultation => "end_of_consultation".to_owned(),
            Self::Days(days) => format!("{days} days"),
        }
    }

    /// How long that is, where it does not hang on the consultation.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::Consultation => None,
            Self::Days(days) => Some(Duration::from_hours(24 * u64::from(days))),
        }
    }
}

/// The elements of a consent that 42 CFR 2.31(a) names and that no other fact of the head says already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part2 {
    /// Who may disclose: 2.31(a)(2).
    pub discloser: String,
    /// What may be disclosed, specifically: 2.31(a)(3).
    pub information: String,
    /// Why: 2.31(a)(5).
    pub purpose: String,
    /// That it can be revoked, and how: 2.31(a)(6).
    pub right_to_revoke: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    title: Option<String>,
    purposes: Option<Vec<Purpose>>,
    legal_basis: Option<String>,
    jurisdiction: Option<String>,
    recipients: Option<Vec<String>>,
    retention_class: Option<String>,
    expires: Option<String>,
    required: Option<bool>,
    roles: Option<Vec<Role>>,
    status: Option<String>,
    #[serde(default)]
    ask_again: bool,
    third_party: Option<String>,
    part2: Option<Part2Head>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part2Head {
    discloser: Option<String>,
    information: Option<String>,
    purpose: Option<String>,
    right_to_revoke: Option<String>,
}

/// Something a consent must say and does not.
fn missing(name: &str) -> String {
    format!("CONSENT_INCOMPLETE: {name} is missing")
}

fn said(value: Option<String>, name: &str) -> Result<String, String> {
    value.filter(|text| !text.trim().is_empty()).ok_or_else(|| missing(name))
}

fn listed<T>(value: Option<Vec<T>>, name: &str) -> Result<Vec<T>, String> {
    value.filter(|all| !all.is_empty()).ok_or_else(|| missing(name))
}

/// Separates the head of a text file from its words.
fn split(content: &str) -> Option<(&str, &str)> {
    content.strip_prefix("+++\n")?.split_once("\n+++\n")
}

impl ConsentText {
    /// Reads `consent/<text>/<version>/<language>.md`.
    pub(super) fn parse(path: &str, content: &str) -> Result<Self, String> {
        let mut names = path.split('/').skip(1);
        let (Some(text), Some(version), Some(file), None) = (names.next(), names.next(), names.next(), names.next()) else {
            return Err("must lie at consent/<text>/<version>/<language>.md".to_owned());
        };
        let language = file.strip_suffix(".md").ok_or("must end in .md")?;
        if version.parse::<u32>().is_err() {
            return Err("its version must be a number".to_owned());
        }
        let (head, body) = split(content).ok_or("must begin with a head between +++ lines")?;
        let head: Head = toml::from_str(head).map_err(|e| e.message().to_owned())?;
        if body.trim().is_empty() {
            return Err("has no words".to_owned());
        }
        let purposes = listed(head.purposes, "purposes")?;
        if purposes[0].moment() == Moment::Recording
            && head.roles.as_ref().is_some_and(|roles| Role::ALL.iter().any(|role| !roles.contains(role)))
        {
            return Err("a recording needs the decision of everyone present: roles must name every role".to_owned());
        }
        if purposes.iter().any(|purpose| purpose.moment() != purposes[0].moment()) {
            return Err("its purposes are asked at different moments: they must be texts of their own".to_owned());
        }
        let third_party = head.third_party.filter(|name| !name.trim().is_empty());
        if purposes.contains(&Purpose::ThirdPartySharing) && third_party.is_none() {
            return Err(missing("third_party"));
        }
        let status = said(head.status, "status")?;
        if !matches!(status.as_str(), "sample" | "adopted") {
            return Err("status must be sample or adopted".to_owned());
        }
        let part2 = match head.part2 {
            None => None,
            Some(part2) => Some(Part2 {
                discloser: said(part2.discloser, "part2.discloser")?,
                information: said(part2.information, "part2.information")?,
                purpose: said(part2.purpose, "part2.purpose")?,
                right_to_revoke: said(part2.right_to_revoke, "part2.right_to_revoke")?,
            }),
        };
        Ok(Self {
            path: path.to_owned(),
            text: text.to_owned(),
            version: version.to_owned(),
            language: language.to_owned(),
            digest: sha256_hex(content.as_bytes()),
            title: said(head.title, "title")?,
            purposes,
            legal_basis: said(head.legal_basis, "legal_basis")?,
            jurisdiction: said(head.jurisdiction, "jurisdiction")?,
            recipients: listed(head.recipients, "recipients")?,
            retention_class: said(head.retention_class, "retention_class")?,
            expires: Expiry::parse(&said(head.expires, "expires")?)
                .ok_or("expires must be end_of_consultation or a number of days such as \"365 days\"")?,
            required: head.required.ok_or_else(|| missing("required"))?,
            roles: listed(head.roles, "roles")?,
            ask_again: head.ask_again,
            third_party,
            part2,
            status,
            body: body.to_owned(),
        })
    }

    /// Reads a text from its file as it was once accepted; `None` for a head of an earlier form.
    #[must_use]
    pub fn accepted(text: &str, version: &str, language: &str, content: &str) -> Option<Self> {
        Self::parse(&format!("consent/{text}/{version}/{language}.md"), content).ok()
    }

    /// When it is shown.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.purposes[0].moment()
    }

    /// SHA-256 of title and body as they stand on the screen, lower-case hex: what a browser computes of what it shows.
    #[must_use]
    pub fn shown_digest(&self) -> String {
        crate::crypto::digest::hex(&sha256(&[self.title.as_bytes(), b"\n\n", self.body.as_bytes()]))
    }

    /// The version as the number it is.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.version.parse().unwrap_or(0)
    }

    /// What must be the same in every language of a version.
    fn facts(&self) -> impl PartialEq + use<'_> {
        (
            &self.purposes,
            &self.retention_class,
            self.expires,
            self.required,
            &self.roles,
            self.ask_again,
            self.part2.is_some(),
            self.third_party.is_some(),
        )
    }
}

/// Checks that the languages of each version agree, and that each has English.
pub(super) fn check_agreement(texts: &[ConsentText]) -> Result<(), (String, String)> {
    for text in texts {
        let english = texts.iter().find(|t| t.text == text.text && t.version == text.version && t.language == "en");
        let Some(english) = english else { return Err((text.path.clone(), "the English text of this version is missing".to_owned())) };
        if text.facts() != english.facts() {
            return Err((text.path.clone(), format!("its facts differ from those of {}", english.path)));
        }
    }
    Ok(())
}

/// Title and words of a text file as they once stood in an accepted bundle, whatever its head said beside.
#[must_use]
pub fn former_words(content: &str) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Title {
        title: String,
    }
    let (head, body) = split(content)?;
    let Title { title } = toml::from_str(head).ok()?;
    Some((title, body.to_owned()))
}

/// What someone who was invited is told before joining.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Heading.
    pub title: String,
    /// In order.
    pub paragraphs: Vec<String>,
    /// What is kept.
    pub stored: Vec<String>,
    /// What is not.
    pub not_stored: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "+++\ntitle = \"T\"\npurposes = [\"teaching\"]\nlegal_basis = \"b\"\njurisdiction = \"j\"\nrecipients = [\"r\"]\nretention_class = \"consent\"\nexpires = \"30 days\"\nrequired = false\nroles = [\"patient\"]\nstatus = \"adopted\"\n+++\nWords.\n";

    fn parse(content: &str) -> Result<ConsentText, String> {
        ConsentText::parse("consent/teaching/3/en.md", content)
    }

    #[test]
    fn a_text_says_what_who_why_and_for_how_long() {
        let text = parse(GOOD).expect("good");
        assert_eq!((text.number(), text.moment(), text.expires), (3, Moment::Joining, Expiry::Days(30)));
        assert_eq!(text.shown_digest(), sha256_hex(b"T\n\nWords.\n"));
        assert_eq!(former_words(GOOD), Some(("T".to_owned(), "Words.\n".to_owned())));
    }

    #[test]
    fn a_text_that_lacks_an_element_is_refused_and_the_element_named() {
        for element in
            ["title", "purposes", "legal_basis", "jurisdiction", "recipients", "retention_class", "expires", "required", "roles", "status"]
        {
            let without: String =
                GOOD.lines().filter(|line| !line.starts_with(&format!("{element} "))).map(|l| l.to_owned() + "\n").collect();
            assert_eq!(parse(&without).expect_err("refused"), format!("CONSENT_INCOMPLETE: {element} is missing"));
        }
        let sharing = GOOD.replace("\"teaching\"", "\"third_party_sharing\"");
        assert_eq!(parse(&sharing).expect_err("refused"), "CONSENT_INCOMPLETE: third_party is missing");
        assert!(parse(&sharing.replace("status", "third_party = \"A. Body\"\nstatus")).is_ok());
    }

    #[test]
    fn a_text_under_42_cfr_part_2_has_every_element_of_2_31() {
        let elements = ["discloser", "information", "purpose", "right_to_revoke"];
        let with = |left_out: &str| {
            let lines: Vec<_> = elements.iter().filter(|e| **e != left_out).map(|e| format!("{e} = \"x\"\n")).collect();
            parse(&GOOD.replace("\n+++\nWords", &format!("\n[part2]\n{}+++\nWords", lines.concat())))
        };
        assert!(with("").expect("whole").part2.is_some());
        for element in elements {
            assert_eq!(with(element).expect_err("refused"), format!("CONSENT_INCOMPLETE: part2.{element} is missing"));
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (from, to) in [
            ("[\"teaching\"]", "[\"teaching\", \"recording_audio\"]"),
            ("[\"teaching\"]", "[\"surgery\"]"),
            ("[\"teaching\"]", "[\"recording_audio\"]"),
            ("30 days", "soon"),
            ("30 days", "0 days"),
            ("adopted", "perhaps"),
            ("\"patient\"", "\"king\""),
            ("Words.", " "),
            ("+++\ntitle", "title"),
            ("required", "surprise = 1\nrequired"),
        ] {
            assert!(parse(&GOOD.replace(from, to)).is_err(), "{to}");
        }
        assert!(ConsentText::parse("consent/teaching/one/en.md", GOOD).is_err());
        assert!(ConsentText::parse("consent/teaching/en.md", GOOD).is_err());
    }
}

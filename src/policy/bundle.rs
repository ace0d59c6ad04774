//! The policy bundle: every file under `policies/`, read whole, checked whole, known by one digest.
//!
//! Invariant: a bundle that parses is complete; one that does not is refused whole and the old one stays.

use crate::crypto::digest::{hex, sha256, sha256_hex};
use crate::domain::consent::Moment;
use crate::domain::retention::Class;
use crate::policy::access::AccessPolicies;
use crate::policy::catalogue::{self, ConsentText, Notice};
use crate::policy::consent_rules::ConsentRules;
use crate::policy::examples::{self, Difference, Example};
use crate::policy::sign_in::SignInRules;
use crate::policy::unusual::UnusualRules;
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

#[derive(RustEmbed)]
#[folder = "policies/"]
struct Shipped;

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file could not be read.
    #[error("{path}: {error}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A file is not UTF-8 text.
    #[error("{0}: not UTF-8 text")]
    Encoding(String),
    /// A file says something that cannot be.
    #[error("{path}: {reason}")]
    Invalid {
        /// Which.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A consent text that was accepted before was edited in place.
    #[error("{path}: CONSENT_TEXT_IMMUTABLE: these words were accepted already; add a version instead of editing one")]
    TextImmutable {
        /// Which.
        path: String,
    },
}

/// The files of a bundle by their path below `policies/`. Their canonical JSON is what is stored when a bundle is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Files(BTreeMap<String, String>);

impl Files {
    /// The files this program was built with.
    ///
    /// # Errors
    /// If one of them is not text.
    pub fn shipped() -> Result<Self, BundleError> {
        let mut files = BTreeMap::new();
        for path in Shipped::iter() {
            let Some(file) = Shipped::get(&path) else { continue };
            let text = String::from_utf8(file.data.into_owned()).map_err(|_| BundleError::Encoding(path.to_string()))?;
            files.insert(path.into_owned(), text);
        }
        Ok(Self(files))
    }

    /// The shipped files as the demo obeys them: no role has to set up a second factor before it can be looked at.
    ///
    /// # Errors
    /// If one of them is not text.
    pub fn demo() -> Result<Self, BundleError> {
        let mut shipped = Self::shipped()?;
        if let Some(text) = shipped.0.get_mut("sign-in.toml") {
            let changed = text.lines().map(|line| if line.starts_with("second_factor = ") { "second_factor = []" } else { line });
            *text = changed.collect::<Vec<_>>().join("\n") + "\n";
        }
        Ok(shipped)
    }

    /// The files below a folder.
    ///
    /// # Errors
    /// If one cannot be read or is not text.
    pub fn read(folder: &Path) -> Result<Self, BundleError> {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(current) = folders.pop() {
            let failed = |error| BundleError::Read { path: current.display().to_string(), error };
            for item in fs::read_dir(&current).map_err(failed)? {
                let path = item.map_err(failed)?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                let bytes = fs::read(&path).map_err(|error| BundleError::Read { path: name.clone(), error })?;
                let text = String::from_utf8(bytes).map_err(|_| BundleError::Encoding(name.clone()))?;
                files.insert(name, text);
            }
        }
        Ok(Self(files))
    }

    /// SHA-256 over every path and content digest in order, lower-case hex.
    #[must_use]
    pub fn digest(&self) -> String {
        let lines: Vec<String> = self.0.iter().map(|(path, text)| format!("{path}\0{}\n", sha256_hex(text.as_bytes()))).collect();
        hex(&sha256(&lines.iter().map(String::as_bytes).collect::<Vec<_>>()))
    }

    /// Path and content, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

/// A checked bundle.
pub struct Bundle {
    digest: String,
    files: Files,
    access: AccessPolicies,
    consent_texts: Vec<ConsentText>,
    consent_rules: ConsentRules,
    retention: Vec<Class>,
    notices: BTreeMap<String, Notice>,
    sign_in: SignInRules,
    unusual: UnusualRules,
    examples: Vec<Example>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retention {
    class: Vec<Class>,
}

impl Bundle {
    /// Checks files and makes a bundle of them.
    ///
    /// # Errors
    /// [`BundleError::Invalid`] with the first file that cannot be used.
    pub fn check(files: Files) -> Result<Self, BundleError> {
        let invalid = |path: &str, reason: String| BundleError::Invalid { path: path.to_owned(), reason };
        let under = |prefix: &'static str| files.iter().filter(move |(path, _)| path.starts_with(prefix));
        let access = AccessPolicies::parse(&under("access/")).map_err(|(path, reason)| invalid(&path, reason))?;
        let consent_texts = under("consent/")
            .map(|(path, text)| ConsentText::parse(path, text).map_err(|reason| invalid(path, reason)))
            .collect::<Result<Vec<_>, _>>()?;
        catalogue::check_agreement(&consent_texts).map_err(|(path, reason)| invalid(&path, reason))?;
        let need = |path: &'static str| under(path).next().map(|(_, text)| text).ok_or_else(|| invalid(path, "is missing".to_owned()));
        let retention: Retention =
            toml::from_str(need("retention.toml")?).map_err(|e| invalid("retention.toml", e.message().to_owned()))?;
        for class in &retention.class {
            if class.keep_days == 0 {
                return Err(invalid("retention.toml", format!("class {} keeps nothing: keep_days must be at least 1", class.class)));
            }
        }
        for text in &consent_texts {
            if !retention.class.iter().any(|class| class.class == text.retention_class) {
                return Err(invalid(&text.path, format!("retention class {} is not in the schedule", text.retention_class)));
            }
        }
        let consent_rules = ConsentRules::parse(need("consent.toml")?).map_err(|reason| invalid("consent.toml", reason))?;
        let known = |name: &String| consent_texts.iter().any(|t| *name == format!("{}/{}", t.text, t.version));
        if let Some(unknown) = consent_rules.adopted.iter().find(|name| !known(name)) {
            return Err(invalid("consent.toml", format!("adopted names {unknown}, which is not in the catalogue")));
        }
        let notices: BTreeMap<String, Notice> =
            toml::from_str(need("notice.toml")?).map_err(|e| invalid("notice.toml", e.message().to_owned()))?;
        if !notices.contains_key("en") {
            return Err(invalid("notice.toml", "the English notice is missing".to_owned()));
        }
        let sign_in = SignInRules::parse(need("sign-in.toml")?).map_err(|reason| invalid("sign-in.toml", reason))?;
        let unusual = match under("unusual.toml").next() {
            Some((path, text)) => UnusualRules::parse(text).map_err(|reason| invalid(path, reason))?,
            None => UnusualRules::default(),
        };
        let examples = match under("examples.toml").next() {
            Some((path, text)) => examples::parse(text).map_err(|reason| invalid(path, reason))?,
            None => Vec::new(),
        };
        Ok(Self {
            digest: files.digest(),
            examples,
            sign_in,
            unusual,
            access,
            consent_texts,
            consent_rules,
            retention: retention.class,
            notices,
            files,
        })
    }

    /// The bundle's digest.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Its files.
    #[must_use]
    pub const fn files(&self) -> &Files {
        &self.files
    }

    /// The access policies.
    #[must_use]
    pub const fn access(&self) -> &AccessPolicies {
        &self.access
    }

    /// Every consent text in every version and language.
    #[must_use]
    pub fn consent_texts(&self) -> &[ConsentText] {
        &self.consent_texts
    }

    /// A consent text in the wanted language, or in English where it is not translated.
    #[must_use]
    pub fn consent_text(&self, text: &str, version: &str, language: &str) -> Option<&ConsentText> {
        let base = language.split('-').next().unwrap_or(language);
        let find = |wanted: &str| self.consent_texts.iter().find(|t| t.text == text && t.version == version && t.language == wanted);
        find(base).or_else(|| find("en"))
    }

    /// The newest version of a consent text.
    #[must_use]
    pub fn newest_version(&self, text: &str) -> Option<&str> {
        self.consent_texts.iter().filter(|t| t.text == text).max_by_key(|t| t.number()).map(|t| t.version.as_str())
    }

    /// The newest version of every text that is shown at this moment, in English: its facts are those of every language.
    pub fn texts_at(&self, moment: Moment) -> impl Iterator<Item = &ConsentText> {
        self.consent_texts
            .iter()
            .filter(move |t| t.language == "en" && t.moment() == moment && self.newest_version(&t.text) == Some(t.version.as_str()))
    }

    /// The languages a version is there in.
    #[must_use]
    pub fn languages(&self, text: &str, version: &str) -> Vec<&str> {
        self.consent_texts.iter().filter(|t| t.text == text && t.version == version).map(|t| t.language.as_str()).collect()
    }

    /// Whether a consent to this version still holds: no newer version says that people must be asked again.
    #[must_use]
    pub fn still_holds(&self, text: &str, version: &str) -> bool {
        let Ok(given) = version.parse::<u32>() else { return false };
        !self.consent_texts.iter().any(|t| t.text == text && t.number() > given && t.ask_again)
    }

    /// `sample` or `adopted`: what the clinic says of a version, or else what its head does.
    #[must_use]
    pub fn status(&self, text: &ConsentText) -> &'static str {
        let own = self.consent_rules.adopted.contains(&format!("{}/{}", text.text, text.version));
        if own || text.status == "adopted" { "adopted" } else { "sample" }
    }

    /// The newest versions that are still samples, as `text/version`.
    #[must_use]
    pub fn samples(&self) -> Vec<String> {
        let newest = |t: &&ConsentText| t.language == "en" && self.newest_version(&t.text) == Some(t.version.as_str());
        let samples = self.consent_texts.iter().filter(newest).filter(|t| self.status(t) == "sample");
        samples.map(|t| format!("{}/{}", t.text, t.version)).collect()
    }

    /// The rules of consent.
    #[must_use]
    pub const fn consent_rules(&self) -> &ConsentRules {
        &self.consent_rules
    }

    /// Refuses a bundle that edits a consent text which an accepted one holds, by path and digest of every text ever accepted.
    ///
    /// # Errors
    /// [`BundleError::TextImmutable`] with the first such text.
    pub fn check_unedited(&self, accepted: &BTreeMap<String, String>) -> Result<(), BundleError> {
        let edited = |t: &&ConsentText| accepted.get(&t.path).is_some_and(|digest| *digest != t.digest);
        self.consent_texts.iter().find(edited).map_or(Ok(()), |t| Err(BundleError::TextImmutable { path: t.path.clone() }))
    }

    /// The retention schedule.
    #[must_use]
    pub fn retention(&self) -> &[Class] {
        &self.retention
    }

    /// One class of the retention schedule.
    #[must_use]
    pub fn retention_class(&self, class: &str) -> Option<&Class> {
        self.retention.iter().find(|c| c.class == class)
    }

    /// What this bundle newly allows or denies beside another one, of the example requests of both.
    #[must_use]
    pub fn differences_to(&self, before: &Self) -> Vec<Difference> {
        let mut all = self.examples.clone();
        all.extend(before.examples.iter().filter(|one| !self.examples.iter().any(|own| own.says == one.says)).cloned());
        examples::differences(&all, before.access(), self.access())
    }

    /// The rules of signing in.
    #[must_use]
    pub const fn sign_in(&self) -> &SignInRules {
        &self.sign_in
    }

    /// What stands out in the audit log.
    #[must_use]
    pub const fn unusual(&self) -> &UnusualRules {
        &self.unusual
    }

    /// The data notice in the wanted language, or in English.
    #[must_use]
    pub fn notice(&self, language: &str) -> Option<&Notice> {
        let base = language.split('-').next().unwrap_or(language);
        self.notices.get(base).or_else(|| self.notices.get("en"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(path: &str, text: Option<&str>) -> Result<Bundle, BundleError> {
        let mut files = Files::shipped().expect("text");
        match text {
            Some(text) => files.0.insert(path.to_owned(), text.to_owned()),
            None => files.0.remove(path),
        };
        Bundle::check(files)
    }

    #[test]
    fn the_shipped_bundle_is_whole_and_its_digest_follows_every_byte() {
        let shipped = Bundle::check(Files::shipped().expect("text")).expect("valid");
        assert_eq!(shipped.digest(), Files::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"))).expect("readable").digest());
        assert!(shipped.consent_text("recording-audio-video", "2", "es-MX").is_some_and(|t| t.language == "es"));
        assert!(shipped.consent_text("recording-audio-video", "2", "fi").is_some_and(|t| t.language == "en"));
        let other = changed("notice.toml", Some(&format!("{}\n", shipped.files.0["notice.toml"]))).expect("valid");
        assert_ne!(other.digest(), shipped.digest());
    }

    #[test]
    fn a_change_is_shown_by_the_examples_it_newly_allows_or_denies() {
        let shipped = Bundle::check(Files::shipped().expect("text")).expect("valid");
        assert!(shipped.differences_to(&shipped).is_empty() && shipped.examples.len() > 30);
        let clinician = &shipped.files.0["access/clinician.cedar"];
        let looser =
            changed("access/clinician.cedar", Some(&clinician.replace(" && resource.practitioner == principal", ""))).expect("valid");
        let told = looser.differences_to(&shipped);
        assert!(told.iter().any(|d| d.allowed && d.says == "A clinician joins a colleague's consultation"), "{told:?}");
        let told = shipped.differences_to(&looser);
        assert!(told.iter().any(|d| !d.allowed && d.says == "A clinician joins a colleague's consultation"), "{told:?}");
    }

    #[test]
    fn the_demo_differs_in_one_thing_only() {
        let (shipped, demo) = (Files::shipped().expect("text"), Files::demo().expect("text"));
        let differing: Vec<_> = shipped.iter().zip(demo.iter()).filter(|(a, b)| a != b).map(|((path, _), _)| path).collect();
        assert_eq!(differing, ["sign-in.toml"]);
        let rules = Bundle::check(demo).expect("valid");
        assert!(!crate::domain::access::AccountRole::ALL.into_iter().any(|role| rules.sign_in().needs_second_factor(role)));
    }

    #[test]
    fn one_bad_file_refuses_the_whole_bundle_and_is_named() {
        for (path, text) in [
            ("retention.toml", Some("[[class]]\nclass = \"recording\"\nkeep_days = 0\nbasis = \"\"\ndescription = \"\"\n")),
            ("retention.toml", None),
            ("retention.toml", Some("nonsense")),
            ("notice.toml", Some("[es]\ntitle = \"\"\nparagraphs = []\nstored = []\nnot_stored = []\n")),
            ("access/clinician.cedar", Some("permit (principal, action == Bedside::Action::\"no_such\", resource);")),
            ("access/clinician.cedar", Some("permit (")),
            ("consent/recording-audio-video/2/en.md", Some("no head")),
            ("consent.toml", None),
            ("consent.toml", Some("adopted = []")),
            ("examples.toml", Some("[[example]]\nsays = \"x\"\nwho = \"king\"\ndoes = \"read_audit\"\nto = \"clinic\"\n")),
            ("unusual.toml", Some("zone = \"Nowhere\"")),
            ("sign-in.toml", None),
            ("sign-in.toml", Some("second_factor = []")),
        ] {
            let error = changed(path, text).err().expect("refused").to_string();
            assert!(error.starts_with(path), "{error}");
        }
    }

    fn with_text(shipped: &Files, version: &str, language: &str, change: impl Fn(&str) -> String) -> Bundle {
        let mut files = shipped.clone();
        let original = &shipped.0[&format!("consent/care-by-video/1/{language}.md")];
        files.0.insert(format!("consent/care-by-video/{version}/{language}.md"), change(original));
        Bundle::check(files).expect("valid")
    }

    #[test]
    fn an_accepted_text_is_never_edited_and_versions_live_side_by_side() {
        let files = Files::shipped().expect("text");
        let shipped = Bundle::check(files.clone()).expect("valid");
        let accepted: BTreeMap<_, _> = shipped.consent_texts().iter().map(|t| (t.path.clone(), t.digest.clone())).collect();
        assert!(shipped.check_unedited(&accepted).is_ok());
        let edited = with_text(&files, "1", "fr", |text| text.replace("soignant", "médecin"));
        let refused = edited.check_unedited(&accepted).expect_err("refused").to_string();
        assert!(refused.starts_with("consent/care-by-video/1/fr.md: CONSENT_TEXT_IMMUTABLE"), "{refused}");
        let newer = with_text(&files, "2", "en", |text| text.replace("status", "ask_again = true\nstatus"));
        assert!(newer.check_unedited(&accepted).is_ok());
        assert!(newer.consent_text("care-by-video", "1", "en").is_some() && newer.newest_version("care-by-video") == Some("2"));
        assert!(!newer.still_holds("care-by-video", "1") && newer.still_holds("care-by-video", "2"));
        let silent = with_text(&files, "2", "en", ToOwned::to_owned);
        assert!(silent.still_holds("care-by-video", "1"), "the new one does not say that people are asked again");
    }

    #[test]
    fn languages_of_one_version_that_disagree_are_refused() {
        for (from, to) in [("required = true", "required = false"), ("end_of_consultation", "30 days"), ("\"patient\"", "\"interpreter\"")]
        {
            let mut files = Files::shipped().expect("text");
            let path = "consent/care-by-video/1/de.md";
            let other = files.0[path].replace(from, to);
            files.0.insert(path.to_owned(), other);
            let refused = Bundle::check(files).err().expect("refused").to_string();
            assert!(refused.starts_with(path) && refused.contains("differ"), "{refused}");
        }
    }

    #[test]
    fn shipped_texts_are_there_in_five_languages_and_samples_until_adopted() {
        let mut files = Files::shipped().expect("text");
        let shipped = Bundle::check(files.clone()).expect("valid");
        let names: Vec<_> = shipped.samples();
        assert_eq!(names, ["care-by-video/1", "interpreter-presence/1", "recording-audio-video/2", "recording-audio/1"]);
        for name in &names {
            let (text, version) = name.split_once('/').expect("name");
            assert_eq!(shipped.languages(text, version), ["ar", "de", "en", "es", "fr"], "{name}");
        }
        let rules = files.0["consent.toml"].replace("adopted = []", "adopted = [\"care-by-video/1\"]");
        files.0.insert("consent.toml".to_owned(), rules.clone());
        assert!(!Bundle::check(files.clone()).expect("valid").samples().contains(&"care-by-video/1".to_owned()));
        files.0.insert("consent.toml".to_owned(), rules.replace("care-by-video/1", "no-such/1"));
        assert!(Bundle::check(files).err().expect("refused").to_string().contains("no-such/1"));
    }

    #[test]
    fn shipped_english_texts_read_below_grade_8() {
        let shipped = Bundle::check(Files::shipped().expect("text")).expect("valid");
        for text in shipped.consent_texts().iter().filter(|t| t.language == "en") {
            let grade = crate::policy::reading_level::grade(&format!("## {}\n\n{}", text.title, text.body));
            assert!(grade < 8.0, "{} reads at grade {grade:.1}", text.path);
        }
    }
}

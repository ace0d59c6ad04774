//! `consent.toml`: how consent is obeyed, apart from the words people are shown.

use crate::domain::consent::OneRefusal;
use crate::domain::recording::AfterWithdrawal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The rules of consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentRules {
    /// Sample texts the clinic made its own, as `text/version`.
    pub adopted: Vec<String>,
    /// What happens to a recording when someone withdraws.
    pub after_withdrawal: AfterWithdrawal,
    /// What one refusal means.
    pub one_refusal: OneRefusal,
    /// Days the private link to a person's receipts works.
    pub receipt_link_days: u32,
    /// How often one person may be asked again about one recording.
    pub ask_again_at_most: u32,
    /// Who answers for the data.
    pub controller: Controller,
    /// The notice of 42 CFR 2.32, by language.
    #[serde(default)]
    pub redisclosure: BTreeMap<String, String>,
}

/// Who answers for the data, as receipts say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// Name; the clinic's where it is empty.
    pub name: String,
    /// Postal address.
    pub address: String,
    /// How to reach them.
    pub contact: String,
}

impl ConsentRules {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let rules: Self = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        if !(1..=3650).contains(&rules.receipt_link_days) {
            return Err("receipt_link_days must be 1 to 3650".to_owned());
        }
        if rules.ask_again_at_most > 100 {
            return Err("ask_again_at_most must be at most 100".to_owned());
        }
        if rules.redisclosure.values().any(|words| words.trim().is_empty()) {
            return Err("a redisclosure notice has no words".to_owned());
        }
        Ok(rules)
    }

    /// The redisclosure notice in the wanted language, or in English; `None` where the clinic has none.
    #[must_use]
    pub fn redisclosure_notice(&self, language: &str) -> Option<&str> {
        let base = language.split('-').next().unwrap_or(language);
        self.redisclosure.get(base).or_else(|| self.redisclosure.get("en")).map(String::as_str)
    }
}

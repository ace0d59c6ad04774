//! An entry as Common Event Format (CEF), version 0: what most SIEMs read.

use crate::domain::audit::Outcome;
use crate::services::audit::FoundEntry;
use std::fmt::Write;

/// One line, without its end.
#[must_use]
pub fn line(found: &FoundEntry, version: &str) -> String {
    let entry = &found.entry;
    let severity = match entry.outcome {
        _ if !found.unusual.is_empty() => 8,
        Outcome::Failure => 7,
        Outcome::Denied => 6,
        Outcome::Success => 3,
    };
    let mut text =
        format!("CEF:0|Bedside|Bedside|{}|{}|{}|{severity}|", header(version), header(&entry.event), header(&name(&entry.event)));
    let at = (entry.at.as_micros() / 1_000).to_string();
    let entity = |kind: &str| entry.entity(kind).unwrap_or_default().to_owned();
    let detail = if entry.detail.is_empty() { String::new() } else { serde_json::Value::Object(entry.detail.clone()).to_string() };
    let fields: [(&str, &str); 22] = [
        ("rt", &at),
        ("externalId", &entry.id.to_string()),
        ("cn1", &found.index.to_string()),
        ("cn1Label", "logIndex"),
        ("act", entry.action.as_str()),
        ("outcome", entry.outcome.as_str()),
        ("suid", entry.agent.id.as_deref().unwrap_or_default()),
        ("suser", found.agent_name.as_deref().unwrap_or_default()),
        ("spriv", entry.agent.role.as_deref().unwrap_or_default()),
        ("src", found.network.as_deref().unwrap_or_default()),
        ("dvchost", &entry.server.name),
        ("reason", &entry.purpose_of_use),
        ("cs1", &entity("patient")),
        ("cs1Label", "patient"),
        ("cs2", &entity("consultation")),
        ("cs2Label", "consultation"),
        ("cs3", &found.unusual.join(" ")),
        ("cs3Label", "unusual"),
        ("cs4", &found.leaf_hash),
        ("cs4Label", "leafHash"),
        ("cs5", &detail),
        ("cs5Label", "detail"),
    ];
    let mut first = true;
    for (at, (key, value)) in fields.iter().enumerate() {
        // a label goes with its value
        let of = if key.ends_with("Label") { fields.get(at.wrapping_sub(1)).map_or("", |(_, value)| value) } else { value };
        if of.is_empty() {
            continue;
        }
        let _ = write!(text, "{}{key}={}", if first { "" } else { " " }, extension(value));
        first = false;
    }
    text
}

/// `recording.playback_granted` in words.
fn name(event: &str) -> String {
    event.replace(['.', '_'], " ")
}

fn header(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn extension(text: &str) -> String {
    text.replace('\\', "\\\\").replace('=', "\\=").replace('\r', "\\r").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_ends_its_field() {
        assert_eq!(header("a|b\\c\nd"), "a\\|b\\\\c d");
        assert_eq!(extension("a=b\\c\nd|e"), "a\\=b\\\\c\\nd|e");
        assert_eq!(name("recording.playback_granted"), "recording playback granted");
    }
}

//! Holds the code to the house: a file imports only from floors below its own, and not from a sibling where that is forbidden.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a test or benchmark ends loudly, prints, and documents itself by its names"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Floor of each top-level module. Within a floor a module imports only itself, except at the top.
const FLOORS: [(&str, u8); 14] = [
    ("domain", 0),
    ("crypto", 1),
    ("feeds", 2),
    ("identity", 2),
    ("media", 2),
    ("policy", 2),
    ("storage", 2),
    ("services", 3),
    ("gateway", 4),
    ("http", 5),
    ("cli", 6),
    ("config", 6),
    ("telemetry", 6),
    ("startup", 6),
];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).expect("folder") {
        let path = item.expect("item").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The source without comments, so that words in prose do not count.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("source");
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn module_of(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(ROOT).join("src")).expect("below src");
    below.components().next().expect("a name").as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Every `crate::name` of a source, also inside `use crate::{…}`.
fn imports(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && c.is_alphabetic() => {
                        names.push(word(&group[i..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            names.push(word(rest));
        }
    }
    names
}

#[test]
fn a_file_imports_only_from_floors_below_its_own() {
    let floors: BTreeMap<&str, u8> = FLOORS.into_iter().collect();
    let mut wrong = Vec::new();
    let files = rust_files(&Path::new(ROOT).join("src"));
    assert!(files.len() > 60, "the sources were found");
    for file in files {
        let own = module_of(&file);
        if matches!(own.as_str(), "lib" | "main" | "bin") {
            continue;
        }
        let floor = floors.get(own.as_str()).unwrap_or_else(|| panic!("{own} has no floor"));
        for name in imports(&code(&file)) {
            let Some(other) = floors.get(name.as_str()) else { continue };
            let sibling = name != own && other == floor && *floor < 6;
            if other > floor || sibling {
                wrong.push(format!("{} imports {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_check_itself_sees_grouped_and_nested_imports() {
    assert_eq!(imports("use crate::{domain::id::{A, B}, storage, http::x};"), ["domain", "storage", "http"]);
    assert_eq!(imports("let x = crate::services::y();"), ["services"]);
}

#[test]
fn a_library_stays_where_the_house_put_it() {
    let mut wrong = Vec::new();
    let places: [(&str, &[&str]); 16] = [
        ("sqlx::", &["storage/"]),
        ("actix_web::", &["http/", "startup.rs", "cli/serve.rs"]),
        ("cedar_policy::", &["policy/"]),
        ("argon2::", &["crypto/"]),
        ("aes_gcm::", &["crypto/"]),
        ("fast_floe::", &["crypto/"]),
        ("ed25519_dalek::", &["crypto/", "bin/bedside-verify/"]),
        ("tlog_tiles::", &["crypto/"]),
        ("signed_note::", &["crypto/"]),
        ("rtc::", &["gateway/media/"]),
        ("webauthn_rs::", &["identity/"]),
        ("openidconnect::", &["identity/"]),
        ("totp_rs::", &["crypto/"]),
        ("reqwest::", &["identity/", "feeds/"]),
        ("rusty_s3::", &["feeds/"]),
        ("tokio_rustls::", &["feeds/"]),
    ];
    for file in rust_files(&Path::new(ROOT).join("src")) {
        let name = file.strip_prefix(Path::new(ROOT).join("src")).expect("below src").to_string_lossy().into_owned();
        let code = code(&file);
        for (library, allowed) in places {
            let used =
                code.match_indices(library).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"'));
            if used && !allowed.iter().any(|place| name.starts_with(place)) {
                wrong.push(format!("{name} knows {library}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A second opinion is one only if it was formed alone.
#[test]
fn the_verifier_shares_no_code_with_the_server() {
    let folder = Path::new(ROOT).join("src/bin/bedside-verify");
    let own: Vec<_> = rust_files(&folder).iter().map(|file| file.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    assert!(own.len() >= 6, "the sources were found");
    for file in rust_files(&folder) {
        let code = code(&file);
        for foreign in ["bedside::", "tlog_tiles", "signed_note", "ct_merkle", "#[path", "include!", "extern crate"] {
            assert!(!code.contains(foreign), "{} uses {foreign}", file.display());
        }
        for name in imports(&code) {
            assert!(own.contains(&name) || name.starts_with(char::is_uppercase), "{} imports {name}", file.display());
        }
    }
}

#[test]
fn every_file_says_at_its_top_why_it_exists() {
    let silent: Vec<_> = rust_files(&Path::new(ROOT).join("src"))
        .into_iter()
        .filter(|file| !fs::read_to_string(file).expect("source").starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn both_engines_have_the_same_migrations() {
    let names = |engine: &str| {
        let mut names: Vec<_> =
            fs::read_dir(Path::new(ROOT).join("migrations").join(engine)).expect("folder").map(|f| f.expect("file").file_name()).collect();
        names.sort();
        names
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
}

/// Operations that let one read what is protected. `PlayRecording` is one by another name.
const READS: [&str; 21] = [
    "SearchPatients",
    "ListConsultations",
    "ListAllConsultations",
    "ReadConsultation",
    "ReadGivenConsents",
    "ReadOwnConsents",
    "ReadConsents",
    "ExportConsents",
    "ReviewWithdrawal",
    "ListRecordings",
    "PlayRecording",
    "ReadAudit",
    "ExportAudit",
    "ReadPolicies",
    "ReadRetention",
    "ReviewAudit",
    "ReadAccounts",
    "ReadAccess",
    "ReadEmergencies",
    "ReadOwnSignIn",
    "ReadCustody",
];

/// What is read under such a permit without an entry of its own, as `docs/architecture.md` says: numbers, names, and what is the caller's own.
const UNRECORDED: [&str; 9] = [
    "clinicians",
    "end_other_sessions",
    "log_reviews",
    "own_consultations",
    "own_emergency",
    "own_sessions",
    "places",
    "saved_searches",
    "unseen_emergencies",
];

/// Name, operation and return type of every public operation of a source that takes a permit; without spaces.
fn permitted(code: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for function in code.split("pub async fn ").skip(1) {
        let signature: String = function.split('{').next().unwrap_or_default().split_whitespace().collect();
        let name: String = signature.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some((parameters, returned)) = signature.rsplit_once("->") else { continue };
        let Some((operation, _)) = parameters.split_once("&Permit<").and_then(|(_, rest)| rest.split_once('>')) else { continue };
        found.push((name, operation.to_owned(), returned.to_owned()));
    }
    found
}

fn comes_with_its_entry(returned: &str) -> bool {
    returned.starts_with("Result<Recorded<") || returned.starts_with("Result<(),")
}

/// `Recorded` is made only once the entry is committed: a read that returns anything else may have none.
#[test]
fn what_a_permit_lets_one_read_comes_with_its_entry() {
    let operations = code(&Path::new(ROOT).join("src/domain/access.rs"));
    let beginnings = ["Read", "List", "Search", "Review", "Export"];
    let named: Vec<&str> = operations
        .lines()
        .filter_map(|line| line.trim().split_once(" = \"").map(|(name, _)| name))
        .filter(|name| beginnings.iter().any(|beginning| name.starts_with(beginning)))
        .collect();
    assert!(named.len() >= 20, "the operations were found");
    for name in named {
        assert!(READS.contains(&name), "{name} is an operation that reads, and stands in no list");
    }
    let (mut recorded, mut unrecorded, mut wrong) = (0, Vec::new(), Vec::new());
    for file in rust_files(&Path::new(ROOT).join("src/services")) {
        for (name, operation, returned) in permitted(&code(&file)) {
            if !READS.contains(&operation.as_str()) {
                continue;
            }
            if UNRECORDED.contains(&name.as_str()) {
                unrecorded.push(name);
            } else if comes_with_its_entry(&returned) {
                recorded += 1;
            } else {
                wrong.push(format!("{} gives {returned} from {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(recorded >= 42, "the operations that read were found: {recorded}");
    unrecorded.sort();
    assert_eq!(unrecorded, UNRECORDED, "an exception that is none any more");
}

#[test]
fn the_check_itself_sees_reads_without_an_entry() {
    let found = permitted(
        "pub async fn a(&self, permit: &Permit<ReadAudit>) -> Result<Recorded<Found>, E> {}
         pub async fn b(\n&self,\n_permit: &Permit<ListRecordings>,\n) -> Result<Vec<Recorded<u8>>, E> {}
         pub async fn c(&self) -> Result<u8, E> {}
         pub(crate) async fn d(&self, permit: &Permit<ReadAudit>) -> Result<u8, E> {}
         pub async fn e(self: &Arc<Self>, id: u8, permit: &Permit<ReadAudit>) -> Result<(), E> {}",
    );
    let seen: Vec<_> =
        found.iter().map(|(name, operation, returned)| (name.as_str(), operation.as_str(), comes_with_its_entry(returned))).collect();
    assert_eq!(seen, [("a", "ReadAudit", true), ("b", "ListRecordings", false), ("e", "ReadAudit", true)]);
}

/// `policies/controls.toml` says which test shows each control: a name that no test has is a claim that nothing shows.
#[test]
fn every_control_names_tests_that_exist() {
    let root = Path::new(ROOT);
    let controls: toml::Table = fs::read_to_string(root.join("policies/controls.toml")).expect("controls").parse().expect("TOML");
    let all = |folder: &str, ending: &str| {
        let mut text = String::new();
        let mut folders = vec![root.join(folder)];
        while let Some(current) = folders.pop() {
            for item in fs::read_dir(current).expect("folder") {
                let path = item.expect("item").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == ending) {
                    text.push_str(&fs::read_to_string(&path).expect("source"));
                }
            }
        }
        text
    };
    let (server, outside, browsers) = (all("src", "rs"), all("tests", "rs"), all("frontend/e2e", "mjs"));
    let rows = controls["control"].as_array().expect("rows");
    assert!(rows.len() > 20);
    for row in rows {
        let shown_by = row["shown_by"].as_array().expect("shown_by");
        assert!(!shown_by.is_empty(), "{} is shown by nothing", row["id"]);
        for test in shown_by {
            let test = test.as_str().expect("a name");
            let found = if let Some(title) = test.strip_prefix("e2e: ") {
                browsers.contains(&format!("\"{title}\""))
            } else {
                let function = format!("fn {}(", test.rsplit("::").next().expect("a name"));
                let outer = ["api::", "architecture::", "theorems::"].iter().any(|start| test.starts_with(start));
                if outer { outside.contains(&function) } else { server.contains(&function) }
            };
            assert!(found, "{} names a test that does not exist: {test}", row["id"]);
        }
    }
}

//! The program's other commands, run as an operator runs them.

use crate::support::people::{Browser, Visit, parts};
use crate::support::server::{Engine, policies, run, run_on};
use crate::support::verifier::verify;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn bedside(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bedside"))
        .args(arguments)
        .env_remove("BEDSIDE_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // a program that refuses its arguments may have ended before it reads
    let _ = child.stdin.take().expect("input").write_all(input.as_bytes());
    child.wait_with_output().expect("the program ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn an_account_made_at_the_machine_can_sign_in_and_a_short_password_cannot_be_given() {
    let folder = tempfile::tempdir().expect("folder");
    let database = format!("sqlite:{}", folder.path().join("data/bedside.db").display());
    let keys = folder.path().join("keys").display().to_string();
    let policies = policies(folder.path(), false).display().to_string();
    let add = |password: &str, role: &str| {
        let arguments = [
            "user",
            "add",
            "Nora",
            "--name",
            "Dr. Nora Berg",
            "--role",
            role,
            "--database",
            &database,
            "--keys",
            &keys,
            "--policies",
            &policies,
        ];
        bedside(&arguments, &format!("{password}\n"))
    };
    let short = add("too short", "clinician");
    assert!(!short.status.success() && text(&short.stderr).contains("must have at least 15 characters"), "{}", text(&short.stderr));
    let unknown = add("long enough to be good", "king");
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("clinician, scheduler, auditor, records_officer or administrator"));
    let made = add("long enough to be good", "clinician");
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(!text(&made.stdout).contains("long enough"));
    run_on(folder.path(), &database, async |server| {
        let browser = Browser::new(server);
        browser.post("/sign-in", json!({"username": "nora", "password": "long enough to be good"})).await.expect(200);
    });
}

#[test]
fn policies_are_checked_and_a_change_waits_until_it_is_accepted() {
    let folder = tempfile::tempdir().expect("folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let good = bedside(&["policy", "check", &shipped.display().to_string()], "");
    assert!(good.status.success() && text(&good.stdout).contains("Digest"), "{}", text(&good.stderr));
    assert!(text(&good.stdout).contains("None of the example requests"), "{}", text(&good.stdout));
    let looser = policies(&folder.path().join("looser"), true);
    let file = looser.join("access/clinician.cedar");
    let changed = fs::read_to_string(&file).expect("policy").replace(" && resource.practitioner == principal", "");
    fs::write(&file, changed).expect("written");
    let told = text(&bedside(&["policy", "check", &looser.display().to_string()], "").stdout);
    assert!(told.contains("newly allowed: A clinician joins a colleague's consultation"), "{told}");
    let back = ["policy", "check", &shipped.display().to_string(), "--against", &looser.display().to_string()];
    assert!(text(&bedside(&back, "").stdout).contains("newly denied : A clinician joins a colleague's consultation"));
    let roles = text(&bedside(&["policy", "roles"], "").stdout);
    assert!(roles.contains("| Watch a recording (`play_recording`) | own, or granted |"), "{roles}");
    let bad = folder.path().join("bad");
    fs::create_dir(&bad).expect("folder");
    fs::write(bad.join("retention.toml"), "nonsense").expect("file");
    let refused = bedside(&["policy", "check", &bad.display().to_string()], "");
    assert!(!refused.status.success() && !text(&refused.stderr).is_empty());
    let database = format!("sqlite:{}", folder.path().join("data/bedside.db").display());
    let keys = folder.path().join("keys").display().to_string();
    let accepted =
        bedside(&["policy", "accept", "--database", &database, "--keys", &keys, "--policies", &shipped.display().to_string()], "");
    assert!(accepted.status.success() && text(&accepted.stdout).starts_with("In force: "), "{}", text(&accepted.stderr));
}

#[test]
fn what_must_not_be_served_is_not() {
    for arguments in [
        &["serve", "--demo", "--listen", "0.0.0.0:0"][..],
        &["serve", "--demo", "--media-listen", "0.0.0.0:0"][..],
        &["serve", "--public-origin", "http://calls.example"][..],
        &["serve", "--database", "mysql:x", "--keys", "/proc/nonexistent/keys"][..],
        &["audit", "verify", "--database", "mysql:x", "--keys", "/proc/nonexistent/keys"][..],
        &["audit", "export", "--out", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")][..],
    ] {
        let refused = bedside(arguments, "");
        assert!(!refused.status.success(), "{arguments:?}");
        assert!(text(&refused.stderr).contains("bedside: "), "{arguments:?}: {}", text(&refused.stderr));
    }
}

/// The log is checked and taken away beside a running server, which goes on giving entries their place; the file checks without either.
#[test]
fn the_log_is_verified_and_exported_at_the_machine() {
    let folder = tempfile::tempdir().expect("folder");
    let database = format!("sqlite:{}", folder.path().join("data/bedside.db").display());
    run_on(folder.path(), &database, async |server| {
        let keys = folder.path().join("keys").display().to_string();
        let rules = policies(folder.path(), false).display().to_string();
        let out = folder.path().join("audit.tar").display().to_string();
        // by another name than the server's: the log keeps its own
        let places = ["--database", &database, "--keys", &keys, "--policies", &rules, "--public-origin", "https://elsewhere.example"];
        let audit = |arguments: &[&str]| bedside(&["audit"].iter().chain(arguments).chain(&places).copied().collect::<Vec<_>>(), "");
        let verified = audit(&["verify"]);
        assert!(text(&verified.stdout).contains("complete and unchanged"), "{}", text(&verified.stderr));
        let exported = audit(&["export", "--out", &out, "--disclose"]);
        assert!(exported.status.success(), "{}", text(&exported.stderr));
        let (code, answer) = verify(&[&out, "--key", server.services.verifier_key()]);
        assert_eq!((code, answer["ok"].as_bool()), (0, Some(true)), "{answer}");
        assert!(!audit(&["export", "--out", &out]).status.success(), "a file is never written over");
        server.tamper("DROP TRIGGER audit_entries_never_change; UPDATE audit_entries SET body = replace(body, 'success', 'failure') WHERE leaf_index = 2").await;
        let found = audit(&["verify"]);
        assert!(!found.status.success() && text(&found.stderr).contains("entry 2"), "{}", text(&found.stderr));
    });
}

/// Everything an administrator does in the page, from the machine; a running server obeys at once.
#[test]
fn accounts_are_managed_at_the_machine_and_a_running_server_obeys_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let database = format!("sqlite:{}", folder.path().join("data/bedside.db").display());
    run_on(folder.path(), &database, async |server| {
        let keys = folder.path().join("keys").display().to_string();
        let rules = policies(folder.path(), false).display().to_string();
        let user = |arguments: &[&str]| {
            let places = ["--database", &database, "--keys", &keys, "--policies", &rules, "--public-origin", &server.origin];
            let all: Vec<&str> = ["user"].iter().chain(arguments).chain(&places).copied().collect();
            let done = bedside(&all, "");
            assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
            text(&done.stdout)
        };
        let visit = Visit::of(server, "ben").await;
        let mut socket = visit.clinician.join(&visit.id).await;
        socket.snapshot("the room", |_| true).await;
        assert!(tokio::task::block_in_place(|| user(&["list"])).contains("ben"));
        assert!(tokio::task::block_in_place(|| user(&["suspend", "ben"])).contains("ben is suspended"));
        let suspended = std::time::Instant::now();
        assert!(matches!(socket.close_code().await, 4401 | 4403));
        assert!(suspended.elapsed() < std::time::Duration::from_millis(200), "{:?}", suspended.elapsed());
        visit.clinician.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        tokio::task::block_in_place(|| user(&["restore", "ben"]));
        Browser::signed_in(server, "ben").await;
        assert!(tokio::task::block_in_place(|| user(&["role", "ben", "--role", "scheduler"])).contains("now scheduler"));
        let invited = tokio::task::block_in_place(|| user(&["invite", "nora", "--name", "Nora Berg", "--role", "auditor"]));
        let (link, secret) = parts(invited.lines().nth(1).expect("a link"));
        let nora = Browser::new(server);
        let password = "copper lantern drifts sideways";
        nora.post(&format!("/account-links/{link}/use"), json!({"secret": secret, "password": password})).await.expect(204);
        nora.post("/sign-in", json!({"username": "nora", "password": password})).await.expect(200);
        assert!(tokio::task::block_in_place(|| user(&["reset-password", "nora"])).contains("/set-password/"));
        nora.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
        tokio::task::block_in_place(|| user(&["reset-factors", "nora"]));
        let review: serde_json::Value = serde_json::from_str(&tokio::task::block_in_place(|| user(&["access"]))).expect("JSON");
        assert!(review["users"].as_array().expect("users").iter().any(|u| u["username"] == "nora" && u["role"] == "auditor"));
    });
}

#[test]
fn the_doctor_warns_of_sample_texts_outside_the_demo_until_they_are_adopted() {
    run(Engine::Sqlite, async |server| {
        let doctor = |arguments: &[&str]| {
            let output = Command::new(env!("CARGO_BIN_EXE_bedside"))
                .arg("doctor")
                .args(arguments)
                .env("BEDSIDE_DATABASE", &server.database)
                .env("BEDSIDE_POLICIES", server.folder.join("policies"))
                .env("BEDSIDE_KEYS", server.folder.join("keys"))
                .env("BEDSIDE_RECORDINGS", server.folder.join("recordings"))
                .output()
                .expect("the command runs");
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let (well, said) = doctor(&[]);
        assert!(well && said.contains("WARN   patients are shown sample consent texts: care-by-video/1"), "{said}");
        let (well, said) = doctor(&["--demo"]);
        assert!(well && !said.contains("WARN"), "{said}");
        let rules = server.folder.join("policies/consent.toml");
        let adopted = fs::read_to_string(&rules).expect("rules").replace(
            "adopted = []",
            "adopted = [\"care-by-video/1\", \"interpreter-presence/1\", \"recording-audio/1\", \"recording-audio-video/2\"]",
        );
        fs::write(&rules, adopted.replace("name = \"\"", "name = \"Riverside Clinic\"")).expect("written");
        let (_, said) = doctor(&[]);
        assert!(said.contains("WARN"), "what is not accepted is not in force: {said}");
        let output = Command::new(env!("CARGO_BIN_EXE_bedside"))
            .args(["policy", "accept"])
            .env("BEDSIDE_DATABASE", &server.database)
            .env("BEDSIDE_POLICIES", server.folder.join("policies"))
            .env("BEDSIDE_KEYS", server.folder.join("keys"))
            .env("BEDSIDE_RECORDINGS", server.folder.join("recordings"))
            .output()
            .expect("the command runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        let (well, said) = doctor(&[]);
        assert!(well && !said.contains("WARN"), "{said}");
    });
}

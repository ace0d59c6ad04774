//! Audit or nothing: what happens when the log cannot be written. A full disk, a disk that went read-only, one that hangs, a database file
//! that was moved away or replaced, and a PostgreSQL that hangs or is stopped, all of them real.

use crate::consent::{Call, call, recorded};
use crate::support::people::{Browser, Reply, send};
use crate::support::postgres::OwnCluster;
use crate::support::server::{Engine, TestServer, run_as, run_on};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What `controls.md` promises.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

/// A small file system of its own, on a file.
struct Disk {
    mount: PathBuf,
    device: String,
}

fn run(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(
        done.status.success(),
        "{program} {arguments:?}: {} (this test mounts a file system and needs root)",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

impl Disk {
    fn new(folder: &Path) -> Self {
        let (image, mount) = (folder.join("disk.img"), folder.join("disk"));
        fs::create_dir_all(&mount).expect("folder");
        fs::File::create(&image).expect("image").set_len(24 << 20).expect("image");
        run("mkfs.ext4", &["-q", "-m", "0", &image.display().to_string()]);
        let device = run("losetup", &["--find", "--show", &image.display().to_string()]);
        run("mount", &["-o", "errors=remount-ro", &device, &mount.display().to_string()]);
        Self { mount, device }
    }

    fn fill(&self) {
        let filler = self.mount.join("filler");
        for size in [1 << 20, 1 << 12, 1] {
            while fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&filler)
                .and_then(|mut f| std::io::Write::write_all(&mut f, &vec![1; size]))
                .is_ok()
            {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.mount.join("filler")).expect("removed");
    }

    /// What the kernel does when the disk reports an error: from now on the file system is read-only.
    fn turn_read_only(&self) {
        let name = self.device.rsplit('/').next().expect("a name");
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "a test").expect("ext4 takes the error");
    }

    fn freeze(&self, yes: bool) {
        run("fsfreeze", &[if yes { "--freeze" } else { "--unfreeze" }, &self.mount.display().to_string()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // whatever became of the test: a frozen file system would hold its process for ever
        let _ = Command::new("fsfreeze").arg("--unfreeze").arg(&self.mount).output();
        let _ = Command::new("umount").arg("--lazy").arg(&self.mount).status();
        let _ = Command::new("losetup").args(["--detach", &self.device]).status();
    }
}

/// Runs a test on a server whose database lies on a disk of its own.
fn on_a_disk(test: impl AsyncFnOnce(&TestServer, &Disk)) {
    let folder = tempfile::tempdir().expect("folder");
    let disk = Disk::new(folder.path());
    let database = format!("sqlite:{}", disk.mount.join("data/bedside.db").display());
    run_as(Engine::Sqlite, |_, config| config.database.clone_from(&database), async |server| test(server, &disk).await);
}

async fn timed(request: impl Future<Output = Reply>) -> (Reply, Duration) {
    let began = Instant::now();
    (request.await, began.elapsed())
}

/// The server refuses, soon, and says truthfully that nothing happened.
async fn refuses(what: &str, request: impl Future<Output = Reply>) {
    refuses_with(what, "none", request).await;
}

async fn refuses_with(what: &str, outcome: &str, request: impl Future<Output = Reply>) {
    let (reply, took) = timed(request).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (503, "AUDIT_UNAVAILABLE"), "{what}: {}", reply.text);
    let said = reply.body["outcome"].as_str().unwrap_or_default();
    assert!(outcome.split('|').any(|one| one == said), "{what}: {}", reply.text);
    assert!(took < REFUSED_WITHIN, "{what} took {took:?}");
}

/// It took effect, soon, though nobody could write it down.
async fn takes_effect(what: &str, request: impl Future<Output = Reply>) {
    let (reply, took) = timed(request).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (202, "AUDIT_PENDING"), "{what}: {}", reply.text);
    assert!(took < REFUSED_WITHIN, "{what} took {took:?}");
}

async fn found(browser: &Browser, narrow: Value) -> Vec<Value> {
    browser.post("/audit/search", narrow).await.expect(200).body["entries"].as_array().expect("entries").clone()
}

/// Whether the log has an event that took effect before it could be written down.
async fn is_written(auditor: &Browser, consultation: &str, event: &str) -> bool {
    let reply = auditor.post("/audit/search", json!({"consultation": consultation, "event": event})).await;
    reply.body["entries"].as_array().is_some_and(|all| all.iter().any(|e| e["detail"]["took_effect_at"].is_string()))
}

/// Someone is being recorded when the log fails: reads and changes are refused, protective acts take effect, and once the log is back
/// everything that took effect is in it.
async fn story(server: &TestServer, outcome: &str, fails: impl FnOnce(), is_back: impl FnOnce()) {
    let mut call: Call = call(server).await;
    let recording = recorded(&mut call).await;
    let (ana, consultation) = (call.visit.clinician.clone(), call.visit.id.clone());
    let auditor = Browser::signed_in(server, "aud").await;
    // the others are known to the server from what they did last
    ana.get("/me").await.expect(200);
    auditor.get("/me").await.expect(200);
    let second = Browser::signed_in(server, "ana").await;
    second.get("/me").await.expect(200);
    let sessions = second.get("/me/sign-in-sessions").await.expect(200).body;
    let current = sessions["sessions"].as_array().expect("sessions").iter().find(|s| s["current"] == true).expect("its own")["id"].clone();
    let elsewhere = current.as_str().expect("id").to_owned();
    let administrator = Browser::signed_in(server, "adm").await;
    let users = administrator.get("/users").await.expect(200).body;
    let ben = users["users"].as_array().expect("users").iter().find(|u| u["username"] == "ben").expect("ben")["id"].clone();
    let ben = ben.as_str().expect("id").to_owned();
    let colleague = Browser::signed_in(server, "ben").await;
    colleague.get("/me").await.expect(200);
    fails();

    refuses_with("a read", outcome, ana.get(&call.visit.path(""))).await;
    refuses_with("a change", outcome, ana.post("/consultations", json!({"patient_id": call.visit.patient_id, "starts_at": null}))).await;
    refuses_with("an export", outcome, auditor.post("/audit/export", json!({}))).await;
    refuses_with("a search", outcome, auditor.post("/audit/search", json!({}))).await;

    takes_effect("a withdrawal", call.patient.post(&call.visit.path("/consents/withdraw"), json!({"recording": recording}))).await;
    call.ana.snapshot("the recording is over", |s| s["recording"].is_null() || s["recording"]["state"] != "active").await;
    refuses("a new recording", ana.post(&call.visit.path("/recordings"), json!({}))).await;
    takes_effect("leaving", call.patient.post(&call.visit.path("/leave"), json!({}))).await;
    call.ana.snapshot("they are gone", |s| s["participants"].as_array().map(Vec::len) == Some(1)).await;
    takes_effect("ending another session of one's own", ana.post(&format!("/me/sign-in-sessions/{elsewhere}/end"), json!({}))).await;
    takes_effect("suspending someone", administrator.post(&format!("/users/{ben}/suspend"), json!({}))).await;
    takes_effect("signing out", ana.post("/sign-out", json!({}))).await;
    assert!(ana.cookies().is_empty(), "the cookie is gone");

    is_back();
    let written = async {
        for event in ["consent.withdrawn", "recording.stopped", "participant.left"] {
            while !is_written(&auditor, &consultation, event).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), written).await.expect("what took effect is written down");
    for event in ["sign_in.session_ended", "account.suspended", "sign_in.ended"] {
        let late = async {
            while !found(&auditor, json!({"event": event})).await.iter().any(|e| e["detail"]["took_effect_at"].is_string()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), late).await.unwrap_or_else(|_| panic!("{event} is written down"));
    }
    second.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
    colleague.get("/me").await.refused(401, "SIGN_IN_EXPIRED");
    let verified = auditor.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!(verified["ok"], true, "{verified}");
    // and recordings may begin again
    let again = Browser::signed_in(server, "ana").await;
    again.get(&call.visit.path("")).await.expect(200);
}

#[test]
fn a_full_disk_refuses_and_protects() {
    on_a_disk(async |server, disk| story(server, "none", || disk.fill(), || disk.make_room()).await);
}

/// What a disk that hangs was told may still be written when it goes on: the answer does not claim to know.
#[test]
fn a_disk_that_hangs_refuses_and_protects() {
    on_a_disk(async |server, disk| story(server, "none|unknown", || disk.freeze(true), || disk.freeze(false)).await);
}

/// Nothing mends a read-only file system while it is in use: what took effect is in the spool, and in the log after a restart elsewhere.
#[test]
fn a_disk_that_went_read_only_refuses_and_what_was_spooled_survives() {
    let folder = tempfile::tempdir().expect("folder");
    let disk = Disk::new(folder.path());
    let database = format!("sqlite:{}", disk.mount.join("data/bedside.db").display());
    let mut consultation = String::new();
    run_on(folder.path(), &database, async |server| {
        let mut call: Call = call(server).await;
        let recording = recorded(&mut call).await;
        consultation.clone_from(&call.visit.id);
        disk.turn_read_only();
        refuses("a change", call.visit.clinician.post("/consultations", json!({"patient_id": call.visit.patient_id, "starts_at": null})))
            .await;
        refuses("a read", call.visit.clinician.get(&call.visit.path(""))).await;
        takes_effect("a withdrawal", call.patient.post(&call.visit.path("/consents/withdraw"), json!({"recording": recording}))).await;
        call.ana.snapshot("the recording is over", |s| s["recording"].is_null() || s["recording"]["state"] != "active").await;
    });
    // the operator repairs it
    let (moved, device) = (disk.mount.display().to_string(), disk.device.clone());
    run("umount", &[&moved]);
    let _ = Command::new("fsck.ext4").args(["-y", &device]).output();
    run("mount", &[&device, &moved]);
    run_on(folder.path(), &database, async |server| {
        let auditor = Browser::signed_in(server, "aud").await;
        let written = async {
            while !is_written(&auditor, &consultation, "consent.withdrawn").await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), written).await.expect("it is in the log");
        assert_eq!(auditor.post("/audit/verify", json!({})).await.expect(200).body["ok"], true);
    });
}

/// A file that nobody can open any more still takes writes. Nothing may rest on those.
#[test]
fn a_database_file_that_was_removed_or_replaced_is_noticed() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("data/bedside.db");
    let aside = folder.path().join("data/aside.db");
    run_on(folder.path(), &format!("sqlite:{}", file.display()), async |server| {
        let mut call: Call = call(server).await;
        let recording = recorded(&mut call).await;
        let ana = call.visit.clinician.clone();
        let links = ana.get(&call.visit.path("/invitations")).await.expect(200).body;
        let link = links["invitations"][0]["id"].as_str().expect("the patient's link").to_owned();
        fs::rename(&file, &aside).expect("moved");
        refuses("a read", ana.get(&call.visit.path(""))).await;
        fs::copy(&aside, &file).expect("another in its place");
        refuses("a change", ana.post("/consultations", json!({"patient_id": call.visit.patient_id, "starts_at": null}))).await;
        takes_effect("a withdrawal", call.patient.post(&call.visit.path("/consents/withdraw"), json!({"recording": recording}))).await;
        // a link that was used is taken back: its holder goes, though nobody can write it down
        let take_back = async || ana.post(&format!("/invitations/{link}/cancel"), json!({})).await;
        takes_effect("taking a link back", take_back()).await;
        takes_effect("taking it back again", take_back()).await;
        call.ana.snapshot("they are gone", |s| s["participants"].as_array().map(Vec::len) == Some(1)).await;
        // the one that is open is put back
        fs::rename(&aside, &file).expect("moved back");
        ana.get(&call.visit.path("")).await.expect(200);
        let auditor = Browser::signed_in(server, "aud").await;
        let written = async {
            while !is_written(&auditor, &call.visit.id, "invitation.cancelled").await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), written).await.expect("it is in the log");
        take_back().await.expect(200);
        let all = found(&auditor, json!({"consultation": call.visit.id, "event": "invitation.cancelled"})).await;
        assert_eq!(all.len(), 1, "what is so already is not done again");
    });
}

/// Someone puts an older state of the tables in place of the present one: the log is shorter than the one that was signed.
#[test]
fn a_log_that_was_put_back_to_an_older_state_stops_everything() {
    run_as(
        Engine::Postgres,
        |_, _| (),
        async |server| {
            let call: Call = call(server).await;
            server.tamper("DELETE FROM audit_checkpoints WHERE size = (SELECT MAX(size) FROM audit_checkpoints)").await;
            let refused = async {
                // the next entry makes the sequencer look
                while call.visit.clinician.get(&call.visit.path("")).await.status != 503 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(5), refused).await.expect("it is noticed");
            refuses("everything from then on", call.visit.clinician.get(&call.visit.path(""))).await;
        },
    );
}

#[test]
fn a_postgresql_that_hangs_refuses_and_protects() {
    let cluster = OwnCluster::start();
    let database = cluster.database();
    run_as(
        Engine::Postgres,
        |_, config| config.database.clone_from(&database),
        async |server| {
            story(server, "none", || cluster.signal("STOP"), || cluster.signal("CONT")).await;
        },
    );
}

/// As many as the server keeps connections: if so many requests in a row are answered, none of them met one that was cut.
const CONNECTIONS: usize = 20;

/// Every connection is cut, and for a while no new one can be had. Nobody starts the server again: it finds the database by itself.
#[test]
fn a_postgresql_that_was_stopped_refuses_at_once_and_is_found_again() {
    let cluster = OwnCluster::start();
    let database = cluster.database();
    run_as(
        Engine::Postgres,
        |_, config| config.database.clone_from(&database),
        async |server| {
            let mut call: Call = call(server).await;
            let recording = recorded(&mut call).await;
            let ana = call.visit.clinician.clone();
            let auditor = Browser::signed_in(server, "aud").await;
            let leaving = Browser::signed_in(server, "ben").await;
            // the server knows them from what they did last
            for browser in [&ana, &auditor, &leaving] {
                browser.get("/me").await.expect(200);
            }
            let listed = ana.get("/consultations").await.expect(200).body["consultations"].as_array().map(Vec::len);
            let new_one = json!({"patient_id": call.visit.patient_id, "starts_at": null});
            cluster.stop();

            // the first requests meet connections that were cut, the later ones find that there are no new ones
            for _ in 0..3 {
                refuses("a change", ana.post("/consultations", new_one.clone())).await;
                refuses("a read", ana.get(&call.visit.path(""))).await;
                refuses("a search", auditor.post("/audit/search", json!({}))).await;
            }
            takes_effect("a withdrawal", call.patient.post(&call.visit.path("/consents/withdraw"), json!({"recording": recording}))).await;
            call.ana.snapshot("the recording is over", |s| s["recording"].is_null() || s["recording"]["state"] != "active").await;
            takes_effect("signing out", leaving.post("/sign-out", json!({}))).await;
            assert!(leaving.cookies().is_empty(), "the cookie is gone");
            refuses("a new recording", ana.post(&call.visit.path("/recordings"), json!({}))).await;

            cluster.start_again();
            let found_again = async {
                let mut in_a_row = 0;
                while in_a_row < CONNECTIONS {
                    let reply = ana.get(&call.visit.path("")).await;
                    assert!(matches!(reply.status.as_u16(), 200 | 503), "{}", reply.text);
                    in_a_row = if reply.status == 200 { in_a_row + 1 } else { 0 };
                }
            };
            tokio::time::timeout(Duration::from_secs(8), found_again).await.expect("requests are answered again");
            let written = async {
                while !is_written(&auditor, &call.visit.id, "consent.withdrawn").await {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                while !found(&auditor, json!({"event": "sign_in.ended"})).await.iter().any(|e| e["detail"]["took_effect_at"].is_string()) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), written).await.expect("what took effect is written down");
            // what was refused did not happen, and what is new does
            let all = async || ana.get("/consultations").await.expect(200).body["consultations"].as_array().map(Vec::len);
            assert_eq!(all().await, listed);
            ana.post("/consultations", new_one).await.expect(201);
            assert_eq!(all().await, listed.map(|many| many + 1));
            assert_eq!(auditor.post("/audit/verify", json!({})).await.expect(200).body["ok"], true);
        },
    );
}

/// Whoever was told that the outcome is unknown asks again with the same key.
#[test]
fn a_request_with_a_key_is_done_once() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        run_as(
            engine,
            |_, _| (),
            async |server| {
                let ana = Browser::signed_in(server, "ana").await;
                let details = json!({"identifier": "MRN-5", "name": "Ada Okafor", "birth_date": "1980-01-02", "language": "en", "call_back_number": null});
                let ask = async |key: &str, browser: &Browser| {
                    send(browser.request(reqwest::Method::POST, "/patients").header("Idempotency-Key", key).json(&details)).await
                };
                ask("one", &ana).await.expect(201);
                ask("one", &ana).await.refused(409, "REPEATED");
                ask("two", &ana).await.expect(201);
                let other = json!({"identifier": "MRN-6", "name": "Ada Okafor", "birth_date": "1980-01-02", "language": "en", "call_back_number": null});
                let reused = ana.request(reqwest::Method::POST, "/patients").header("Idempotency-Key", "one").json(&other);
                send(reused).await.refused(422, "KEY_REUSED");
                let ben = Browser::signed_in(server, "ben").await;
                ask("one", &ben).await.expect(201);
                ask(&"x".repeat(256), &ana).await.refused(400, "MALFORMED");
                let found = ana.post("/patients/search", json!({"text": "okafor"})).await.expect(200).body;
                assert_eq!(found["patients"].as_array().map(Vec::len), Some(3));
                // what was denied was not done
                let sam = Browser::signed_in(server, "aud").await;
                ask("one", &sam).await.refused(403, "FORBIDDEN");
                ask("one", &sam).await.refused(403, "FORBIDDEN");
                let many: Vec<_> = (0..20).map(|_| ask("at once", &ana)).collect();
                let answers = futures_util::future::join_all(many).await;
                assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
            },
        );
    }
}

/// The engine itself refuses a change without an entry, whoever makes it.
#[test]
fn postgresql_commits_no_change_without_an_entry() {
    use sqlx::Connection;
    run_as(
        Engine::Postgres,
        |_, _| (),
        async |server| {
            call(server).await;
            let mut connection = sqlx::PgConnection::connect(&server.database).await.expect("database");
            for sql in [
                "UPDATE accounts SET display_name = 'X'",
                "DELETE FROM participant_tokens",
                "INSERT INTO playbacks SELECT 'x', r.id, a.id, 0, 0 FROM recordings r, accounts a LIMIT 1",
                "UPDATE subject_keys SET evidence_key = NULL",
                "UPDATE consultations SET status = 'completed'",
            ] {
                let mut tx = connection.begin().await.expect("transaction");
                let done = sqlx::query(sql).execute(&mut *tx).await.expect("until it commits").rows_affected();
                let refused = tx.commit().await;
                if done > 0 {
                    let error = refused.expect_err(sql).to_string();
                    assert!(error.contains("needs an audit entry in the same transaction"), "{sql}: {error}");
                }
            }
            // an entry of another transaction does not count
            let mut tx = connection.begin().await.expect("transaction");
            sqlx::query("SELECT set_config('bedside.audited', '1', true)").execute(&mut *tx).await.expect("set");
            sqlx::query("UPDATE accounts SET display_name = 'X'").execute(&mut *tx).await.expect("until it commits");
            assert!(tx.commit().await.is_err());
        },
    );
}

//! The log handed on to places outside: a collector over HTTP, a syslog server over TLS, a folder, an object store, an address, a witness.
//! Each of them is a real one that is slow, refuses or breaks off as such places do.

use crate::support::people::Browser;
use crate::support::server::{Engine, TestServer, run_as};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside::config::Config;
use bedside::crypto::signing::open_checkpoint;
use bedside::crypto::tree::is_consistent;
use bedside::feeds::settings::{CopyConfig, FeedConfig};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncReadExt;

const PATIENCE: Duration = Duration::from_secs(30);

async fn until(what: &str, mut fits: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !fits().await {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

/// Entries in the log.
async fn size(auditor: &Browser) -> u64 {
    auditor.post("/audit/search", json!({"limit": 1})).await.expect(200).body["size"].as_u64().expect("size")
}

async fn place(auditor: &Browser, name: &str) -> Value {
    let all = auditor.get("/audit/places").await.expect(200).body;
    all["places"].as_array().expect("places").iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("{name} in {all}")).clone()
}

/// A server on this machine that answers every POST with what `answer` makes of it, and keeps the requests.
struct Endpoint {
    address: String,
    stop: actix_web::dev::ServerHandle,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        drop(self.stop.stop(false));
    }
}

impl Endpoint {
    fn start(answer: impl Fn(&HttpRequest, &str) -> HttpResponse + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        let server = HttpServer::new(move || {
            let answer = Arc::clone(&answer);
            App::new().app_data(web::PayloadConfig::new(64 << 20)).default_service(web::to(
                move |request: HttpRequest, body: web::Bytes| {
                    let answer = Arc::clone(&answer);
                    async move { answer(&request, std::str::from_utf8(&body).expect("text")) }
                },
            ))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .expect("a port");
        let address = format!("http://{}", server.addrs()[0]);
        let running = server.run();
        let stop = running.handle();
        std::thread::spawn(move || actix_web::rt::System::new().block_on(running));
        Self { address, stop }
    }
}

fn feed(name: &str, to: &str, more: &str) -> FeedConfig {
    toml::from_str(&format!("name = \"{name}\"\nto = \"{to}\"\n{more}")).expect("settings")
}

fn copy(name: &str, to: &str, more: &str) -> CopyConfig {
    toml::from_str(&format!("name = \"{name}\"\nto = \"{to}\"\nevery_seconds = 1\n{more}")).expect("settings")
}

fn on(engine: Engine, change: impl FnOnce(&Path, &mut Config), test: impl AsyncFnOnce(&TestServer)) {
    run_as(engine, change, test);
}

/// The collector answers 503, then 429 with a wait, then 500, breaks off, and takes it at last; meanwhile people work and none of them waits.
#[test]
fn a_collector_that_refuses_and_breaks_off_gets_every_entry_and_delays_nobody() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let taken: Arc<Mutex<Vec<Value>>> = Arc::default();
        let tries = Arc::new(Mutex::new(0_u32));
        let (kept, asked) = (Arc::clone(&taken), Arc::clone(&tries));
        let collector = Endpoint::start(move |request, body| {
            let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
            assert_eq!((header("authorization").as_str(), header("content-type").as_str()), ("Bearer the token", "application/x-ndjson"));
            assert!(header("idempotency-key").starts_with("siem/"));
            let mut tries = asked.lock().expect("lock");
            *tries += 1;
            match *tries {
                1 => HttpResponse::ServiceUnavailable().finish(),
                2 => HttpResponse::TooManyRequests().insert_header(("Retry-After", "1")).finish(),
                // it has them, and its answer gets lost: they come again
                3 => {
                    kept.lock().expect("lock").extend(body.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
                    HttpResponse::InternalServerError().finish()
                }
                _ => {
                    kept.lock().expect("lock").extend(body.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
                    HttpResponse::Ok().finish()
                }
            }
        });
        let address = format!("{}/in?key=canary-in-an-address", collector.address);
        on(
            engine,
            |folder, config| {
                std::fs::write(folder.join("token"), "the token\n").expect("written");
                config.feeds = vec![feed("siem", &address, &format!("token_file = \"{}\"", folder.join("token").display()))];
            },
            async |server| {
                let auditor = Browser::signed_in(server, "aud").await;
                until("the refusal to be shown", async || {
                    let siem = place(&auditor, "siem").await;
                    assert!(!siem.to_string().contains("canary"), "{siem}");
                    siem["error"].is_string() && siem["failing_since"].is_string()
                })
                .await;
                for _ in 0..30 {
                    auditor.get("/retention").await.expect(200);
                }
                let all = size(&auditor).await;
                until("everything to be taken", async || place(&auditor, "siem").await["position"].as_u64() >= Some(all)).await;
                assert!(place(&auditor, "siem").await["error"].is_null());
                let taken = taken.lock().expect("lock");
                let indexes: Vec<u64> = taken.iter().map(|line| line["index"].as_u64().expect("index")).collect();
                let distinct: BTreeSet<u64> = indexes.iter().copied().collect();
                assert!(indexes.len() > distinct.len(), "what was not confirmed came again");
                assert!(distinct.iter().copied().eq(0..distinct.len() as u64), "none is missing");
                for line in taken.iter() {
                    assert!(line["entry"]["id"].is_string() && line["leaf_hash"].is_string() && line["network"].is_null(), "{line}");
                }
            },
        );
    }
}

/// A restart goes on where it stopped.
#[test]
fn what_was_handed_on_before_a_restart_is_not_handed_on_again() {
    let taken: Arc<Mutex<Vec<u64>>> = Arc::default();
    let kept = Arc::clone(&taken);
    let collector = Endpoint::start(move |_, body| {
        // CEF: the place is an extension field
        let index = |line: &str| {
            line.split("cn1=").nth(1).and_then(|rest| rest.split(' ').next()).expect("a place").parse::<u64>().expect("a number")
        };
        assert!(body.lines().all(|line| line.starts_with("CEF:0|Bedside|Bedside|")), "{body}");
        kept.lock().expect("lock").extend(body.lines().map(index));
        HttpResponse::Ok().finish()
    });
    let folder = tempfile::tempdir().expect("folder");
    let database = format!("sqlite:{}", folder.path().join("data/bedside.db").display());
    let change = |config: &mut Config| {
        config.feeds = vec![feed("siem", &collector.address, "format = \"cef\"")];
    };
    let mut before = 0;
    crate::support::server::run_changed(folder.path(), &database, change, async |server| {
        let auditor = Browser::signed_in(server, "aud").await;
        before = size(&auditor).await;
        until("the first entries", async || place(&auditor, "siem").await["position"].as_u64() >= Some(before)).await;
    });
    let seen = taken.lock().expect("lock").len() as u64;
    assert!(seen >= before);
    crate::support::server::run_changed(folder.path(), &database, change, async |server| {
        let auditor = Browser::signed_in(server, "aud").await;
        let all = size(&auditor).await;
        until("the others", async || place(&auditor, "siem").await["position"].as_u64() >= Some(all)).await;
    });
    let taken = taken.lock().expect("lock");
    let distinct: BTreeSet<u64> = taken.iter().copied().collect();
    assert_eq!(distinct.len(), taken.len(), "each once");
    assert!(distinct.iter().copied().eq(0..distinct.len() as u64));
}

/// The messages in octet-counted frames (RFC 5425, section 4.3).
fn frames(bytes: &[u8]) -> Vec<String> {
    let mut rest = bytes;
    let mut all = Vec::new();
    while let Some(space) = rest.iter().position(|b| *b == b' ') {
        let length: usize = std::str::from_utf8(&rest[..space]).expect("a length").parse().expect("a number");
        let Some(message) = rest.get(space + 1..space + 1 + length) else { break };
        all.push(String::from_utf8(message.to_vec()).expect("UTF-8"));
        rest = &rest[space + 1 + length..];
    }
    all
}

/// A TLS server on this machine, and the file of a certificate authority. `known`: whether that authority vouches for the server.
struct Tls {
    acceptor: tokio_rustls::TlsAcceptor,
    listener: std::net::TcpListener,
    feed: FeedConfig,
    _folder: tempfile::TempDir,
}

impl Tls {
    fn new(known: bool) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let make = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("certificate");
        let own = make();
        let folder = tempfile::tempdir().expect("folder");
        let authorities = folder.path().join("ca.pem");
        std::fs::write(&authorities, if known { own.cert.pem() } else { make().cert.pem() }).expect("written");
        let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("key");
        let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).expect("TLS");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("nonblocking");
        let port = listener.local_addr().expect("address").port();
        let more = format!("[tls]\nauthorities = \"{}\"", authorities.display());
        let feed = feed("syslog", &format!("syslog+tls://localhost:{port}"), &more);
        Self { acceptor: tokio_rustls::TlsAcceptor::from(Arc::new(tls)), listener, feed, _folder: folder }
    }
}

/// Breaks its first connection off after a part of what came, so that nobody can know what arrived. Then it stays.
#[test]
fn a_syslog_server_over_tls_gets_every_entry_though_it_breaks_off() {
    let Tls { acceptor, listener, feed, _folder } = Tls::new(true);
    let got: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    on(
        Engine::Sqlite,
        |_, config| {
            config.feeds = vec![feed];
        },
        async |server| {
            let kept = Arc::clone(&got);
            let listener = tokio::net::TcpListener::from_std(listener).expect("listener");
            tokio::spawn(async move {
                for connection in 0.. {
                    let (socket, _) = listener.accept().await.expect("connection");
                    let mut stream = acceptor.accept(socket).await.expect("TLS");
                    kept.lock().expect("lock").push(Vec::new());
                    let mut space = vec![0; 4096];
                    while let Ok(length) = stream.read(&mut space).await {
                        if length == 0 {
                            break;
                        }
                        if connection == 0 {
                            // nothing of it was looked at
                            break;
                        }
                        kept.lock().expect("lock")[connection].extend_from_slice(&space[..length]);
                    }
                }
            });
            let auditor = Browser::signed_in(server, "aud").await;
            let all = size(&auditor).await;
            until("the syslog server to have everything", async || {
                // the next request makes an entry, which makes the broken connection show
                auditor.get("/retention").await.expect(200);
                place(&auditor, "syslog").await["position"].as_u64() >= Some(all)
            })
            .await;
        },
    );
    let got = got.lock().expect("lock");
    assert!(got.len() >= 2, "it came again");
    let messages: Vec<String> = got.iter().skip(1).flat_map(|bytes| frames(bytes)).collect();
    let mut seen = BTreeSet::new();
    for message in &messages {
        let (head, text) = message.split_once(" - {").unwrap_or_else(|| panic!("{message}"));
        let parts: Vec<&str> = head.split(' ').collect();
        assert!(parts[0].starts_with("<1") && parts[0].ends_with(">1") && parts.len() == 6 && parts[3] == "bedside", "{message}");
        let line: Value = serde_json::from_str(&format!("{{{text}")).expect("JSON");
        assert_eq!(parts[5], line["entry"]["event"], "{message}");
        seen.insert(line["index"].as_u64().expect("index"));
    }
    assert!(seen.iter().copied().eq(0..seen.len() as u64), "none is missing: {seen:?}");
}

#[test]
fn a_server_whose_certificate_nobody_vouches_for_gets_nothing() {
    let Tls { acceptor, listener, feed, _folder } = Tls::new(false);
    on(
        Engine::Sqlite,
        |_, config| {
            config.feeds = vec![feed];
        },
        async |server| {
            let listener = tokio::net::TcpListener::from_std(listener).expect("listener");
            tokio::spawn(async move {
                loop {
                    let (socket, _) = listener.accept().await.expect("connection");
                    assert!(acceptor.accept(socket).await.is_err(), "nobody speaks to a stranger");
                }
            });
            let auditor = Browser::signed_in(server, "aud").await;
            until("the refusal to be shown", async || {
                place(&auditor, "syslog").await["error"].as_str().is_some_and(|e| e.contains("certificate"))
            })
            .await;
            assert_eq!(place(&auditor, "syslog").await["position"], 0);
        },
    );
}

/// A C2SP tlog-witness: it remembers the size and root it signed last, and signs a larger one only with a proof that the log grew to it.
struct Witness {
    key: SigningKey,
    log_key: Mutex<String>,
    seen: Mutex<(u64, [u8; 32])>,
}

impl Witness {
    fn encoded(&self) -> Vec<u8> {
        [&[4][..], self.key.verifying_key().as_bytes()].concat()
    }

    fn id(&self) -> [u8; 4] {
        Sha256::digest([&b"witness.example/w\n"[..], &self.encoded()].concat())[..4].try_into().expect("four")
    }

    fn verifier_key(&self) -> String {
        format!("witness.example/w+{:08x}+{}", u32::from_be_bytes(self.id()), STANDARD.encode(self.encoded()))
    }

    fn add_checkpoint(&self, body: &str) -> HttpResponse {
        let (head, note) = body.split_once("\n\n").expect("a note");
        let mut lines = head.lines();
        let old: u64 = lines.next().and_then(|l| l.strip_prefix("old ")).expect("old").parse().expect("a size");
        let proof: Vec<[u8; 32]> = lines.map(|l| STANDARD.decode(l).expect("base64").try_into().expect("a hash")).collect();
        let Ok(head) = open_checkpoint(&self.log_key.lock().expect("lock"), note) else { return HttpResponse::Forbidden().finish() };
        let mut seen = self.seen.lock().expect("lock");
        if old != seen.0 {
            return HttpResponse::Conflict().content_type("text/x.tlog.size").body(format!("{}\n", seen.0));
        }
        let before = bedside::crypto::signing::TreeHead { size: seen.0, root: seen.1 };
        if seen.0 > 0 && !is_consistent(&proof, head, before) {
            return HttpResponse::UnprocessableEntity().finish();
        }
        *seen = (head.size, head.root);
        let text = note.split("\n\n").next().expect("text");
        let time = 1_770_000_000_u64;
        let signature = self.key.sign(format!("cosignature/v1\ntime {time}\n{text}\n").as_bytes());
        let line = [&self.id()[..], &time.to_be_bytes(), &signature.to_bytes()].concat();
        HttpResponse::Ok().body(format!("\u{2014} witness.example/w {}\n", STANDARD.encode(line)))
    }
}

/// A checkpoint copied somewhere is one of this log, and the log as it is exported grew from it.
fn is_of_the_log(server: &TestServer, note: &str) -> u64 {
    open_checkpoint(server.services.verifier_key(), note).expect("a checkpoint of this log").size
}

#[test]
fn checkpoints_are_copied_to_a_folder_an_address_and_a_witness_whose_signature_the_export_has() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let witness =
            Arc::new(Witness { key: SigningKey::from_bytes(&[9; 32]), log_key: Mutex::default(), seen: Mutex::new((0, [0; 32])) });
        let (asked, posted) = (Arc::clone(&witness), Arc::new(Mutex::new(Vec::<String>::new())));
        let at_witness = Endpoint::start(move |request, body| {
            assert_eq!(request.path(), "/prefix/add-checkpoint");
            asked.add_checkpoint(body)
        });
        let kept = Arc::clone(&posted);
        let at_address = Endpoint::start(move |_, body| {
            kept.lock().expect("lock").push(body.to_owned());
            HttpResponse::NoContent().finish()
        });
        let worm = tempfile::tempdir().expect("folder");
        let folder = worm.path().join("worm");
        std::fs::create_dir(&folder).expect("the disk is there");
        on(
            engine,
            |_, config| {
                config.checkpoint_copies = vec![
                    copy("worm", &format!("file://{}", folder.display()), ""),
                    copy("address", &at_address.address, ""),
                    copy("witness", &format!("{}/prefix", at_witness.address), &format!("witness = \"{}\"", witness.verifier_key())),
                ];
            },
            async |server| {
                let auditor = Browser::signed_in(server, "aud").await;
                // until now the witness knew no such log
                until("the witness to refuse", async || place(&auditor, "witness").await["error"] == "it answered 403").await;
                server.services.verifier_key().clone_into(&mut witness.log_key.lock().expect("lock"));
                let all = size(&auditor).await;
                for name in ["worm", "address", "witness"] {
                    until(name, async || place(&auditor, name).await["position"].as_u64() >= Some(all)).await;
                }
                // and the log grows on, with the witness ahead of what is noted here, as after a crash
                server.tamper("UPDATE audit_feeds SET position = 3 WHERE name LIKE 'witness/%'").await;
                let more = size(&auditor).await;
                until("the witness to follow", async || place(&auditor, "witness").await["position"].as_u64() >= Some(more)).await;
                for note in posted.lock().expect("lock").iter() {
                    is_of_the_log(server, note);
                }
                let files: BTreeMap<u64, String> = std::fs::read_dir(&folder)
                    .expect("folder")
                    .map(|f| f.expect("file").path())
                    .map(|path| {
                        (
                            path.file_name().and_then(|n| n.to_str()).expect("name").parse().expect("size"),
                            std::fs::read_to_string(&path).expect("note"),
                        )
                    })
                    .collect();
                assert!(!files.is_empty() && files.iter().all(|(size, note)| is_of_the_log(server, note) == *size));

                let export = worm.path().join("audit.tar");
                std::fs::write(&export, auditor.post("/audit/export", json!({})).await.expect(200).bytes).expect("written");
                let oldest = folder.join(files.keys().next().expect("one").to_string());
                let verify = |witness: &str| -> (bool, String) {
                    let done = Command::new(env!("CARGO_BIN_EXE_bedside-verify"))
                        .args([
                            export.as_os_str(),
                            "--key".as_ref(),
                            server.services.verifier_key().as_ref(),
                            "--checkpoint".as_ref(),
                            oldest.as_os_str(),
                        ])
                        .args(["--witness", witness])
                        .output()
                        .expect("it runs");
                    (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
                };
                let (good, said) = verify(&witness.verifier_key());
                assert!(good && said.contains("witness.example/w saw the first"), "{said}");
                let stranger = Witness { key: SigningKey::from_bytes(&[8; 32]), log_key: Mutex::default(), seen: Mutex::new((0, [0; 32])) };
                let (good, said) = verify(&stranger.verifier_key());
                assert!(!good && said.contains("was signed by"), "{said}");
            },
        );
    }
}

/// An object store: `moto`, which keeps objects and their locks as Amazon's does.
struct Store(Child, String);

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin")
}

#[test]
fn checkpoints_are_locked_in_an_object_store() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address").port();
    let server = tools().join("moto_server");
    assert!(server.exists(), "scripts/needs.sh test installs moto");
    let child = Command::new(server).args(["-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("moto");
    let store = Store(child, format!("http://127.0.0.1:{port}"));
    let python = |script: &str| -> String {
        let done = Command::new(tools().join("python"))
            .args(["-c", &format!("import boto3, sys, json\ns3 = boto3.client('s3', endpoint_url='{}', region_name='eu-central-1', aws_access_key_id='id', aws_secret_access_key='secret')\n{script}", store.1)])
            .output()
            .expect("python");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    };
    let began = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < PATIENCE, "moto does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    python(
        "s3.create_bucket(Bucket='worm', ObjectLockEnabledForBucket=True, CreateBucketConfiguration={'LocationConstraint': 'eu-central-1'})",
    );
    on(
        Engine::Sqlite,
        |folder, config| {
            let token = folder.join("key");
            std::fs::write(&token, "id\nsecret\n").expect("written");
            let more = format!("token_file = \"{}\"\nregion = \"eu-central-1\"\nlock_days = 30", token.display());
            config.checkpoint_copies = vec![copy("objects", &format!("s3+{}/worm/clinic", store.1), &more)];
        },
        async |server| {
            let auditor = Browser::signed_in(server, "aud").await;
            let all = size(&auditor).await;
            until("the store to have it", async || place(&auditor, "objects").await["position"].as_u64() >= Some(all)).await;
            let answer = python(
                "keys = [o['Key'] for o in s3.list_objects_v2(Bucket='worm')['Contents']]\n\
                 out = []\n\
                 for key in keys:\n    \
                     lock = s3.head_object(Bucket='worm', Key=key)\n    \
                     body = s3.get_object(Bucket='worm', Key=key)['Body'].read().decode()\n    \
                     version = s3.list_object_versions(Bucket='worm', Prefix=key)['Versions'][0]['VersionId']\n    \
                     gone = True\n    \
                     try: s3.delete_object(Bucket='worm', Key=key, VersionId=version)\n    \
                     except Exception: gone = False\n    \
                     out.append([key, lock['ObjectLockMode'], lock['ObjectLockRetainUntilDate'].timestamp(), body, gone])\n\
                 print(json.dumps(out))",
            );
            let objects: Vec<(String, String, f64, String, bool)> = serde_json::from_str(&answer).expect("JSON");
            assert!(!objects.is_empty());
            let now = bedside::domain::time::Clock::now(server.clock.as_ref()).as_micros() as f64 / 1e6;
            for (key, mode, until, note, gone) in objects {
                assert_eq!((key, mode.as_str(), gone), (format!("clinic/{}", is_of_the_log(server, &note)), "COMPLIANCE", false));
                assert!((until - now - 30.0 * 86_400.0).abs() < 120.0, "thirty days");
            }
        },
    );
}

#[test]
fn what_cannot_be_handed_on_is_refused_at_the_start() {
    use bedside::startup::{Application, Parts};
    let folder = tempfile::tempdir().expect("folder");
    let database = format!("sqlite:{}", folder.path().join("bedside.db").display());
    let start = |change: &dyn Fn(&mut Config)| -> String {
        let mut config = crate::support::server::config(folder.path(), &database);
        change(&mut config);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async { Application::build(config, Parts::default()).await.err().expect("refused").to_string() })
    };
    let refused = start(&|config| config.feeds = vec![feed("siem", "http://siem.example/in", "")]);
    assert!(refused.contains("siem") && refused.contains("https"), "{refused}");
    let refused = start(&|config| config.feeds = vec![feed("a", "https://x.example", ""), feed("a", "https://y.example", "")]);
    assert!(refused.contains("each name once"), "{refused}");
    let refused = start(&|config| config.checkpoint_copies = vec![copy("c", "https://w.example", "witness = \"nonsense\"")]);
    assert!(refused.contains("cosigner"), "{refused}");
    assert!(
        toml::from_str::<FeedConfig>("name = \"x\"\nto = \"https://x.example\"\ntokn_file = \"x\"")
            .expect_err("refused")
            .to_string()
            .contains("tokn_file")
    );
}

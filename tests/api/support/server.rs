//! A real server on port 0 with a fresh database, stopped when the test ends.

use super::postgres;
use bedside::config::Config;
use bedside::crypto::password::Cost;
use bedside::domain::access::AccountRole;
use bedside::domain::secret::Secret;
use bedside::domain::time::{Clock, Timestamp};
use bedside::services::Services;
use bedside::startup::{Application, Parts, SystemClock};
use sqlx::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Which engine a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// The system's clock, moved forward by the test.
#[derive(Default)]
pub struct MovableClock(AtomicI64);

impl MovableClock {
    pub fn forward(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).expect("small"), Ordering::SeqCst);
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock.now().as_micros() + self.0.load(Ordering::SeqCst))
    }
}

/// A running server.
pub struct TestServer {
    pub origin: String,
    pub address: std::net::SocketAddr,
    pub media_address: std::net::SocketAddr,
    pub services: Arc<Services>,
    pub clock: Arc<MovableClock>,
    pub database: String,
    pub folder: PathBuf,
}

impl TestServer {
    /// Changes the database as someone could who has it in hand: past its triggers, and without the server.
    pub async fn tamper(&self, sql: &'static str) {
        if self.database.starts_with("sqlite:") {
            sqlx::raw_sql(sql).execute(&mut sqlx::SqliteConnection::connect(&self.database).await.expect("database")).await.expect(sql);
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.database).await.expect("database");
            sqlx::raw_sql("SET session_replication_role = replica").execute(&mut connection).await.expect("a superuser");
            sqlx::raw_sql(sql).execute(&mut connection).await.expect(sql);
        }
    }
}

pub const PASSWORD: &str = "a long enough test password";

/// Every account of every test server.
pub const ACCOUNTS: [(&str, &str, AccountRole); 6] = [
    ("ana", "Dr. Ana Ruiz", AccountRole::Clinician),
    ("ben", "Dr. Ben Okafor", AccountRole::Clinician),
    ("sam", "Tom Lindqvist", AccountRole::Scheduler),
    ("aud", "Jonas Weber", AccountRole::Auditor),
    ("rec", "Ines Moreau", AccountRole::RecordsOfficer),
    ("adm", "Mira Patel", AccountRole::Administrator),
];

/// Policy files as they are shipped, but for one line: whether every role must show a second factor.
pub fn policies(folder: &Path, second_factor: bool) -> PathBuf {
    let copy = folder.join("policies");
    if !copy.exists() {
        copy_folder(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies")), &copy);
        if !second_factor {
            let path = copy.join("sign-in.toml");
            let text = std::fs::read_to_string(&path).expect("rules");
            let changed: Vec<_> =
                text.lines().map(|line| if line.starts_with("second_factor = ") { "second_factor = []" } else { line }).collect();
            std::fs::write(&path, changed.join("\n")).expect("rules");
        }
    }
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for item in std::fs::read_dir(from).expect("folder") {
        let path = item.expect("item").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
}

pub fn config(folder: &Path, database: &str) -> Config {
    let loopback = "127.0.0.1:0".parse().expect("address");
    Config {
        clinic_name: "Test Clinic".to_owned(),
        listen: loopback,
        media_listen: loopback,
        database: database.to_owned(),
        recordings: folder.join("recordings"),
        spool: folder.join("spool"),
        keys: folder.join("keys"),
        policies: Some(policies(folder, false)),
        workers: 1,
        ..Config::default()
    }
}

/// Runs a test against a server of its own.
pub fn run(engine: Engine, test: impl AsyncFnOnce(&TestServer)) {
    run_as(engine, |_, _| (), test);
}

/// Runs a server on existing data; can be called again to restart it.
pub fn run_on(folder: &Path, database: &str, test: impl AsyncFnOnce(&TestServer)) {
    run_with(folder, config(folder, database), test);
}

/// As [`run_on`], set up in another way.
pub fn run_changed(folder: &Path, database: &str, change: impl FnOnce(&mut Config), test: impl AsyncFnOnce(&TestServer)) {
    let mut config = config(folder, database);
    change(&mut config);
    run_with(folder, config, test);
}

/// Runs a test against a server of its own that is set up in another way.
pub fn run_as(engine: Engine, change: impl FnOnce(&Path, &mut Config), test: impl AsyncFnOnce(&TestServer)) {
    let folder = tempfile::tempdir().expect("folder");
    let database = match engine {
        Engine::Sqlite => format!("sqlite:{}", folder.path().join("data/bedside.db").display()),
        Engine::Postgres => postgres::fresh_database(),
    };
    let mut config = config(folder.path(), &database);
    change(folder.path(), &mut config);
    run_with(folder.path(), config, test);
}

fn run_with(folder: &Path, config: Config, test: impl AsyncFnOnce(&TestServer)) {
    let database = config.database.clone();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    runtime.block_on(async {
        let clock = Arc::new(MovableClock::default());
        let parts = Parts { clock: Arc::clone(&clock) as Arc<dyn Clock>, password_cost: Some(Cost::CHEAPEST), accept_policies: false };
        let application = Application::build(config, parts).await.expect("the server starts");
        let services = Arc::clone(&application.services);
        for (username, name, role) in ACCOUNTS {
            services.ensure_account(username, name, role, Secret::new(PASSWORD.to_owned())).await.expect("account");
        }
        let server = TestServer {
            origin: services.settings.public_origin.clone(),
            address: application.address(),
            media_address: application.media_address(),
            services,
            clock,
            database: database.clone(),
            folder: folder.to_owned(),
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(application.run_until(async {
            let _ = stopped.await;
        }));
        test(&server).await;
        let _ = stop.send(());
        running.await.expect("the server does not panic").expect("the server stops well");
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

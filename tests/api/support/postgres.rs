//! A private PostgreSQL cluster, started once per test program and stopped with it. Fails loudly where PostgreSQL is missing.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

struct Cluster {
    folder: tempfile::TempDir,
    bin: PathBuf,
    /// Runs the server, stops it and starts it again as its input says. Ends it and removes its files when its input closes, which happens at
    /// the latest when this program ends.
    keeper: Child,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Runs as the `postgres` user where the tests run as root, because PostgreSQL refuses to.
fn command(program: &Path) -> Command {
    if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn binaries() -> PathBuf {
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .map(|all| all.filter_map(|v| v.ok().map(|v| v.path().join("bin"))).collect())
        .unwrap_or_default();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .find(|bin| bin.join("initdb").exists())
        .expect("PostgreSQL is not installed: `make test` installs it, or apt-get install postgresql")
}

fn start() -> Cluster {
    let bin = binaries();
    let folder = tempfile::Builder::new().prefix("bedside-pg-").tempdir().expect("folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
    let data = folder.path().join("data");
    let made = command(&bin.join("initdb"))
        .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
        .arg(&data)
        .output()
        .expect("initdb");
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    // stopped at once, the server cuts every connection and writes nothing out: what it committed is in its log of changes
    let orders = format!(
        "start() {{ '{postgres}' -D '{data}' -k '{folder}' -c listen_addresses='' -c fsync={fsync} -c max_connections=300 >>'{folder}/log' 2>&1 & pid=$!; }}
        start
        while read -r order; do
            case $order in
                stop) kill -QUIT $pid; wait $pid; pid= ;;
                start) start ;;
            esac
        done
        [ -z \"$pid\" ] || {{ kill -INT $pid; wait $pid; }}
        rm -rf '{data}' '{folder}/log'",
        postgres = bin.join("postgres").display(),
        data = data.display(),
        folder = folder.path().display(),
        fsync = std::env::var("BEDSIDE_TEST_FSYNC").unwrap_or_else(|_| "off".to_owned()),
    );
    let keeper = command(Path::new("/bin/sh")).args(["-c", &orders]).stdin(Stdio::piped()).spawn().expect("postgres");
    let cluster = Cluster { folder, bin, keeper };
    cluster.until("start", || cluster.answers());
    cluster
}

impl Cluster {
    fn answers(&self) -> bool {
        command(&self.bin.join("pg_isready")).arg("-q").arg("-h").arg(self.folder.path()).status().is_ok_and(|s| s.success())
    }

    fn until(&self, what: &str, done: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !done() {
            assert!(
                Instant::now() < deadline,
                "PostgreSQL did not {what}: {}",
                fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A cluster that one test has for itself, to be stopped and let go on.
#[allow(dead_code, reason = "the benchmarks share this file and need no cluster of their own")]
pub struct OwnCluster {
    cluster: Cluster,
}

#[allow(dead_code, reason = "as above")]
impl OwnCluster {
    pub fn start() -> Self {
        Self { cluster: start() }
    }

    pub fn database(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.cluster.folder.path().display())
    }

    fn order(&self, order: &str) {
        let mut keeper = self.cluster.keeper.stdin.as_ref().expect("its input is open");
        keeper.write_all(format!("{order}\n").as_bytes()).expect("the keeper is there");
    }

    /// Stops the server at once: every connection is cut, and no new one can be had. Its data stay.
    pub fn stop(&self) {
        self.order("stop");
        // the server removes this as the last thing it does, when everything it started is gone
        let running = self.cluster.folder.path().join("data/postmaster.pid");
        self.cluster.until("stop", || !running.exists());
    }

    /// Starts the server that was stopped, on the same data and at the same address.
    pub fn start_again(&self) {
        self.order("start");
        self.cluster.until("start again", || self.cluster.answers());
    }

    /// Sends a signal to the server and to everything it started.
    pub fn signal(&self, name: &str) {
        let pid = fs::read_to_string(self.cluster.folder.path().join("data/postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().expect("a number");
        // the children first: once the server is stopped it starts no new ones
        let _ = Command::new("pkill").args([&format!("-{name}"), "-P", pid]).status();
        assert!(Command::new("kill").args([&format!("-{name}"), pid]).status().is_ok_and(|s| s.success()), "kill -{name}");
    }
}

/// The address of a fresh, empty database.
pub fn fresh_database() -> String {
    let cluster = CLUSTER.get_or_init(start);
    let name = format!("bedside_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let made = command(&cluster.bin.join("createdb"))
        .args(["-U", "postgres", "-h"])
        .arg(cluster.folder.path())
        .arg(&name)
        .output()
        .expect("createdb");
    assert!(made.status.success(), "createdb: {}", String::from_utf8_lossy(&made.stderr));
    format!("postgres://postgres@localhost/{name}?host={}", cluster.folder.path().display())
}

//! Puts the parts together: an [`Application`] is built, knows its addresses, and runs until it is stopped.

use crate::config::{Config, ConfigError};
use crate::crypto::digest::hex;
use crate::crypto::entropy::{Entropy, SystemEntropy};
use crate::crypto::key_ring::{KeyError, KeyRing, LocalKeyFile};
use crate::crypto::password::{Cost, PasswordError, Passwords, Peppers};
use crate::crypto::signing::{CheckpointError, LogSigner, open_checkpoint};
use crate::domain::access::{AccountRole, Caller};
use crate::domain::audit::{Event, Server};
use crate::domain::secret::Secret;
use crate::domain::time::{Clock, Timestamp};
use crate::feeds::FeedError;
use crate::gateway::conductor::Gateway;
use crate::gateway::media::{MediaConfig, MediaError, MediaPlane};
use crate::gateway::recording::recover_unfinished;
use crate::http::{State, serve};
use crate::identity::passkeys::Passkeys;
use crate::identity::provider::{Provider, ProviderError};
use crate::policy::bundle::{Bundle, BundleError, Files};
use crate::services::ceremonies::Ceremonies;
use crate::services::entries::Known;
use crate::services::error::ServiceError;
use crate::services::events::Events;
use crate::services::findable::Lookout;
use crate::services::forwarding::{Forwarding, hand_on};
use crate::services::policies::{bring_into_force, follow_accepted};
use crate::services::protective::{LastKnown, write_down_when_possible};
use crate::services::sequencer::Sequencer;
use crate::services::sign_in::Activity;
use crate::services::sign_in_sessions::watch_ended_sessions;
use crate::services::spool::Spool;
use crate::services::throttle::Throttle;
use crate::services::{Services, Settings};
use crate::storage::audit;
use crate::storage::database::Database;
use crate::storage::error::StorageError;
use crate::storage::recording_files::RecordingFiles;
use futures_util::future::try_join_all;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{broadcast, watch};

/// The server could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What was set cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A folder or socket could not be had.
    #[error("{what}: {error}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        error: io::Error,
    },
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Passwords.
    #[error(transparent)]
    Passwords(#[from] PasswordError),
    /// Identity providers.
    #[error(transparent)]
    Providers(#[from] ProviderError),
    /// The signing key.
    #[error(transparent)]
    Signing(#[from] CheckpointError),
    /// The key file is not the one that the database belongs to.
    #[error("the audit log in this database was signed with another key: this is not the folder of keys that belongs to it")]
    OtherKeys,
    /// Two servers in one spool folder would write over each other.
    #[error("another server uses the spool in {}: give each its own folder (spool)", .0.display())]
    SpoolTaken(PathBuf),
    /// A place outside.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The policies.
    #[error("policies: {0}")]
    Policies(#[from] BundleError),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An operation.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Media.
    #[error(transparent)]
    Media(#[from] MediaError),
}

/// How soon a running server learns that other policies were accepted at the command line.
const FOLLOW_POLICIES: Duration = Duration::from_secs(2);

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the ambient clock is read")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// What tests put in the place of the real thing.
pub struct Parts {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What a password hash costs, in the place of what is configured.
    pub password_cost: Option<Cost>,
    /// Whether changed policy files come into force at once.
    pub accept_policies: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), password_cost: None, accept_policies: false }
    }
}

/// One demo account.
pub struct DemoAccount {
    /// Its role, in words.
    pub role: &'static str,
    /// What to sign in with.
    pub username: &'static str,
    /// Derived from the demo key; stored nowhere.
    pub password: String,
}

const DEMO_ACCOUNTS: [(&str, &str, AccountRole); 5] = [
    ("clinician", "Dr. Ana Ruiz", AccountRole::Clinician),
    ("scheduler", "Tom Lindqvist", AccountRole::Scheduler),
    ("auditor", "Jonas Weber", AccountRole::Auditor),
    ("records", "Ines Moreau", AccountRole::RecordsOfficer),
    ("administrator", "Mira Patel", AccountRole::Administrator),
];

/// A server that is ready to run.
pub struct Application {
    /// The operations, for commands at the machine.
    pub services: Arc<Services>,
    gateway: Arc<Gateway>,
    server: actix_web::dev::Server,
    address: SocketAddr,
    media_address: SocketAddr,
    demo_accounts: Vec<DemoAccount>,
}

/// Opens everything that operations need.
///
/// # Errors
/// See [`StartError`].
pub async fn open_services(config: &Config, public_origin: String, parts: Parts) -> Result<(Arc<Services>, Vec<DemoAccount>), StartError> {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    private_folder(&config.keys)?;
    let keys = KeyRing::new(Box::new(LocalKeyFile::open_or_create(&config.keys, entropy.as_ref())?), Arc::clone(&entropy));
    let host = public_origin.split_once("://").map_or(public_origin.as_str(), |(_, host)| host);
    let files = match &config.policies {
        Some(folder) => Files::read(folder)?,
        None if config.demo => Files::demo()?,
        None => Files::shipped()?,
    };
    if let Some(path) = config.database.strip_prefix("sqlite:") {
        let parent = Path::new(path.trim_start_matches("//")).parent().unwrap_or(Path::new(".")).to_owned();
        private_folder(&parent)?;
    }
    let database = Database::open_with(&config.database, config.database_connections).await?;
    let signer = Arc::new(signer(&database, host, &keys).await?);
    let server = Server::of(&public_origin, &config.node);
    let proposed = Bundle::check(files);
    let policy =
        bring_into_force(&database, proposed, config.demo || parts.accept_policies, parts.clock.as_ref(), entropy.as_ref(), server).await?;
    let samples = policy.bundle.samples();
    if !config.demo && !samples.is_empty() {
        tracing::warn!(texts = samples.join(", "), "patients are shown sample consent texts: read them and adopt them in consent.toml");
    }
    let (tell, known) = watch::channel(None);
    let sequencer = Sequencer::start(
        database.clone(),
        Arc::clone(&signer),
        Arc::clone(&parts.clock),
        holder(config, entropy.as_ref())?,
        Some(Lookout::new(known)),
    );
    // half of the cores: whoever is signed in must not wait for those who try passwords
    let parallel = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
    let cost = parts.password_cost.unwrap_or(Cost { memory_kib: config.passwords.memory_kib, passes: config.passwords.passes });
    let spool = Spool::open(&config.spool, keys.spool_key()?)
        .map_err(|error| StartError::Io { what: config.spool.display().to_string(), error })?;
    let peppers = Peppers::new(keys.peppers(config.passwords.pepper_version)?);
    let passkeys = match Passkeys::new(&public_origin, &config.clinic_name) {
        Ok(passkeys) => Some(passkeys),
        Err(error) => {
            tracing::warn!(%error, "staff cannot use passkeys");
            None
        }
    };
    let providers = config.providers.iter().map(|one| Provider::new(one.clone(), &public_origin)).collect::<Result<Vec<_>, _>>()?;
    let services = Arc::new(Services {
        passwords: Passwords::new(cost, parallel, peppers, entropy.as_ref())?,
        passkeys,
        providers,
        ceremonies: Ceremonies::default(),
        files: RecordingFiles::new(&config.recordings),
        activity: Activity::new(parts.clock.now()),
        known: Known::default(),
        spool: Arc::new(spool),
        forwarding: Forwarding::new(config.feeds.clone(), config.checkpoint_copies.clone())?,
        last_known: LastKnown::default(),
        clock: parts.clock,
        throttle: Throttle::default(),
        policy: RwLock::new(policy),
        events: Arc::new(Events::default()),
        ended_sessions: broadcast::channel(64).0,
        settings: Settings { clinic_name: config.clinic_name.clone(), public_origin, demo: config.demo, node: config.node.clone() },
        database,
        entropy,
        keys,
        signer,
        sequencer,
    });
    tell.send_replace(Some(Arc::downgrade(&services)));
    let mut demo_accounts = Vec::new();
    if config.demo {
        // at the same time, because each costs a password hash
        demo_accounts = Box::pin(try_join_all(DEMO_ACCOUNTS.map(|account| demo_account(&services, account)))).await?;
    }
    Ok((services, demo_accounts))
}

/// The log's signer. A log keeps the name it began with, whatever the server is called later.
async fn signer(database: &Database, host: &str, keys: &KeyRing) -> Result<LogSigner, StartError> {
    let seed = keys.signing_seed()?;
    let Some(newest) = audit::latest_checkpoint(database.read().await?.tx()).await? else {
        return Ok(LogSigner::new(&format!("{}/audit", host.split(':').next().unwrap_or(host)), &seed)?);
    };
    let signer = LogSigner::new(newest.note.lines().next().unwrap_or_default(), &seed)?;
    open_checkpoint(signer.verifier_key(), &newest.note).map_err(|_| StartError::OtherKeys)?;
    Ok(signer)
}

/// A name for this process that no other one has.
fn holder(config: &Config, entropy: &dyn Entropy) -> Result<String, StartError> {
    let mut random = [0_u8; 8];
    entropy.fill(&mut random).map_err(ServiceError::from)?;
    Ok(format!("{}/{}", config.node, hex(&random)))
}

async fn demo_account(
    services: &Services,
    (username, display_name, role): (&'static str, &str, AccountRole),
) -> Result<DemoAccount, StartError> {
    let password = services.keys.demo_password(username)?;
    services.ensure_account(username, display_name, role, Secret::new(password.clone())).await?;
    Ok(DemoAccount { role: role.as_str(), username, password })
}

/// A folder that only its owner can look into.
fn private_folder(path: &Path) -> Result<(), StartError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| StartError::Io { what: path.display().to_string(), error })
}

impl Application {
    /// Builds a server; it listens when this returns.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn build(config: Config, parts: Parts) -> Result<Self, StartError> {
        config.check()?;
        let listener =
            TcpListener::bind(config.listen).map_err(|error| StartError::Io { what: format!("listening on {}", config.listen), error })?;
        let address = listener.local_addr().map_err(|error| StartError::Io { what: "listening".to_owned(), error })?;
        let public_origin = config.public_origin.clone().unwrap_or_else(|| format!("http://localhost:{}", address.port()));
        let (services, demo_accounts) = open_services(&config, public_origin, parts).await?;
        if !services.spool.acquire().map_err(|error| StartError::Io { what: config.spool.display().to_string(), error })? {
            return Err(StartError::SpoolTaken(config.spool.clone()));
        }
        let (media_events, events) = unbounded_channel();
        let media = MediaPlane::start(MediaConfig { bind: config.media_listen, advertise: config.media_advertise.clone() }, media_events)?;
        let media_address = media.local_addr();
        recover_unfinished(&services).await;
        watch_ended_sessions(&services);
        follow_accepted(&services, FOLLOW_POLICIES);
        write_down_when_possible(&services);
        hand_on(&services);
        let gateway = Arc::new(Gateway::start(Arc::clone(&services), media, events));
        let state = State { services: Arc::clone(&services), gateway: Arc::clone(&gateway) };
        let server = serve(state, listener, config.workers).map_err(|error| StartError::Io { what: "serving".to_owned(), error })?;
        let entry = services.entry(Event::ServerStarted, &Caller::system())?.with("version", env!("CARGO_PKG_VERSION"));
        services.record(entry).await?;
        Ok(Self { services, gateway, server, address, media_address, demo_accounts })
    }

    /// Where pages are served.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where media is received.
    #[must_use]
    pub const fn media_address(&self) -> SocketAddr {
        self.media_address
    }

    /// The verifier key of the audit log.
    #[must_use]
    pub fn verifier_key(&self) -> &str {
        self.services.verifier_key()
    }

    /// The demo's accounts.
    #[must_use]
    pub fn demo_accounts(&self) -> &[DemoAccount] {
        &self.demo_accounts
    }

    /// Runs until `stop` resolves, then ends recordings, connections and database properly.
    ///
    /// # Errors
    /// If the server fails.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let handle = self.server.handle();
        let server = tokio::spawn(self.server);
        tokio::pin!(stop);
        stop.await;
        self.gateway.shutdown().await;
        handle.stop(true).await;
        let result = server.await.unwrap_or(Ok(()));
        self.services.close().await;
        result
    }
}

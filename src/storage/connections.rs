//! Connections to PostgreSQL, and the transactions on them.
//!
//! A connection is lent to one transaction at a time. It is not asked anything when it comes back, unless the transaction was given up: then
//! its work is undone at once, on a task of its own, and a connection that cannot do that is closed. A transaction begins with its first
//! statement; where others wait for the connection, the commit of one begins the next (`COMMIT AND CHAIN`), which saves them a message.
//!
//! Those who answer a request, those who take their time and what extends the log have connections of their own, so that none waits for
//! another kind.
//!
//! Invariant: nobody is lent a connection on which something of someone else is under way.

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult, WeakPool};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Error};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// A connection that was not used for so long is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(1);
/// One of this age is replaced.
const OLD: Duration = Duration::from_mins(30);
/// How long undoing may take before the connection is closed instead.
const UNDOING: Duration = Duration::from_secs(5);
/// How long one that was asked may take to answer before another one is tried.
const ANSWERING: Duration = Duration::from_millis(200);
/// Between two tries to connect to a server that starts or has no room.
const RETRY: Duration = Duration::from_millis(50);
/// How long closing waits for transactions to end.
const CLOSING: Duration = Duration::from_secs(5);
/// For exports, reports, and what else may take its time.
const LONG: usize = 6;
/// For giving entries their place, making them findable, and handing them on.
const SEQUENCING: usize = 6;

const BEGIN_WRITE: &str = "BEGIN";
/// One that may only read sees one state of everything.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const COMMIT: &str = "COMMIT";
const COMMIT_AND_BEGIN_WRITE: &str = "COMMIT AND CHAIN";
/// Before its first statement, turns a transaction that may write into one as [`BEGIN_READ`] begins it.
const ONLY_READ: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
const ROLLBACK: &str = "ROLLBACK";

/// Connections to one server, by what they are for. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connections {
    requests: Pool<Connector>,
    long: Pool<Connector>,
    sequencing: Pool<Connector>,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Request,
    Long,
    Sequencing,
}

/// Nobody waits so long for the answer to a request: the engine gives up as well, and with it the locks that it would take. Compiling a
/// statement takes longer than any of these does.
const NOT_FOR_LONG: &str = "SET statement_timeout = '2s'; SET jit = off";
/// A little more than whoever takes their time waits.
const FOR_LONG: &str = "SET statement_timeout = '150s'; SET jit = off";
/// Those that extend the log find rows by their keys. While a table is young, what is known of it speaks for reading all of it, and a plan
/// that was made then is kept while the table grows.
const BY_KEY_ONLY: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// How connections are made and looked after.
pub(super) struct Connector {
    options: PgConnectOptions,
    /// Run on each connection once.
    setting_up: &'static str,
}

/// A connection, and what was begun on it.
pub(super) struct Held {
    connection: PgConnection,
    standing: Standing,
}

/// What was begun on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing.
    Idle,
    /// A transaction that may write and in which nothing was done yet.
    Fresh,
    /// A transaction.
    Begun,
    /// Nobody knows: a beginning or an end was given up half-way.
    Unsure,
}

impl Held {
    /// Runs a statement that changes what is begun, and says what is begun after it.
    async fn run(&mut self, sql: &'static str, after: Standing) -> Result<(), Error> {
        self.standing = Standing::Unsure;
        // without arguments this is the simple protocol: one message there and one back
        sqlx::raw_sql(sql).execute(&mut self.connection).await?;
        self.standing = after;
        Ok(())
    }
}

impl Manager for Connector {
    type Type = Held;
    type Error = Error;

    async fn create(&self) -> Result<Held, Error> {
        let mut held = Held { connection: connect(&self.options).await?, standing: Standing::Idle };
        held.run(self.setting_up, Standing::Idle).await?;
        Ok(held)
    }

    async fn recycle(&self, held: &mut Held, metrics: &Metrics) -> RecycleResult<Error> {
        if matches!(held.standing, Standing::Begun | Standing::Unsure) {
            return Err(RecycleError::message("something is under way on it"));
        }
        if metrics.age() > OLD {
            return Err(RecycleError::message("it is old"));
        }
        if metrics.last_used() > QUIET {
            held.connection.ping().await?;
        }
        Ok(())
    }
}

/// Connects. A server that starts, or has no room at the moment, is asked again; whoever calls sets a limit to that.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    loop {
        match PgConnection::connect_with(options).await {
            Err(error) if is_passing(&error) => tokio::time::sleep(RETRY).await,
            done => return done,
        }
    }
}

fn is_passing(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        // too_many_connections, cannot_connect_now
        Error::Database(error) => matches!(error.code().as_deref(), Some("53300" | "57P03")),
        _ => false,
    }
}

/// Connects once, for as long as there is patience.
pub(super) async fn connect_within(options: &PgConnectOptions, patience: Duration) -> Result<PgConnection, Error> {
    tokio::time::timeout(patience, connect(options)).await.unwrap_or(Err(Error::PoolTimedOut))
}

/// Connections for requests: more than a few for each core only keep one another from working.
fn enough_for_requests() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    (cores * 4).clamp(12, 24)
}

impl Connections {
    /// Opens none yet. Whoever waits for one longer than `patience` is refused.
    pub(super) fn new(options: &PgConnectOptions, for_requests: Option<NonZeroUsize>, patience: Duration) -> Result<Self, Error> {
        let pool = |size, setting_up| {
            Pool::builder(Connector { options: options.clone(), setting_up })
                .max_size(size)
                .queue_mode(QueueMode::Lifo)
                .wait_timeout(Some(patience))
                .create_timeout(Some(patience))
                .recycle_timeout(Some(ANSWERING))
                .runtime(Runtime::Tokio1)
                .build()
                .map_err(|error| Error::Configuration(error.into()))
        };
        let all = Self {
            requests: pool(for_requests.map_or_else(enough_for_requests, NonZeroUsize::get), NOT_FOR_LONG)?,
            long: pool(LONG, FOR_LONG)?,
            sequencing: pool(SEQUENCING, BY_KEY_ONLY)?,
        };
        tokio::spawn(close_what_was_begun_in_vain(all.all().map(Pool::weak)));
        Ok(all)
    }

    const fn all(&self) -> [&Pool<Connector>; 3] {
        [&self.requests, &self.long, &self.sequencing]
    }

    /// A transaction that may write.
    pub(super) async fn write(&self, purpose: Purpose) -> Result<PgTx, Error> {
        self.lend(purpose, Access::Write).await
    }

    /// A transaction that can only read.
    pub(super) async fn read(&self, purpose: Purpose) -> Result<PgTx, Error> {
        self.lend(purpose, Access::Read).await
    }

    async fn lend(&self, purpose: Purpose, access: Access) -> Result<PgTx, Error> {
        let pool = match purpose {
            Purpose::Request => &self.requests,
            Purpose::Long => &self.long,
            Purpose::Sequencing => &self.sequencing,
        };
        Ok(PgTx { held: Some(get(pool).await?), access })
    }

    /// Lends no more, waits a little for transactions to end, and closes what comes back.
    pub(super) async fn close(&self) {
        let began = Instant::now();
        for pool in self.all() {
            pool.close();
            while pool.status().size > 0 && began.elapsed() < CLOSING {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

async fn get(pool: &Pool<Connector>) -> Result<Object<Connector>, Error> {
    // boxed: connecting is rare and takes much room, which every request would otherwise carry along
    Box::pin(pool.get()).await.map_err(|error| match error {
        PoolError::Backend(error) => error,
        PoolError::Closed => Error::PoolClosed,
        PoolError::Timeout(_) | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => Error::PoolTimedOut,
    })
}

/// Where whoever waited gave up, a transaction was begun that nobody uses: its connection does not stay like that.
async fn close_what_was_begun_in_vain(pools: [WeakPool<Connector>; 3]) {
    loop {
        tokio::time::sleep(QUIET).await;
        for pool in &pools {
            let Some(pool) = pool.upgrade().filter(|pool| !pool.is_closed()) else { return };
            drop(pool.retain(|held, metrics| held.standing == Standing::Idle || metrics.last_used() <= QUIET));
        }
    }
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// A transaction. Undone when dropped.
pub(super) struct PgTx {
    held: Option<Object<Connector>>,
    access: Access,
}

impl PgTx {
    /// The connection, inside the transaction.
    pub(super) async fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        let begun = self.held.as_ref().is_some_and(|held| held.standing == Standing::Begun);
        if !begun && Box::pin(self.begin()).await.is_err() {
            // it was cut since it was last used, and so may be the others that nobody uses: as nothing was done yet, a new one serves as well
            let cut = self.held.take().ok_or(Error::PoolClosed)?;
            let pool = Object::pool(&cut).ok_or(Error::PoolClosed)?;
            drop(Object::take(cut));
            drop(pool.retain(|_, _| false));
            self.held = Some(get(&pool).await?);
            Box::pin(self.begin()).await?;
        }
        let held = self.held.as_mut().ok_or(Error::PoolClosed)?;
        // what is not known to be inside of a transaction would be kept statement by statement
        if held.standing == Standing::Begun { Ok(&mut held.connection) } else { Err(Error::BeginFailed) }
    }

    async fn begin(&mut self) -> Result<(), Error> {
        let held = self.held.as_mut().ok_or(Error::PoolClosed)?;
        match (held.standing, self.access) {
            (Standing::Idle, Access::Write) => held.run(BEGIN_WRITE, Standing::Begun).await?,
            (Standing::Idle, Access::Read) => held.run(BEGIN_READ, Standing::Begun).await?,
            (Standing::Fresh, Access::Read) => held.run(ONLY_READ, Standing::Begun).await?,
            (Standing::Fresh, Access::Write) => held.standing = Standing::Begun,
            (Standing::Begun | Standing::Unsure, _) => {}
        }
        Ok(())
    }

    /// A statement failed or was given up: the engine keeps nothing of the transaction any more, and neither may anyone believe so.
    pub(super) fn failed(&mut self) {
        if let Some(held) = self.held.as_mut() {
            held.standing = Standing::Unsure;
        }
    }

    /// Keeps everything and ends. [`Error::BeginFailed`] says that it was not even tried.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        let held = self.held.as_mut().ok_or(Error::BeginFailed)?;
        match held.standing {
            Standing::Idle | Standing::Fresh => return Ok(()),
            // the engine would answer this commit by undoing everything, and the answer would look like that to any other
            Standing::Unsure => return Err(Error::BeginFailed),
            Standing::Begun => {}
        }
        let awaited = self.access == Access::Write && Object::pool(held).is_some_and(|pool| pool.status().waiting > 0);
        if awaited { held.run(COMMIT_AND_BEGIN_WRITE, Standing::Fresh).await } else { held.run(COMMIT, Standing::Idle).await }
    }

    /// Undoes everything and ends.
    pub(super) async fn rollback(mut self) -> Result<(), Error> {
        let held = self.held.as_mut().ok_or(Error::PoolClosed)?;
        if matches!(held.standing, Standing::Idle | Standing::Fresh) {
            return Ok(());
        }
        held.run(ROLLBACK, Standing::Idle).await
    }
}

impl Drop for PgTx {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        if matches!(held.standing, Standing::Idle | Standing::Fresh) {
            return;
        }
        let mut given_up = GivenUp(Some(held));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { given_up.undo().await });
        }
    }
}

/// A connection on which something was given up. It goes back only once that is undone, and is closed otherwise.
struct GivenUp(Option<Object<Connector>>);

impl GivenUp {
    async fn undo(&mut self) {
        let Some(held) = self.0.as_mut() else { return };
        // what was under way is read to its end first
        if matches!(tokio::time::timeout(UNDOING, held.run(ROLLBACK, Standing::Idle)).await, Ok(Ok(()))) {
            drop(self.0.take());
        }
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(held) = self.0.take() {
            drop(Object::take(held));
        }
    }
}

//! Several servers on one PostgreSQL. One of them at a time gives entries their place; when it is gone another goes on where it was, and one
//! that lost its lease writes nothing.

use crate::support::postgres::fresh_database;
use bedside::crypto::signing::{LogSigner, TreeHead, open_checkpoint};
use bedside::crypto::tree::{Edge, leaf_hash};
use bedside::domain::access::Caller;
use bedside::domain::audit::{Entry, Event};
use bedside::domain::id::{EntryId, uuid_v7};
use bedside::domain::time::Clock;
use bedside::services::error::ServiceError;
use bedside::services::sequencer::Sequencer;
use bedside::startup::SystemClock;
use bedside::storage::audit::{self, NewEntry};
use bedside::storage::database::Database;
use sqlx::{Connection, PgConnection, Row};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a lease holds that nobody renews, as the sequencer has it.
const LEASE: Duration = Duration::from_secs(2);

async fn until(what: &str, mut fits: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !fits().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

/// All servers of a deployment sign with the same key.
fn signer() -> LogSigner {
    LogSigner::new("test/audit", &[7; 32]).expect("a signer")
}

fn new_entry() -> NewEntry {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; 10];
    random[..8].copy_from_slice(&MADE.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let now = SystemClock.now();
    let id = EntryId::from_uuid(uuid_v7(now, random));
    NewEntry::plain(Entry::new(id, now, Event::ServerStarted, &Caller::system(), "test")).expect("nothing personal")
}

/// Commits an entry and waits for nothing.
async fn commit(database: &Database) -> EntryId {
    let entry = new_entry();
    database.begin().await.expect("begun").commit_with(&entry).await.expect("committed");
    entry.entry().id
}

async fn place(database: &Database, id: EntryId) -> Option<u64> {
    audit::lookup(database.read().await.expect("begun").tx(), id).await.expect("read").expect("it was committed").index
}

/// What the newest signed checkpoint says.
async fn head(database: &Database) -> TreeHead {
    let newest = audit::latest_checkpoint(database.read().await.expect("begun").tx()).await.expect("read").expect("there is one");
    open_checkpoint(signer().verifier_key(), &newest.note).expect("signed")
}

/// The places of all entries in order; those without one come last.
async fn places(connection: &mut PgConnection) -> Vec<Option<i64>> {
    let rows = sqlx::query("SELECT leaf_index FROM audit_entries ORDER BY leaf_index").fetch_all(connection).await.expect("places");
    rows.iter().map(|row| row.get::<Option<i64>, _>(0)).collect()
}

/// Whose the lease is, until when it holds, and what time it is, by the database's clock.
async fn lease(connection: &mut PgConnection) -> (String, i64, i64) {
    let sql =
        "SELECT holder, expires_at, (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint FROM audit_lease WHERE name = 'sequencer'";
    let row = sqlx::query(sql).fetch_one(connection).await.expect("a lease");
    (row.get(0), row.get(1), row.get(2))
}

async fn connect(address: &str) -> PgConnection {
    PgConnection::connect(address).await.expect("database")
}

/// Of a server, what extends the log.
struct Server {
    database: Database,
    sequencer: Sequencer,
}

impl Server {
    async fn start(address: &str, holder: &str) -> Self {
        let database = Database::open(address).await.expect("database");
        let sequencer = Sequencer::start(database.clone(), Arc::new(signer()), Arc::new(SystemClock), holder.to_owned(), None);
        Self { database, sequencer }
    }

    /// Commits entries one after the other, each once a signed checkpoint covers the one before. Whoever leads gives them their places.
    async fn commit_covered(&self, many: usize) -> Vec<EntryId> {
        let mut ids = Vec::new();
        for _ in 0..many {
            let entry = new_entry();
            let id = entry.entry().id;
            let waiting = self.sequencer.wait_for(id);
            self.database.begin().await.expect("begun").commit_with(&entry).await.expect("committed");
            waiting.covered(&self.database).await.expect("covered in time");
            ids.push(id);
        }
        ids
    }

    async fn end(self) {
        self.sequencer.step_down(&self.database).await;
        self.database.close().await;
    }
}

fn exactly_one_leads(one: &Server, other: &Server) -> bool {
    one.sequencer.leads() != other.sequencer.leads()
}

#[tokio::test]
async fn one_of_two_servers_leads_and_entries_of_both_get_places() {
    let address = fresh_database();
    let (one, other) = (Server::start(&address, "one").await, Server::start(&address, "other").await);
    until("one of them to lead", async || exactly_one_leads(&one, &other)).await;
    let (by_one, by_other) = tokio::join!(one.commit_covered(12), other.commit_covered(12));
    until("exactly one of them to lead", async || exactly_one_leads(&one, &other)).await;

    let mut connection = connect(&address).await;
    assert_eq!(places(&mut connection).await, (0..24).map(Some).collect::<Vec<_>>(), "each place once, and none left out");
    let holder = lease(&mut connection).await.0;
    assert_eq!(one.sequencer.leads(), holder == "one", "the one that leads is the one that has the lease: {holder}");
    // each sees the other's, in the order in which they were committed
    for (database, ids) in [(&other.database, by_one), (&one.database, by_other)] {
        let mut before = None;
        for id in ids {
            let place = place(database, id).await;
            assert!(place > before, "{place:?} after {before:?}");
            before = place;
        }
    }
    one.end().await;
    other.end().await;
}

#[tokio::test]
async fn when_the_leader_steps_down_or_dies_the_other_goes_on() {
    let address = fresh_database();
    let mut connection = connect(&address).await;
    let first = Server::start(&address, "first").await;
    until("the first to lead", async || first.sequencer.leads()).await;
    let second = Server::start(&address, "second").await;
    first.commit_covered(3).await;
    second.commit_covered(2).await;
    let mut heads = vec![head(&first.database).await];

    let asked = Instant::now();
    first.sequencer.step_down(&first.database).await;
    assert!(!first.sequencer.leads());
    until("the second to lead", async || second.sequencer.leads()).await;
    assert!(asked.elapsed() < LEASE, "whoever steps down is not waited for: {:?}", asked.elapsed());
    second.commit_covered(3).await;
    // whoever leads no more still commits, and the other gives places
    first.commit_covered(2).await;
    heads.push(head(&second.database).await);
    assert_eq!(lease(&mut connection).await.0, "second");

    let third = Server::start(&address, "third").await;
    let Server { database: of_the_dead, sequencer } = second;
    drop(sequencer);
    let (holder, runs_out, _) = lease(&mut connection).await;
    assert_eq!(holder, "second", "it died without giving the lease back");
    let left = [commit(&of_the_dead).await, commit(&third.database).await];
    until("the third to lead", async || third.sequencer.leads()).await;
    let (holder, _, now) = lease(&mut connection).await;
    assert!(holder == "third" && now >= runs_out, "{holder} leads {} µs before the lease ran out", runs_out - now);
    until("places for what was committed meanwhile", async || {
        place(&third.database, left[0]).await.is_some() && place(&third.database, left[1]).await.is_some()
    })
    .await;
    third.commit_covered(3).await;
    heads.push(head(&third.database).await);

    // one tree, of which every checkpoint that any of them signed is the beginning
    assert_eq!(places(&mut connection).await, (0..15).map(Some).collect::<Vec<_>>(), "each place once, and none left out");
    assert_eq!(heads.last().map(|head| head.size), Some(15));
    assert!(heads.is_sorted_by(|a, b| a.size < b.size), "it only grows: {heads:?}");
    let entries = audit::range(third.database.read().await.expect("begun").tx(), 0, 15).await.expect("entries");
    let mut tree = Edge::default();
    let mut signed = 0;
    for entry in &entries {
        tree.append([leaf_hash(entry.body.as_bytes())]);
        for head in heads.iter().filter(|head| head.size == tree.size()) {
            assert_eq!(tree.head().expect("whole"), *head);
            signed += 1;
        }
    }
    assert_eq!(signed, heads.len());
    of_the_dead.close().await;
    first.end().await;
    third.end().await;
}

#[tokio::test]
async fn a_leader_that_lost_its_lease_writes_nothing() {
    let address = fresh_database();
    let mut connection = connect(&address).await;
    let server = Server::start(&address, "the server").await;
    until("it to lead", async || server.sequencer.leads()).await;
    server.commit_covered(2).await;
    let before = head(&server.database).await;

    let taken = "UPDATE audit_lease SET holder = 'someone else', expires_at = 9000000000000000";
    assert_eq!(sqlx::query(taken).execute(&mut connection).await.expect("taken away").rows_affected(), 1);
    // it believes that it leads, and is told of an entry
    let entry = new_entry();
    let id = entry.entry().id;
    let waiting = server.sequencer.wait_for(id);
    server.database.begin().await.expect("begun").commit_with(&entry).await.expect("committed");
    let covered = waiting.covered(&server.database).await;
    assert!(matches!(covered, Err(ServiceError::CheckpointLate)), "{covered:?}");
    assert!(!server.sequencer.leads(), "it noticed");
    commit(&server.database).await;
    assert_eq!(places(&mut connection).await, [Some(0), Some(1), None, None]);
    assert_eq!(head(&server.database).await, before, "nothing was signed");
    assert_eq!(lease(&mut connection).await.0, "someone else");

    let given_back = "UPDATE audit_lease SET expires_at = 0 WHERE holder = 'someone else'";
    assert_eq!(sqlx::query(given_back).execute(&mut connection).await.expect("given back").rows_affected(), 1);
    until("it to lead again", async || server.sequencer.leads()).await;
    until("a place for what waited", async || place(&server.database, id).await.is_some()).await;
    server.commit_covered(1).await;
    assert_eq!(places(&mut connection).await, (0..5).map(Some).collect::<Vec<_>>());
    assert_eq!(lease(&mut connection).await.0, "the server");
    server.end().await;
}

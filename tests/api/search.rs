//! Searching the log against a model: whatever is asked for, what is found is what going through all entries finds.

use crate::support::postgres::fresh_database;
use bedside::crypto::signing::LogSigner;
use bedside::domain::access::Caller;
use bedside::domain::audit::{Action, Entry, Event, Outcome};
use bedside::domain::id::{EntryId, RequestId, uuid_v7};
use bedside::domain::time::{Clock, Timestamp};
use bedside::services::sequencer::Sequencer;
use bedside::startup::SystemClock;
use bedside::storage::audit::{self, NewEntry, SealedValues, StoredEntry};
use bedside::storage::audit_index;
use bedside::storage::audit_search::{Found, Search};
use bedside::storage::database::Database;
use sqlx::{AssertSqlSafe, Connection, Row};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// More than a block of places, so that sets of several blocks meet.
const MANY: u64 = 8_700;
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
const START: i64 = 1_700_000_000_000_000;

/// Numbers that look random and are the same in every run (`SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).expect("small")]
    }

    fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn named(kind: u64, n: u64) -> String {
    Uuid::from_u128(u128::from(kind) << 64 | u128::from(n)).to_string()
}

fn network(n: u64) -> String {
    format!("term-{n}")
}

fn subject(n: u64) -> String {
    format!("patient/{}", named(2, n))
}

/// An entry of a clinic: some people, many patients, few refusals, times that are not quite in order.
fn entry(numbers: &mut Numbers, n: u64) -> NewEntry {
    let late = if numbers.once_in(50) { numbers.below(3_000_000_000) } else { 0 };
    let at = Timestamp::from_micros(START + i64::try_from(n * 1_000_000).expect("small") - i64::try_from(late).expect("small"));
    let mut random = [0; 10];
    random[..8].copy_from_slice(&n.to_be_bytes());
    let event = numbers.one_of(&[
        Event::ConsultationRead,
        Event::ConsultationRead,
        Event::ConsultationsListed,
        Event::ConsentDecided,
        Event::SignInFailed,
        Event::PatientCreated,
    ]);
    // the id orders entries as they were written
    let id = EntryId::from_uuid(uuid_v7(Timestamp::from_micros(START + i64::try_from(n * 1_000).expect("small")), random));
    let mut entry = Entry::new(id, at, event, &Caller::system(), "test");
    if !numbers.once_in(4) {
        "account".clone_into(&mut entry.agent.kind);
        entry.agent.id = Some(named(1, numbers.below(7)));
    }
    if numbers.once_in(40) {
        entry = entry.ended(Outcome::Denied);
    } else if numbers.once_in(400) {
        entry = entry.ended(Outcome::Failure);
    }
    entry.request_id = Some(RequestId::from_uuid(Uuid::from_u128(9 << 64 | u128::from(n / 2))));
    // so many different ones that a text is in more names than are looked up
    entry = entry.about("recording", named(4, n / 3));
    entry = entry.about("entry", named(5, n / 40)).about("consultation", named(3, n / 12));
    let patient = n / 60;
    entry = entry.about("patient", named(2, patient));
    if numbers.once_in(9) {
        entry = entry.with("reason", if numbers.once_in(2) { "UNKNOWN_USERNAME" } else { "WRONG_PASSWORD" });
    }
    if numbers.once_in(3) {
        return NewEntry::plain(entry).expect("nothing personal");
    }
    let sealed =
        SealedValues { subject: subject(patient), disclosures: b"sealed".to_vec(), network_term: Some(network(numbers.below(30))) };
    NewEntry::sealed(entry, sealed).expect("nothing open")
}

/// An entry of the log, read.
struct Seen {
    stored: StoredEntry,
    entry: Entry,
}

fn holds(wanted: &Search, Seen { stored, entry }: &Seen) -> bool {
    let area = entry.event.split('.').next().expect("an area");
    let index = stored.index.expect("placed");
    let about = |kind: &str, id: &str| entry.entities.iter().any(|e| e.kind == kind && e.id == id);
    let reason = entry.detail.get("reason").and_then(|reason| reason.as_str()).unwrap_or_default();
    let folded = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
    wanted.text.as_deref().is_none_or(|text| {
        let texts = [entry.event.as_str(), reason, entry.agent.id.as_deref().unwrap_or_default()];
        texts.into_iter().chain(entry.entities.iter().map(|e| e.id.as_str())).any(|name| folded(name, text))
    }) && wanted.event.as_deref().is_none_or(|event| event == entry.event || event.strip_suffix('.') == Some(area))
        && wanted.action.is_none_or(|action| action == entry.action)
        && wanted.outcome.is_none_or(|outcome| outcome == entry.outcome)
        && wanted.agent.as_ref().is_none_or(|agent| entry.agent.id.as_ref() == Some(agent))
        && wanted.network.as_ref().is_none_or(|network| stored.network_term.as_ref() == Some(network))
        && wanted.about.iter().all(|(kind, id)| about(kind, id))
        && wanted.request.is_none_or(|request| entry.request_id.map(RequestId::as_uuid) == Some(request))
        && wanted.from.is_none_or(|from| entry.at >= from)
        && wanted.to.is_none_or(|to| entry.at < to)
        && wanted.before.is_none_or(|before| index < before)
}

/// Something that may be asked for: now and then all of it together, mostly a little.
fn question(numbers: &mut Numbers) -> Search {
    let often = 2 + numbers.below(6);
    let mut wanted = Search { limit: 1 + u32::try_from(numbers.below(120)).expect("small"), ..Search::default() };
    let near = numbers.below(MANY);
    if numbers.once_in(often * 2) {
        let id = named(3, near / 12);
        let texts = ["consult", "CONSENT.DEC", "word", "sign_in", "_", "%", "0", "nowhere", &id, &id[30..], &id[20..33]];
        wanted.text = Some(numbers.one_of(&texts).to_owned());
    }
    if numbers.once_in(often) {
        let events = ["consultation.read", "consultation.", "consent.", "sign_in.failed", "patient.created", "nothing.", "nothing.here"];
        wanted.event = Some(numbers.one_of(&events).to_owned());
    }
    if numbers.once_in(often * 2) {
        wanted.action = Some(numbers.one_of(&[Action::R, Action::C, Action::E, Action::D]));
    }
    if numbers.once_in(often) {
        wanted.outcome = Some(numbers.one_of(&[Outcome::Denied, Outcome::Failure, Outcome::Success]));
    }
    if numbers.once_in(often) {
        wanted.agent = Some(named(1, numbers.below(8)));
    }
    if numbers.once_in(often * 2) {
        wanted.network = Some(network(numbers.below(31)));
    }
    if numbers.once_in(often) {
        wanted.about.push(("patient".to_owned(), named(2, near / 60)));
    }
    if numbers.once_in(often) {
        wanted.about.push(("consultation".to_owned(), named(3, near / 12)));
    }
    if numbers.once_in(often * 4) {
        wanted.request = Some(Uuid::from_u128(9 << 64 | u128::from(near / 2)));
    }
    let at = |second: u64| Timestamp::from_micros(START + i64::try_from(second * 1_000_000).expect("small"));
    if numbers.once_in(often) {
        wanted.from = Some(at(numbers.below(MANY)));
    }
    if numbers.once_in(often) {
        wanted.to = Some(at(numbers.below(MANY)));
    }
    if numbers.once_in(often) {
        wanted.before = Some(numbers.below(MANY + 100));
    }
    wanted
}

async fn all(database: &Database) -> Vec<Seen> {
    let mut read = database.read_much().await.expect("read");
    let all = audit::range(read.tx(), 0, u64::MAX >> 1).await.expect("entries").into_iter().rev();
    all.map(|stored| Seen { entry: serde_json::from_str(&stored.body).expect("an entry"), stored }).collect()
}

async fn found(database: &Database, wanted: &Search) -> Vec<u64> {
    let mut read = database.read().await.expect("read");
    let mut found = Found::of(read.tx(), wanted).await.expect("searched");
    places(&found.next(read.tx()).await.expect("searched"))
}

/// Page after page to the end.
async fn found_in_all(database: &Database, wanted: &Search) -> Vec<u64> {
    let mut read = database.read_much().await.expect("read");
    let mut found = Found::of(read.tx(), wanted).await.expect("searched");
    let mut all = places(&found.next(read.tx()).await.expect("searched"));
    while let Some(before) = found.rest() {
        let next = places(&found.next(read.tx()).await.expect("searched"));
        assert!(next.iter().all(|place| *place < before));
        all.extend(next);
    }
    all
}

fn places<'a>(entries: impl IntoIterator<Item = &'a StoredEntry>) -> Vec<u64> {
    entries.into_iter().map(|entry| entry.index.expect("placed")).collect()
}

/// What going through all entries finds.
fn expected(all: &[Seen], wanted: &Search) -> Vec<u64> {
    let fitting = all.iter().filter(|seen| holds(wanted, seen)).filter_map(|seen| seen.stored.index);
    fitting.take(wanted.limit as usize).collect()
}

async fn findable(database: &Database, many: u64) {
    let waited = tokio::time::timeout(Duration::from_mins(1), async {
        while audit_index::size(database.read().await.expect("read").tx()).await.expect("size") < many {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.expect("all become findable");
}

fn started(database: &Database) -> Sequencer {
    let signer = Arc::new(LogSigner::new("test/audit", &[7; 32]).expect("signer"));
    Sequencer::start(database.clone(), signer, Arc::new(SystemClock), "test".to_owned(), None)
}

fn by_network(n: u64) -> Search {
    Search { network: Some(network(n)), limit: 10_000, ..Search::default() }
}

async fn searches_find_what_a_look_at_everything_finds(address: &str) {
    let database = Database::open(address).await.expect("opened");
    let sequencer = started(&database);
    let mut numbers = Numbers(7);
    for from in (0..MANY).step_by(300) {
        let some: Vec<_> = (from..from + 300).map(|n| entry(&mut numbers, n)).collect();
        database.begin().await.expect("begun").commit_with_all(&some).await.expect("committed");
    }
    findable(&database, MANY).await;
    let everything = all(&database).await;
    assert_eq!(everything.len() as u64, MANY);
    let (mut nothing, mut full) = (0, 0);
    for nth in 0..600 {
        let wanted = question(&mut numbers);
        let (found, expected) = (found(&database, &wanted).await, expected(&everything, &wanted));
        assert_eq!(found, expected, "question {nth}: {wanted:?}");
        nothing += u32::from(found.is_empty());
        full += u32::from(found.len() == wanted.limit as usize);
    }
    assert!(nothing > 100 && full > 100 && nothing + full < 560, "{nothing} questions without an answer, {full} with more than was wanted");
    for before in [0, 1, 8_191, 8_192, 8_193, MANY, MANY + 1] {
        for limit in [1, 510, 8_700] {
            let wanted = Search { before: Some(before), limit, ..Search::default() };
            assert_eq!(found(&database, &wanted).await, expected(&everything, &wanted), "{wanted:?}");
        }
    }
    let one_by_one = Search { outcome: Some(Outcome::Denied), limit: 7, ..Search::default() };
    let whole = Search { limit: 10_000, ..one_by_one.clone() };
    assert_eq!(found_in_all(&database, &one_by_one).await, expected(&everything, &whole));
    let last = entries_about(&everything, 5).map(|seen| seen.entry.at).max();
    let mut read = database.read().await.expect("read");
    assert_eq!(audit_index::last_about(read.tx(), ("patient", &named(2, 5))).await.expect("read"), last);
    assert_eq!(audit_index::last_about(read.tx(), ("patient", &named(2, 99_999))).await.expect("read"), None);
    drop(read);
    forgotten_networks_find_nothing(address, &database, &everything).await;
    sequencer.step_down(&database).await;
    what_is_gone_is_made_anew(address, &database).await;
    database.close().await;
}

fn entries_about(all: &[Seen], patient: u64) -> impl Iterator<Item = &Seen> {
    all.iter().filter(move |seen| seen.entry.entities.iter().any(|entity| entity.id == named(2, patient)))
}

/// What is forgotten of one subject is found by nobody, while its entries and those of others stay as they are: also where both come from one of
/// these networks at that moment, and the indexer has read their entries already.
async fn forgotten_networks_find_nothing(address: &str, database: &Database, everything: &[Seen]) {
    let several = address.starts_with("postgres");
    let mut many = MANY;
    // the indexer is held where it writes down the network, or before that: so that it is first, or the erasure is
    for (patient, held) in [(5, "network"), (6, "event")] {
        let theirs = entries_about(everything, patient).find_map(|seen| seen.stored.network_term.clone()).expect("a network");
        let another = |subject: String| {
            let now = SystemClock.now();
            let id = EntryId::from_uuid(uuid_v7(now, Uuid::new_v4().as_bytes()[..10].try_into().expect("ten bytes")));
            let entry = Entry::new(id, now, Event::ServerStarted, &Caller::system(), "test");
            let sealed = SealedValues { subject, disclosures: b"sealed".to_vec(), network_term: Some(theirs.clone()) };
            NewEntry::sealed(entry, sealed).expect("nothing open")
        };
        let erased = another(subject(77));
        let erasing = {
            let database = database.clone();
            async move {
                let mut erasing = database.begin_much().await.expect("begun");
                audit::wipe(erasing.tx(), &subject(patient)).await.expect("wiped");
                audit_index::forget_networks(erasing.tx(), &subject(patient)).await.expect("forgotten");
                erasing.commit_with(&erased).await.expect("committed");
            }
        };
        many += 1;
        if several {
            many += 2;
            let mut other = sqlx::PgConnection::connect(address).await.expect("postgres");
            let hold =
                format!("BEGIN; UPDATE audit_names SET uses = uses WHERE kind = '{held}' AND name IN ('{theirs}', 'server.started')");
            sqlx::raw_sql(AssertSqlSafe(hold)).execute(&mut other).await.expect("held");
            let both = [another(subject(patient)), another(subject(77))];
            database.begin().await.expect("begun").commit_with_all(&both).await.expect("committed");
            waiting(address, 1).await;
            let erasing = tokio::spawn(erasing);
            if held == "network" {
                waiting(address, 2).await;
                sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("let go");
                erasing.await.expect("erased");
            } else {
                erasing.await.expect("erased");
                sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("let go");
            }
        } else {
            erasing.await;
        }
        findable(database, many).await;
        let everything = all(database).await;
        assert!(entries_about(&everything, patient).all(|seen| seen.stored.network_term.is_none() && seen.stored.disclosures.is_none()));
        for n in 0..30 {
            assert_eq!(found(database, &by_network(n)).await, expected(&everything, &by_network(n)), "network {n}, {held}");
        }
    }
}

/// Until so many connections wait for a lock.
async fn waiting(address: &str, many: i64) {
    let mut connection = sqlx::PgConnection::connect(address).await.expect("postgres");
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while sqlx::query(WAITING).fetch_one(&mut connection).await.expect("activity").get::<i64, _>(0) < many {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.expect("they wait for each other");
}

/// Changes the database past its triggers.
async fn tampered(address: &str, sql: &str) {
    if address.starts_with("postgres") {
        let sql = AssertSqlSafe(format!("SET session_replication_role = replica; {sql}"));
        sqlx::raw_sql(sql).execute(&mut sqlx::PgConnection::connect(address).await.expect("postgres")).await.expect("changed");
    } else {
        let triggers = "DROP TRIGGER IF EXISTS audit_entries_never_change; DROP TRIGGER IF EXISTS audit_entries_never_go;";
        let sql = AssertSqlSafe(format!("{triggers} {sql}"));
        sqlx::raw_sql(sql).execute(&mut sqlx::SqliteConnection::connect(address).await.expect("sqlite")).await.expect("changed");
    }
}

async fn rows(address: &str, table: &str) -> i64 {
    let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    if address.starts_with("postgres") {
        let mut connection = sqlx::PgConnection::connect(address).await.expect("postgres");
        sqlx::query(sql).fetch_one(&mut connection).await.expect("rows").get(0)
    } else {
        let mut connection = sqlx::SqliteConnection::connect(address).await.expect("sqlite");
        sqlx::query(sql).fetch_one(&mut connection).await.expect("rows").get(0)
    }
}

/// Where a part of the index is gone, whoever leads next makes all of it anew. What cannot be read or is gone itself is not found, and keeps nothing
/// else from being found.
async fn what_is_gone_is_made_anew(address: &str, database: &Database) {
    const DAMAGE: &str = "UPDATE audit_entries SET body = '{' WHERE leaf_index = 8200; DELETE FROM audit_entries WHERE leaf_index = 100;";
    // one that is whole is kept as it is
    tampered(address, "UPDATE audit_names SET uses = 77000000 WHERE kind = 'entry' AND name = ''").await;
    let sequencer = started(database);
    let now = SystemClock.now();
    let entry = Entry::new(EntryId::from_uuid(uuid_v7(now, [3; 10])), now, Event::ServerStarted, &Caller::system(), "test");
    let waiting = sequencer.wait_for(entry.id);
    database.begin().await.expect("begun").commit_with(&NewEntry::plain(entry).expect("plain")).await.expect("committed");
    waiting.covered(database).await.expect("it leads");
    let mut everything = all(database).await;
    findable(database, everything.len() as u64).await;
    assert_eq!(rows(address, "audit_names WHERE kind = 'entry' AND name = '' AND uses > 77000000").await, 1, "it was not made anew");
    sequencer.step_down(database).await;
    let mut damage = DAMAGE;
    for gone in ["audit_places", "audit_blocks", "audit_names", "audit_activity"] {
        let sql = format!("{damage} DELETE FROM {gone} WHERE 1 = 1");
        tampered(address, &sql).await;
        damage = "";
        everything.retain(|seen| ![100, 8_200].contains(&seen.stored.index.expect("placed")));
        let sequencer = started(database);
        let all = Search { limit: 300, ..Search::default() };
        // the new leader looks at the index first, and takes it away
        let made_anew = tokio::time::timeout(Duration::from_mins(1), async {
            while rows(address, gone).await == 0 || found_in_all(database, &all).await != places(everything.iter().map(|seen| &seen.stored))
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        made_anew.await.unwrap_or_else(|_| panic!("the index is made anew without {gone}"));
        for n in 0..30 {
            assert_eq!(found(database, &by_network(n)).await, expected(&everything, &by_network(n)), "network {n}, without {gone}");
        }
        sequencer.step_down(database).await;
    }
}

fn run(address: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    runtime.block_on(searches_find_what_a_look_at_everything_finds(address));
}

#[test]
fn searches_find_what_a_look_at_everything_finds_on_sqlite() {
    let folder = tempfile::tempdir().expect("folder");
    run(&format!("sqlite:{}", folder.path().join("x.db").display()));
}

#[test]
fn searches_find_what_a_look_at_everything_finds_on_postgres() {
    run(&fresh_database());
}

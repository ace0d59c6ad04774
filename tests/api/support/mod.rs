//! What every test needs: a server of its own, people with browsers, and time that can be moved.

pub mod decisions;
pub mod people;
pub mod postgres;
pub mod server;
pub mod verifier;

/// Makes a test of the same name for each engine out of an async function that takes a [`server::TestServer`].
#[macro_export]
macro_rules! on_both_engines {
    ($($(#[$attribute:meta])* async fn $name:ident($server:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all of them")]
            use super::*;

            async fn check($server: &$crate::support::server::TestServer) $body

            #[test]
            fn on_sqlite() {
                $crate::support::server::run($crate::support::server::Engine::Sqlite, async |server| check(server).await);
            }

            #[test]
            fn on_postgres() {
                $crate::support::server::run($crate::support::server::Engine::Postgres, async |server| check(server).await);
            }
        }
    )+};
}

//! Floor 2: proving who someone is with what others make: passkeys of their devices, identity providers, and the rules for passwords.
//!
//! The only place that knows `webauthn_rs` and `openidconnect`. It keeps nothing: what must be remembered is given back to the caller.

pub mod passkeys;
pub mod password_rules;
pub mod provider;

//! One-time codes: those of an authenticator app (RFC 6238), recovery codes, and short codes told by a second channel.
//!
//! A short code has few possibilities by nature: whoever checks one counts the tries. All are stored as keyed hashes bound to whom they
//! belong to ([`crate::crypto::key_ring::KeyRing::code_hash`]), except the secret of an authenticator app, which is sealed.

use crate::crypto::entropy::{Entropy, EntropyError};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

/// Length of a code's life in seconds (RFC 6238, section 5.2).
const STEP: u64 = 30;
/// Characters that cannot be mistaken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// The secret cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the authenticator app's secret cannot be used")]
pub struct InvalidSecret;

/// A fresh secret for an authenticator app: 160 bits (RFC 4226, section 4).
///
/// # Errors
/// When there is no randomness.
pub fn new_app_secret(entropy: &dyn Entropy) -> Result<Zeroizing<Vec<u8>>, EntropyError> {
    let mut bytes = Zeroizing::new(vec![0_u8; 20]);
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}

fn app(secret: &[u8], issuer: &str, account: &str) -> Result<Totp, InvalidSecret> {
    Builder::new()
        .with_algorithm(Algorithm::SHA1) // what every authenticator app computes
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(STEP)
        .with_secret(secret.to_vec())
        .with_issuer(Some(issuer.replace(':', " ")))
        .with_account_name(account.replace(':', " "))
        .build()
        .map_err(|_| InvalidSecret)
}

/// What an authenticator app scans: an `otpauth:` address with the secret in it, so itself a secret.
///
/// # Errors
/// [`InvalidSecret`].
pub fn app_address(secret: &[u8], issuer: &str, account: &str) -> Result<Secret, InvalidSecret> {
    Ok(Secret::new(app(secret, issuer, account)?.to_url().map_err(|_| InvalidSecret)?))
}

/// The secret as one types it by hand: base32 (RFC 4648, section 6).
#[must_use]
pub fn app_secret_text(secret: &[u8]) -> Secret {
    Secret::new(totp_rs::Secret::from(secret.to_vec()).to_base32())
}

/// The address as a QR code: rows of dark (`true`) and light squares, drawn by the page itself so that the secret is never an image file.
#[must_use]
pub fn qr_squares(address: &Secret) -> Option<Vec<String>> {
    let code = qrcode::QrCode::with_error_correction_level(address.expose(), qrcode::EcLevel::M).ok()?;
    let width = code.width();
    let squares: Vec<bool> = code.to_colors().into_iter().map(|color| color == qrcode::Color::Dark).collect();
    Some(squares.chunks(width).map(|row| row.iter().map(|dark| if *dark { '1' } else { '0' }).collect()).collect())
}

/// The step a code of an authenticator app belongs to, if it is right now, or was or will be within one step. A step at or before
/// `last_step` is refused: its code may have been used.
///
/// # Errors
/// [`InvalidSecret`].
pub fn check_app_code(secret: &[u8], code: &str, now: Timestamp, last_step: i64) -> Result<Option<i64>, InvalidSecret> {
    let totp = app(secret, "x", "x")?;
    let seconds = u64::try_from(now.as_micros() / 1_000_000).unwrap_or(0);
    let mut found = None;
    for skew in [0_i64, -1, 1] {
        let Some(time) = seconds.checked_add_signed(skew * STEP.cast_signed()) else { continue };
        let step = i64::try_from(time / STEP).unwrap_or(i64::MAX);
        let right = bool::from(totp.generate(time).to_string().as_bytes().ct_eq(code.trim().as_bytes()));
        if right && step > last_step && found.is_none() {
            found = Some(step);
        }
    }
    Ok(found)
}

/// A fresh recovery code: 80 bits as `xxxx-xxxx-xxxx-xxxx`.
///
/// # Errors
/// When there is no randomness.
pub fn new_recovery_code(entropy: &dyn Entropy) -> Result<Secret, EntropyError> {
    let mut bytes = Zeroizing::new([0_u8; 16]);
    entropy.fill(bytes.as_mut_slice())?;
    let letters: Vec<char> = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    Ok(Secret::new(letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join("-")))
}

/// A fresh short code of six digits, for a second channel.
///
/// # Errors
/// When there is no randomness.
pub fn new_short_code(entropy: &dyn Entropy) -> Result<Secret, EntropyError> {
    loop {
        let mut bytes = [0_u8; 4];
        entropy.fill(&mut bytes)?;
        let number = u32::from_be_bytes(bytes);
        // the top of the range is left out so that every code is as likely as any other
        if number < u32::MAX - u32::MAX % 1_000_000 {
            return Ok(Secret::new(format!("{:06}", number % 1_000_000)));
        }
    }
}

/// A code without what people add while typing: spaces, dashes and case do not matter.
#[must_use]
pub fn normalised(code: &Secret) -> Secret {
    Secret::new(code.expose().chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::entropy::SystemEntropy;

    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// RFC 6238, appendix B, SHA-1, the last six digits.
    #[test]
    fn agrees_with_rfc_6238() {
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")] {
            assert_eq!(check_app_code(SECRET, code, at(time), 0), Ok(Some(time / 30)), "{code}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_one_step_around() {
        assert_eq!(check_app_code(SECRET, "287082", at(59), 1), Ok(None), "used already");
        assert_eq!(check_app_code(SECRET, "287082", at(89), 0), Ok(Some(1)), "one step late");
        assert_eq!(check_app_code(SECRET, "287082", at(121), 0), Ok(None), "too late");
        assert_eq!(check_app_code(SECRET, "287083", at(59), 0), Ok(None));
        assert_eq!(check_app_code(SECRET, "", at(59), 0), Ok(None));
    }

    #[test]
    fn what_an_app_scans_names_clinic_and_account() {
        let address = app_address(SECRET, "River: Clinic", "ana").expect("address");
        assert!(
            address.expose().starts_with("otpauth://totp/River%20%20Clinic:ana?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
            "{}",
            address.expose()
        );
        let squares = qr_squares(&address).expect("squares");
        assert!(squares.len() >= 21 && squares.iter().all(|row| row.len() == squares.len() && row.bytes().all(|c| c == b'0' || c == b'1')));
    }

    #[test]
    fn codes_are_long_enough_different_and_read_however_they_are_typed() {
        let (one, other) = (new_recovery_code(&SystemEntropy).expect("code"), new_recovery_code(&SystemEntropy).expect("code"));
        assert!(one.expose() != other.expose() && one.expose().len() == 19);
        let typed = Secret::new(one.expose().to_uppercase().replace('-', " "));
        assert_eq!(normalised(&one).expose(), normalised(&typed).expose());
        let short = new_short_code(&SystemEntropy).expect("code");
        assert!(short.expose().len() == 6 && short.expose().bytes().all(|b| b.is_ascii_digit()));
    }
}

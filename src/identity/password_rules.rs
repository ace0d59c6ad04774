//! Which passwords may be set, after NIST SP 800-63B-4, section 3.1.1.2: long enough, not one of those that are guessed first, and no rule
//! about what it is composed of.

use crate::domain::secret::Secret;

/// The least length of a password that is the only factor.
pub const SHORTEST_ALONE: usize = 15;
/// The least length of a password beside a second factor.
pub const SHORTEST_WITH_FACTOR: usize = 8;
/// Nobody's password is longer; hashing more would be a way to keep the server busy.
pub const LONGEST: usize = 256;
/// How much of a password its strength is judged by; the judgement takes longer than linear time.
const JUDGED: usize = 64;
/// A password that would be found within this many guesses is one that everybody tries: ten to the power of this.
const GUESSES_LOG10: f64 = 7.0;

/// Why a password may not be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// Shorter than the rules allow.
    Short {
        /// How long it must be.
        least: usize,
    },
    /// Longer than anyone's.
    Long,
    /// Common, or made of common words, the person's own name, a sequence or a repetition.
    Guessable,
}

impl Weakness {
    /// In words for whoever chooses it.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Short { least: SHORTEST_ALONE } => {
                "must have at least 15 characters, because it is the only thing that protects the account"
            }
            Self::Short { .. } => "must have at least 8 characters",
            Self::Long => "must have at most 256 bytes",
            Self::Guessable => {
                "is one that is guessed early: common words, a name, a sequence or a repetition. Take a few words that have nothing to do with each other"
            }
        }
    }
}

/// Whether a password may be set. `context` is what a guesser of this account's password would try first: names and the clinic.
///
/// # Errors
/// The [`Weakness`].
pub fn judge(password: &Secret, has_factor: bool, context: &[&str]) -> Result<(), Weakness> {
    let text = password.expose();
    let least = if has_factor { SHORTEST_WITH_FACTOR } else { SHORTEST_ALONE };
    if text.chars().count() < least {
        return Err(Weakness::Short { least });
    }
    if text.len() > LONGEST {
        return Err(Weakness::Long);
    }
    let judged: String = text.chars().take(JUDGED).collect();
    let words: Vec<&str> = context.iter().flat_map(|one| one.split_whitespace()).chain(["bedside"]).collect();
    let joined: String = judged.chars().filter(|c| !c.is_whitespace()).collect();
    if [judged, joined].iter().any(|text| zxcvbn::zxcvbn(text, &words).guesses_log10() < GUESSES_LOG10) {
        return Err(Weakness::Guessable);
    }
    Ok(())
}

/// Whether a password is long enough to be the only factor.
#[must_use]
pub fn stands_alone(password: &Secret) -> bool {
    password.expose().chars().count() >= SHORTEST_ALONE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, has_factor: bool) -> Result<(), Weakness> {
        judge(&Secret::new(text.to_owned()), has_factor, &["quillon", "Quillon Abernathy", "Riverside Clinic"])
    }

    #[test]
    fn fifteen_characters_alone_and_eight_beside_a_second_factor() {
        assert_eq!(judged("vk3 mapled oat", false), Err(Weakness::Short { least: 15 }));
        assert_eq!(judged("vk3 mapled oats", false), Ok(()));
        assert_eq!(judged("vk3 mapl", true), Ok(()));
        assert_eq!(judged("vk3 map", true), Err(Weakness::Short { least: 8 }));
        assert_eq!(judged("vé3 mäpł", true), Ok(()), "characters are counted, not bytes");
    }

    #[test]
    fn what_is_guessed_first_is_refused_however_long() {
        for common in [
            "password",
            "passwordpassword",
            "aaaaaaaaaaaaaaaa",
            "1234567890123456",
            "qwertyuiopasdfgh",
            "abcdefghijklmnop",
            "quillonabernathy",
            "bedsidebedside12",
            "abernathy abernathy",
            "quillon quillon",
        ] {
            assert_eq!(judged(common, true), Err(Weakness::Guessable), "{common}");
        }
    }

    #[test]
    fn no_rule_asks_for_kinds_of_characters() {
        assert_eq!(judged("copper lantern drifts sideways", false), Ok(()));
        assert_eq!(judged(&"x".repeat(257), false), Err(Weakness::Long));
    }

    #[test]
    fn judging_the_longest_password_is_quick() {
        let began = std::time::Instant::now();
        let _ = judged(&"aA1!bB2@".repeat(32), false);
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

//! How hard English words are to read: the Flesch–Kincaid grade level, 0.39 × words per sentence + 11.8 × syllables per word − 15.59.
//!
//! A heading and an item of a list each count as a sentence. Syllables are counted by groups of vowels, which is good to about a tenth of
//! a grade over a whole text.

/// The grade of a text in the small Markdown of consent texts. Zero for a text without words.
#[must_use]
pub fn grade(text: &str) -> f64 {
    let (mut words, mut sentences, mut syllables) = (0_u32, 0_u32, 0_u32);
    let mut paragraph_open = false;
    for line in text.lines() {
        let line = line.trim_start_matches(['#', '-', ' ']).trim();
        let begins_anew = line.is_empty() || text_line_is_marked(line);
        if begins_anew && paragraph_open {
            sentences += 1;
            paragraph_open = false;
        }
        for word in line.split_whitespace() {
            let letters: String = word.chars().filter(|c| c.is_alphabetic() || *c == '\'').collect();
            if letters.chars().any(char::is_alphabetic) {
                words += 1;
                syllables += syllables_of(&letters.to_lowercase());
                paragraph_open = true;
            }
            if word.trim_end_matches(['"', '*', ')', '”']).ends_with(['.', '!', '?', ':']) && paragraph_open {
                sentences += 1;
                paragraph_open = false;
            }
        }
        // a heading or an item ends with its line
        if paragraph_open && !line.is_empty() {
            sentences += 1;
            paragraph_open = false;
        }
    }
    if words == 0 {
        return 0.0;
    }
    let (words, sentences, syllables) = (f64::from(words), f64::from(sentences.max(1)), f64::from(syllables));
    0.39 * words / sentences + 11.8 * syllables / words - 15.59
}

fn text_line_is_marked(line: &str) -> bool {
    line.starts_with(['#', '-'])
}

fn syllables_of(word: &str) -> u32 {
    let vowel = |c: char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
    let mut count = 0;
    let mut before = false;
    for c in word.chars() {
        if vowel(c) && !before {
            count += 1;
        }
        before = vowel(c);
    }
    // a silent e: "came", "changes" keeps its own
    if word.ends_with('e') && !word.ends_with("le") && count > 1 {
        count -= 1;
    }
    if word.ends_with("ed") && !word.ends_with("ted") && !word.ends_with("ded") && count > 1 {
        count -= 1;
    }
    count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syllables_are_counted_as_they_are_spoken() {
        for (word, syllables) in [
            ("you", 1),
            ("care", 1),
            ("video", 2),
            ("clinic", 2),
            ("encrypted", 3),
            ("consultation", 4),
            ("people", 2),
            ("stopped", 1),
            ("the", 1),
        ] {
            assert_eq!(syllables_of(word), syllables, "{word}");
        }
    }

    #[test]
    fn hard_words_in_long_sentences_have_a_higher_grade_than_plain_ones() {
        let plain = "You can say no. We go on as before.";
        let hard = "Notwithstanding the aforementioned authorization, the undersigned individual irrevocably acknowledges the organization's \
                    documentation obligations regarding telecommunication confidentiality.";
        assert!(grade(plain) < 3.0, "{}", grade(plain));
        assert!(grade(hard) > 15.0, "{}", grade(hard));
        assert!((grade("") - 0.0).abs() < f64::EPSILON);
        // 2 sentences of 4 words and 4 syllables each: 0.39 * 4 + 11.8 * 1 - 15.59
        assert!((grade("The cat sat down. The dog ran off.") - (-2.23)).abs() < 1e-9);
    }
}

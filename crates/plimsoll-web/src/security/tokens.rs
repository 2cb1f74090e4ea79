//! Bearer tokens, one a line in files.

use std::path::Path;

use super::error::SecurityError;
use super::secret::{Secret, Tag};

/// The shortest token: nothing slows down who guesses at them.
const SHORTEST: usize = 16;

/// The longest token; longer ones do not fit into a header.
const LONGEST: usize = 4096;

/// The most tokens: a request is compared with each of them.
const MOST: usize = 256;

/// The tokens that open, none of them in the clear.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<Tag>);

impl Tokens {
    /// Adds those of a file's text.
    pub(super) fn add(&mut self, text: &str, path: &Path, secret: &Secret) -> Result<(), SecurityError> {
        let mut is_empty = true;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            is_empty = false;
            let fits = |character: char| character.is_ascii_graphic();
            if !line.chars().all(fits) || line.len() > LONGEST {
                return Err(SecurityError::of(path, "a line is no token", MAKE));
            }
            if line.len() < SHORTEST {
                return Err(SecurityError::of(path, "a token is shorter than 16 characters", MAKE));
            }
            if self.0.len() == MOST {
                return Err(SecurityError::of(
                    path,
                    "there are more than 256 tokens",
                    "take some of them out",
                ));
            }
            self.0.push(tag(secret, line));
        }
        if is_empty {
            return Err(SecurityError::of(path, "there is no token", MAKE));
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a token opens. Takes the same time whichever it is: all are looked at, and what is compared are tags under a
    /// key that the client does not know.
    pub(super) fn open(&self, token: &str, secret: &Secret) -> bool {
        let shown = tag(secret, token);
        self.0.iter().fold(false, |is_open, tag| is_open | (*tag == shown))
    }
}

const MAKE: &str = "write one token a line, as `openssl rand -hex 32` makes them";

fn tag(secret: &Secret, token: &str) -> Tag {
    secret.tag(&[b"token", token.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_lines() {
        let secret = Secret::new().unwrap();
        let long = "x".repeat(LONGEST + 1);
        for (text, is_good) in [
            ("0123456789abcdef\n", true),
            ("0123456789abcdef\r\n\n  0123456789ABCDEF  ", true),
            ("0123456789abcde\n", false),
            ("0123456789abcdef\nshort", false),
            ("with blank 0123456789abcdef", false),
            ("ümlaut0123456789abcdef", false),
            (&long, false),
            ("\n", false),
            ("", false),
        ] {
            let added = Tokens::default().add(text, Path::new("/t"), &secret);
            assert_eq!(added.is_ok(), is_good, "{text:?}");
        }
        let mut tokens = Tokens::default();
        tokens.add("0123456789abcdef\n0123456789ABCDEF", Path::new("/t"), &secret).unwrap();
        for (token, opens) in [
            ("0123456789abcdef", true),
            ("0123456789ABCDEF", true),
            ("0123456789abcdeF", false),
            ("0123456789abcde", false),
            ("", false),
        ] {
            assert_eq!(tokens.open(token, &secret), opens, "{token}");
        }
        assert!(!Tokens::default().open("", &secret));
    }
}

//! Which containers are measured: patterns for name, image and labels.

use std::collections::BTreeMap;

use glob::Pattern;

/// Patterns of containers to measure and to leave out.
///
/// A container is measured if, for each kind of pattern that is given to include, one of that kind
/// matches, and none to exclude does. Patterns are those of a shell: `*`, `?`, `[a-z]`.
///
/// ```
/// use plimsoll_collect::Filter;
///
/// let filter = Filter::default().include_names(["web-*"])?.exclude_labels(["tier=test*"])?;
/// let labels = |tier: &str| [("tier".to_owned(), tier.to_owned())].into();
/// assert!(filter.allows("web-1", "nginx", &labels("prod")));
/// assert!(!filter.allows("db-1", "postgres", &labels("prod")));
/// assert!(!filter.allows("web-1", "nginx", &labels("testing")));
/// # Ok::<(), plimsoll_collect::PatternError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Filter {
    include: Patterns,
    exclude: Patterns,
}

#[derive(Clone, Debug, Default)]
struct Patterns {
    names: Vec<Pattern>,
    images: Vec<Pattern>,
    labels: Vec<LabelPattern>,
}

/// A label that must be there, with any value or one that matches.
#[derive(Clone, Debug)]
struct LabelPattern {
    key: Pattern,
    value: Option<Pattern>,
}

/// A pattern that is none.
#[derive(Debug, thiserror::Error)]
#[error("'{pattern}' is no pattern: {source}; use *, ? and [a-z] as in a shell")]
pub struct PatternError {
    pattern: String,
    source: glob::PatternError,
}

fn compile(pattern: &str) -> Result<Pattern, PatternError> {
    Pattern::new(pattern).map_err(|source| PatternError { pattern: pattern.to_owned(), source })
}

fn compile_all<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Vec<Pattern>, PatternError> {
    patterns.into_iter().map(|pattern| compile(pattern.as_ref())).collect()
}

fn compile_labels<S: AsRef<str>>(
    patterns: impl IntoIterator<Item = S>,
) -> Result<Vec<LabelPattern>, PatternError> {
    let label = |text: &str| {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(compile(value)?)),
            None => (text, None),
        };
        Ok(LabelPattern { key: compile(key)?, value })
    };
    patterns.into_iter().map(|pattern| label(pattern.as_ref())).collect()
}

macro_rules! builders {
    ($($name:ident $side:ident $field:ident $compile:ident $doc:literal;)*) => {
        impl Filter {
            $(
                #[doc = $doc]
                ///
                /// # Errors
                /// If a pattern is malformed.
                pub fn $name<S: AsRef<str>>(
                    mut self,
                    patterns: impl IntoIterator<Item = S>,
                ) -> Result<Self, PatternError> {
                    self.$side.$field = $compile(patterns)?;
                    Ok(self)
                }
            )*
        }
    };
}

builders! {
    include_names include names compile_all "Measures only containers with such a name.";
    include_images include images compile_all "Measures only containers of such an image.";
    include_labels include labels compile_labels "Measures only containers with such a label: `KEY` or `KEY=VALUE`.";
    exclude_names exclude names compile_all "Leaves out containers with such a name.";
    exclude_images exclude images compile_all "Leaves out containers of such an image.";
    exclude_labels exclude labels compile_labels "Leaves out containers with such a label: `KEY` or `KEY=VALUE`.";
}

impl Filter {
    /// Whether there are patterns of labels.
    pub(crate) fn has_labels(&self) -> bool {
        !(self.include.labels.is_empty() && self.exclude.labels.is_empty())
    }

    /// Whether a container is measured.
    #[must_use]
    pub fn allows(&self, name: &str, image: &str, labels: &BTreeMap<String, String>) -> bool {
        let matches = |patterns: &[Pattern], text: &str| patterns.iter().any(|pattern| pattern.matches(text));
        let has_label = |patterns: &[LabelPattern]| {
            patterns.iter().any(|pattern| {
                labels.iter().any(|(key, value)| {
                    pattern.key.matches(key)
                        && pattern.value.as_ref().is_none_or(|wanted| wanted.matches(value))
                })
            })
        };
        let Self { include, exclude } = self;
        (include.names.is_empty() || matches(&include.names, name))
            && (include.images.is_empty() || matches(&include.images, image))
            && (include.labels.is_empty() || has_label(&include.labels))
            && !matches(&exclude.names, name)
            && !matches(&exclude.images, image)
            && !has_label(&exclude.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_is_given_must_match() {
        let labels = [("a".to_owned(), "1".to_owned()), ("com.x/y".to_owned(), String::new())].into();
        let cases = [
            ("", "", "", true),
            ("other web*", "", "", true),
            ("web*", "docker.io/nginx:*", "a=1", true),
            ("web*", "redis*", "a=1", false),
            ("web*", "*nginx*", "a=2", false),
            ("", "", "com.x/*", true),
            ("", "", "b", false),
        ];
        for (names, images, keys, expected) in cases {
            let filter = Filter::default().include_names(names.split_whitespace()).unwrap();
            let filter = filter.include_images(images.split_whitespace()).unwrap();
            let filter = filter.include_labels(keys.split_whitespace()).unwrap();
            assert_eq!(
                filter.allows("web-1", "docker.io/nginx:1", &labels),
                expected,
                "{names:?} {images:?} {keys:?}"
            );
        }
    }

    #[test]
    fn a_malformed_pattern_is_named() {
        let error = Filter::default().exclude_images(["ok", "[a"]).unwrap_err();
        assert!(error.to_string().contains("'[a'"), "{error}");
    }
}

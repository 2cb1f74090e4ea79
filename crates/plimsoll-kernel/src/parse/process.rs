//! `/proc/PID/limits`, `/proc/PID/schedstat`, and the state in `/proc/PID/stat`.

use super::{number, words};

/// `limits`: hands each limit that holds to `each`, as its name in the file without `Max`, in small letters and with
/// underscores (`max_open_files`), and its soft value. What is unlimited is left out.
pub fn limits(bytes: &[u8], mut each: impl FnMut(&str, u64)) {
    let mut name = String::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"Max ")) {
        name.clear();
        let mut words = words(line).peekable();
        // Names are of several words; the first that is a value ends them.
        while let Some(word) = words.next_if(|word| number(word).is_none() && *word != b"unlimited") {
            if !name.is_empty() {
                name.push('_');
            }
            name.extend(word.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        }
        if let Some(soft) = words.next().and_then(number) {
            each(&name, soft);
        }
    }
}

/// What the scheduler counted for a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedstat {
    /// Nanoseconds on a processor.
    pub run: u64,
    /// Nanoseconds of waiting for one.
    pub waited: u64,
    /// How often it was put on one.
    pub periods: u64,
}

/// `schedstat`: three numbers.
#[must_use]
pub fn schedstat(bytes: &[u8]) -> Option<Schedstat> {
    let mut numbers = words(bytes).map(number);
    let mut next = || numbers.next()?;
    Some(Schedstat { run: next()?, waited: next()?, periods: next()? })
}

/// The states in which tasks are counted, under cAdvisor's names.
pub const TASK_STATES: [&str; 4] = ["sleeping", "running", "stopped", "uninterruptible"];

/// The position of a task's state in [`TASK_STATES`], from `stat`. The command's name before it can hold anything, so the
/// last `)` ends it. A task that has ended is in none of them.
#[must_use]
pub fn task_state(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().rposition(|byte| *byte == b')')?;
    match words(&bytes[end + 1..]).next()? {
        // An idle thread of the kernel sleeps as well.
        b"S" | b"I" => Some(0),
        b"R" => Some(1),
        b"T" | b"t" => Some(2),
        b"D" => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_limits_by_name() {
        let text = b"Limit                     Soft Limit           Hard Limit           Units     \n\
            Max cpu time              unlimited            unlimited            seconds   \n\
            Max open files            1024                 524288               files     \n\
            Max nice priority         0                    0                    \n\
            Max realtime timeout      77\nMax\nMax broken\n";
        let mut found = vec![];
        limits(text, |name, soft| found.push((name.to_owned(), soft)));
        let expected = [("max_open_files", 1024), ("max_nice_priority", 0), ("max_realtime_timeout", 77)];
        assert_eq!(found, expected.map(|(name, soft)| (name.to_owned(), soft)));
    }

    #[test]
    fn what_the_scheduler_counted() {
        assert_eq!(schedstat(b"10 20 3\n"), Some(Schedstat { run: 10, waited: 20, periods: 3 }));
        for text in [&b""[..], b"1 2", b"1 x 3", b"-1 2 3"] {
            assert_eq!(schedstat(text), None);
        }
    }

    #[test]
    fn states_of_tasks() {
        for (text, expected) in [
            ("7 (sleep) S 1 7", Some("sleeping")),
            ("7 (a) R b) R 1", Some("running")),
            ("7 (x) T 1", Some("stopped")),
            ("7 (x) t 1", Some("stopped")),
            ("7 (x) D 1", Some("uninterruptible")),
            ("7 (x) I 1", Some("sleeping")),
            ("7 (x) Z 1", None),
            ("7 (x)", None),
            ("", None),
        ] {
            assert_eq!(task_state(text.as_bytes()).map(|at| TASK_STATES[at]), expected, "{text}");
        }
    }
}

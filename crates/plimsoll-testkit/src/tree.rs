//! Captured directory trees as one text file that a person can read and review.
//!
//! ```text
//! # Linux 6.1.0, cgroup v2; pack() of /sys/fs/cgroup/web on Debian 12
//! @dir web
//! @file web/cgroup.procs
//!  1
//!  17
//! @file web/cpuset.cpus
//!  0-1
//! @nonl
//! @link web/self -> ../web
//! @error web/memory.pressure Operation not supported (os error 95)
//! ```
//!
//! Lines of content begin with one space, so content never looks like anything else; `@nonl` says that the last line of
//! the file before it has no newline. `@error` is a file that exists and cannot be read. Lines with `#` and empty lines
//! are for the reader. Contents are text: what the kernel shows in its files is.

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// What an unreadable file is made of when a tree is unpacked: it opens, and reading its first byte fails with `EIO`,
/// for root too.
const UNREADABLE: &str = "/proc/self/mem";

/// Lays the tree out under `into`, which must exist.
///
/// Every `@error` becomes a file that opens and whose first byte cannot be read (`EIO`); the paths and texts of these
/// are returned, as the captured error itself cannot be made again.
///
/// # Panics
/// If the text is no packed tree, if one of its paths leads out of `into`, or if writing fails.
pub fn unpack(text: &str, into: &Path) -> Vec<(PathBuf, String)> {
    let mut errors = Vec::new();
    let mut file: Option<(PathBuf, String)> = None;
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        if let Some(content) = line.strip_prefix(' ') {
            let Some((_, text)) = &mut file else { panic!("line {number}: content without a file") };
            text.push_str(content);
            text.push('\n');
            continue;
        }
        if line == "@nonl" {
            let last = file.as_mut().and_then(|(_, text)| text.pop());
            assert_eq!(last, Some('\n'), "line {number}: @nonl without content");
            continue;
        }
        write_out(file.take());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((mark, rest)) = line.split_once(' ') else { panic!("line {number}: no path in {line:?}") };
        let path = |path: &str| {
            let path = Path::new(path);
            let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
            assert!(inside, "line {number}: {path:?} leads out of the tree");
            let path = into.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        match mark {
            "@dir" => fs::create_dir_all(path(rest)).unwrap(),
            "@file" => file = Some((path(rest), String::new())),
            "@link" => {
                let Some((from, to)) = rest.split_once(" -> ") else {
                    panic!("line {number}: no target in {line:?}")
                };
                std::os::unix::fs::symlink(to, path(from)).unwrap();
            }
            "@error" => {
                let (from, error) = rest.split_once(' ').unwrap_or((rest, ""));
                std::os::unix::fs::symlink(UNREADABLE, path(from)).unwrap();
                errors.push((PathBuf::from(from), error.to_owned()));
            }
            _ => panic!("line {number}: unknown mark {mark:?}"),
        }
    }
    write_out(file);
    errors
}

fn write_out(file: Option<(PathBuf, String)>) {
    if let Some((path, text)) = file {
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// Packs a directory, in the order of names; the header comments are the caller's to add. Files that cannot be read
/// become `@error`, files that are gone before they are read are left out, and anything that is no file, directory or
/// link is skipped.
///
/// # Panics
/// If a file is not UTF-8, or a path contains a newline (or a space, for unreadable files).
pub fn pack(dir: &Path) -> String {
    let mut text = String::new();
    pack_into(&mut text, dir, "");
    text
}

fn pack_into(text: &mut String, dir: &Path, prefix: &str) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        assert!(!path.contains('\n'), "{path:?} contains a newline");
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            writeln!(text, "@dir {path}").unwrap();
            pack_into(text, &entry.path(), &format!("{path}/"));
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            match target.to_str().unwrap() {
                UNREADABLE => pack_error(text, &path, "unreadable"),
                target => writeln!(text, "@link {path} -> {target}").unwrap(),
            }
        } else if kind.is_file() {
            match fs::read(entry.path()) {
                Ok(bytes) => pack_file(text, &path, bytes),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => pack_error(text, &path, &error.to_string()),
            }
        }
    }
}

fn pack_file(text: &mut String, path: &str, bytes: Vec<u8>) {
    let content = String::from_utf8(bytes).unwrap_or_else(|_| panic!("{path} is not UTF-8"));
    writeln!(text, "@file {path}").unwrap();
    let lines = content.strip_suffix('\n').unwrap_or(&content);
    if content.is_empty() {
        return;
    }
    for line in lines.split('\n') {
        assert!(!line.ends_with('\r'), "{path} has a line that ends with a carriage return");
        writeln!(text, " {line}").unwrap();
    }
    if !content.ends_with('\n') {
        text.push_str("@nonl\n");
    }
}

fn pack_error(text: &mut String, path: &str, error: &str) {
    assert!(!path.contains(' '), "{path:?} is unreadable and contains a space");
    writeln!(text, "@error {path} {error}").unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn round_trip() {
        let tree = "\
@dir a
@file a/@odd name
 @file not/a/mark
  indented
 # no comment
@file a/empty
@file a/newlines
 
 
@file a/no-newline
 first
 last
@nonl
@dir a/void
@link b -> a/empty
@error c unreadable
";
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let errors = unpack(&format!("# Linux 6.1\n\n{tree}"), first.path());
        assert_eq!(errors, [(PathBuf::from("c"), "unreadable".to_owned())]);
        let read = |path: &str| fs::read_to_string(first.path().join(path)).unwrap();
        assert_eq!(read("a/@odd name"), "@file not/a/mark\n indented\n# no comment\n");
        assert_eq!(
            (read("a/empty"), read("a/newlines"), read("a/no-newline")),
            ("".into(), "\n\n".into(), "first\nlast".into())
        );
        let mut unreadable = fs::File::open(first.path().join("c")).unwrap();
        assert!(unreadable.read(&mut [0; 8]).is_err());

        let packed = pack(first.path());
        assert_eq!(packed, tree);
        unpack(&packed, second.path());
        assert_eq!(pack(second.path()), tree);
    }

    #[test]
    fn what_is_no_tree() {
        for (text, part) in [
            (" content", "line 1: content without a file"),
            ("@file a\n@nonl", "line 2: @nonl without content"),
            ("# x\n@nose a", "line 2: unknown mark"),
            ("@file ../a", "leads out"),
            ("@file /a", "leads out"),
            ("@link a", "no target"),
            ("@file", "no path"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let panic = std::panic::catch_unwind(|| unpack(text, dir.path())).unwrap_err();
            let message = panic.downcast::<String>().unwrap();
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }
}

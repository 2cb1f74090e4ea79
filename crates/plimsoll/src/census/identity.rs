//! Who this installation is in a census: an identifier that it made up, and a salt for hashing names of images.
//!
//! Both are files of mode 0600, made whole or not at all, so that two programs that start at once agree on one. Neither
//! says anything of the machine. Another identifier comes with another salt: hashes that stayed the same would tell that
//! both are one installation.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

const ID: &str = "installation-id";
const SALT: &str = "image-salt";

/// The most bytes of such a file that are read.
const MAX_FILE: u64 = 16 * 1024;

/// Nobody else may read these files.
const MODE: u32 = 0o600;

/// Who this installation is.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// The identifier, a random UUID.
    pub(super) id: String,
    /// The salt, in hexadecimal.
    pub(super) salt: String,
}

impl Identity {
    /// Who this installation is; made up if it is nobody yet.
    ///
    /// # Errors
    /// If the files cannot be made or read, or hold something else.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let id = secret_in(&folder.join(ID), uuid)?;
        if !is_uuid(&id) {
            return Err(Failure::world(format!("{} holds no installation id", folder.join(ID).display()))
                .remedy("make up another one: plimsoll census id --rotate"));
        }
        Ok(Self { id, salt: secret_in(&folder.join(SALT), hex::<32>)? })
    }

    /// Makes this installation somebody else.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub(super) fn rotate(folder: &Path) -> Result<Self, Failure> {
        // The salt first: a new identifier must never be seen with the old one's hashes.
        for (name, content) in [(SALT, hex::<32>()), (ID, uuid())] {
            let path = folder.join(name);
            let content = content.map_err(|error| cannot("make", &path, error))?;
            replace(&path, &content).map_err(|error| cannot("write", &path, error))?;
        }
        Self::open(folder)
    }
}

/// What the file holds, without white space at the ends; what `make` makes if it is not there.
///
/// # Errors
/// If it can be neither read nor made, or is empty.
pub(super) fn secret_in(path: &Path, make: impl Fn() -> io::Result<String>) -> Result<String, Failure> {
    let content = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = make().and_then(|content| create(path, &content));
            made.map_err(|error| cannot("make", path, error))?;
            read(path)
        }
        read => read,
    };
    let content = content.map_err(|error| cannot("read", path, error))?;
    match content.trim() {
        "" => {
            Err(Failure::world(format!("{} is empty", path.display()))
                .remedy("remove it, to have it made anew"))
        }
        content => Ok(content.to_owned()),
    }
}

/// A random token: 32 bytes in hexadecimal.
pub(super) fn token() -> io::Result<String> {
    hex::<32>()
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Failure {
    Failure::world(format!("cannot {what} {}", path.display()))
        .remedy("name a folder that this user may write to with --census-state")
        .because(error)
}

fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        // Somebody else's program may have made it for all to read.
        file.set_permissions(Permissions::from_mode(MODE))?;
    }
    let mut content = String::new();
    file.take(MAX_FILE).read_to_string(&mut content)?;
    Ok(content)
}

/// Makes a file, unless there is one.
fn create(path: &Path, content: &str) -> io::Result<()> {
    let made = beside(path, content)?;
    // Unlike a renaming, a link takes no other's place.
    let linked = fs::hard_link(&made, path);
    fs::remove_file(&made)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// Makes a file, in the place of one that is there.
fn replace(path: &Path, content: &str) -> io::Result<()> {
    fs::rename(beside(path, content)?, path)
}

/// Writes a file beside the place where it is to be.
fn beside(path: &Path, content: &str) -> io::Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let made = folder.join(format!(".{name}.{}", hex::<8>()?));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&made)?;
    let written = writeln!(file, "{content}").and_then(|()| file.sync_all());
    written.inspect_err(|_| {
        // A half-written file is nobody's.
        let _ = fs::remove_file(&made);
    })?;
    Ok(made)
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn hex<const N: usize>() -> io::Result<String> {
    Ok(random::<N>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A random UUID, version 4 (RFC 9562, section 5.4).
fn uuid() -> io::Result<String> {
    let mut bytes = random::<16>()?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(parts.join("-"))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(at, character)| match at {
            8 | 13 | 18 | 23 => character == '-',
            _ => character.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn an_installation_is_somebody_until_it_wants_to_be_another() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/census");
        let first = Identity::open(&state).unwrap();
        assert!(is_uuid(&first.id) && first.id.as_bytes()[14] == b'4', "{}", first.id);
        assert_eq!(first.salt.len(), 64);
        assert!(Identity::open(&state).unwrap() == first);
        assert_eq!((mode(&state.join(ID)), mode(&state.join(SALT)), mode(&state)), (0o600, 0o600, 0o700));

        let second = Identity::rotate(&state).unwrap();
        assert!(second.id != first.id && second.salt != first.salt);
        assert!(Identity::open(&state).unwrap() == second);
        assert_eq!(mode(&state.join(ID)), 0o600);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 2, "nothing is left beside");
    }

    #[test]
    fn many_that_start_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let ids: Vec<String> = std::thread::scope(|scope| {
            let open = || Identity::open(folder.path()).unwrap().id;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }

    #[test]
    fn what_is_no_id_is_told_and_what_others_may_read_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ID);
        for (content, part) in [("", "is empty"), ("../../etc", "holds no installation id")] {
            fs::write(&path, content).unwrap();
            let told = Identity::open(folder.path()).err().unwrap().told();
            assert!(told.contains(part), "{told}");
        }
        // As Container Census leaves it.
        fs::write(&path, "a1b2c3d4-e5f6-7890-abcd-ef1234567890\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(Identity::open(folder.path()).unwrap().id, "a1b2c3d4-e5f6-7890-abcd-ef1234567890");
        assert_eq!(mode(&path), 0o600);
    }
}

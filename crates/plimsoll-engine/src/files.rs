//! Small files of other programs, read whole and bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest file that is read, in bytes: certificates and settings of the `docker` command are some kilobytes.
pub(crate) const MAX_FILE: u64 = 1024 * 1024;

/// The whole file, if it is at most [`MAX_FILE`] bytes long.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

//! Writes the seeds of each target to `FOLDER/TARGET/`, one file each.
//!
//! `cargo run -p plimsoll-fuzz --example seeds -- FOLDER`

#[path = "../tests/seeds/mod.rs"]
mod seeds;

use std::fs;
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder =
        std::env::args_os().nth(1).map(PathBuf::from).expect("the folder to write to as an argument");
    for (name, _) in plimsoll_fuzz::TARGETS {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds::of(name).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
    }
    Ok(())
}

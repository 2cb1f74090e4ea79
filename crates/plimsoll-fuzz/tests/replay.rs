//! Gives every target what fuzzing began with and what it found worth keeping.

mod seeds;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use plimsoll_fuzz::TARGETS;

/// The largest corpus of one target, in files.
const MAX_FILES: usize = 120;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

#[test]
fn what_fuzzers_kept_breaks_no_promise() {
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        let corpus = fs::read_dir(fuzz().join("corpus").join(name)).expect("a target has a corpus");
        let files: Vec<_> = corpus.flatten().map(|entry| entry.path()).collect();
        assert!((1..=MAX_FILES).contains(&files.len()), "{name}: {} files; see scripts/fuzz.sh", files.len());
        for path in files {
            let bytes = fs::read(&path).expect("a file of the corpus");
            if catch_unwind(|| target(&bytes)).is_err() {
                broken.push(path);
            }
        }
    }
    assert_eq!(broken, Vec::<PathBuf>::new(), "the panics stand above, in this order");
}

#[test]
fn what_was_captured_breaks_no_promise() {
    for (name, target) in TARGETS {
        let seeds = seeds::of(name);
        assert!(!seeds.is_empty(), "{name} begins with nothing");
        for seed in seeds {
            let shown = String::from_utf8_lossy(&seed).chars().take(200).collect::<String>();
            assert!(catch_unwind(|| target(&seed)).is_ok(), "{name}: {shown:?}");
        }
    }
}

#[test]
fn every_target_has_its_program_and_every_corpus_its_target() {
    let stems = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(fuzz().join(folder)).expect("a folder of fuzz/").flatten();
        entries.filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned())).collect()
    };
    let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems("fuzz_targets"), names);
    assert_eq!(stems("corpus"), names);
}

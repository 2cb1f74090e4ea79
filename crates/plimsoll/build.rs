#![expect(
    clippy::disallowed_methods,
    reason = "a build script gets what cargo tells it through the environment"
)]

//! Tells the program which source, compiler and target it was built from, for `--version` and
//! `plimsoll_build_info`.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=PLIMSOLL_REVISION");
    println!("cargo:rerun-if-changed=../../.git/HEAD");
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    // A build without a repository (a packaged source) says its revision in the environment, or has none.
    let revision = Some(variable("PLIMSOLL_REVISION")).filter(|revision| !revision.is_empty());
    let revision =
        revision.or_else(|| output("git", &["rev-parse", "--short=12", "HEAD"])).unwrap_or_default();
    let rustc = output(&variable("RUSTC"), &["--version"]).unwrap_or_default();
    let rustc = rustc.split_whitespace().nth(1).unwrap_or_default();
    println!("cargo:rustc-env=PLIMSOLL_BUILD_REVISION={revision}");
    println!("cargo:rustc-env=PLIMSOLL_BUILD_RUSTC={rustc}");
    println!("cargo:rustc-env=PLIMSOLL_BUILD_TARGET={}", variable("TARGET"));
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

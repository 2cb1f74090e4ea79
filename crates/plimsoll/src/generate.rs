//! What derives from the command line: completions for shells, and man pages.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgMatches, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::failure::Failure;
use crate::{cli, output, text};

/// Prints the completions for a shell.
pub(crate) fn completions(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let shell = matches.get_one::<Shell>("shell").context("no shell is named")?;
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut cli::command(), "plimsoll", &mut script);
    output::bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a man page, or writes all of them into a folder.
pub(crate) fn man(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    match matches.get_one::<String>("dir") {
        Some(folder) => write_pages(Path::new(folder))?,
        None => output::bytes(&page(matches.get_one("command").map(String::as_str))?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write_pages(folder: &Path) -> Result<(), Failure> {
    let cannot = |error| {
        Failure::world(format!("cannot write man pages into {}", folder.display()))
            .remedy("name a folder that this user may write to")
            .because(error)
    };
    fs::create_dir_all(folder).map_err(cannot)?;
    clap_mangen::generate_to(cli::command(), folder).map_err(cannot)
}

/// The page of a command, or of the program.
fn page(name: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut whole = cli::command();
    whole.build();
    let command = match name {
        None => whole,
        Some(name) => match whole.find_subcommand(name) {
            // Pages are named `plimsoll-agent`, which is what the built command calls itself for this purpose.
            Some(found) => {
                let own = found.get_display_name().unwrap_or(name).to_owned();
                found.clone().name(own)
            }
            None => return Err(unknown(&whole, name).into()),
        },
    };
    let mut page = Vec::new();
    Man::new(command).render(&mut page).context("cannot render the man page")?;
    Ok(page)
}

fn unknown(whole: &Command, name: &str) -> Failure {
    let known: Vec<&str> = whole.get_subcommands().map(Command::get_name).collect();
    Failure::caller(format!("man: unknown command {}", text::quoted(name)))
        .remedy(format!("known are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::table::SETTINGS;

    #[test]
    fn pages_and_completions_know_every_setting() {
        let page = String::from_utf8(page(Some("agent")).unwrap()).unwrap();
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut cli::command(), "plimsoll", &mut script);
        let script = String::from_utf8(script).unwrap();
        for setting in SETTINGS {
            let flag = setting.flag.replace("NAME", "cpu");
            assert!(script.contains(&format!("--{flag}")), "no --{flag} in the completions");
            // In a man page, dashes are escaped.
            assert!(page.contains(&flag.replace('-', "\\-")), "no --{flag} in the page:\n{page}");
            assert!(page.contains(setting.env), "no {} in the page", setting.env);
        }
        assert!(page.contains("plimsoll\\-agent"), "{page}");
    }

    #[test]
    fn an_unknown_page_is_named() {
        assert_eq!(page(Some("agnt")).unwrap_err().to_string(), "man: unknown command `agnt`");
    }
}

//! The types of collectors of which nobody writes a line of Rust.

use super::collector::Collector;
use super::config::ConfigError;
use super::error::CollectorError;
use super::exec::Exec;
use super::factory::CollectorFactory;
use super::http::{Http, HttpOfContainers, Lookup};
use super::textfile::Textfile;

/// Registers the types `exec`, which runs a command, `textfile`, which reads the `*.prom` files of folders, and `http`, which asks a server: one address with the parameter `url`,
/// or each container that has a label with `container_label`. `lookup` finds containers for it.
///
/// ```
/// use std::sync::Arc;
/// use plimsoll_collect::metrics::{CollectorFactory, register_custom};
///
/// let factory = CollectorFactory::default();
/// register_custom(&factory, Arc::new(|_| None))?;
/// let backup = factory.builder().name("backup").parameter("command", "/opt/backup-age --all").build("exec")?;
/// let node = factory.builder().parameter("url", "http://localhost:9100/metrics").build("http")?;
/// assert_eq!((backup.name(), node.name()), ("backup", "http"));
///
/// let error = factory.builder().parameter("comand", "/opt/backup-age").build("exec").unwrap_err();
/// assert_eq!(
///     error.chain(),
///     r#"configuring the collector "exec": parameters have no "comand": did you mean "command"?"#
/// );
/// # Ok::<(), plimsoll_collect::metrics::CollectorError>(())
/// ```
///
/// # Errors
/// If the factory has types of these names.
pub fn register(factory: &CollectorFactory, lookup: Lookup) -> Result<(), CollectorError> {
    factory.register_collector_type("exec", |config| {
        let exec = Exec::from_parameters(&config.parameters).map_err(|source| wrong(&config.name, source))?;
        Collector::of_system(config, exec)
    })?;
    factory.register_collector_type("textfile", |config| {
        let textfile =
            Textfile::from_parameters(&config.parameters).map_err(|source| wrong(&config.name, source))?;
        Collector::blocking(config, move || textfile.collect())
    })?;
    factory.register_collector_type("http", move |config| {
        let (parameters, wrong) = (&config.parameters, |source| wrong(&config.name, source));
        if parameters.contains_key("container_label") {
            let http = HttpOfContainers::from_parameters(parameters, lookup.clone()).map_err(wrong)?;
            Collector::of_container(config, http)
        } else {
            let http = Http::from_parameters(parameters).map_err(wrong)?;
            Collector::of_system(config, http)
        }
    })
}

fn wrong(collector: &str, source: ConfigError) -> CollectorError {
    CollectorError::Config { collector: collector.to_owned(), source }
}

//! Who a container is over time: the line that it belongs to.

use plimsoll_model::Container;

/// The Compose project and service of a container; empty where it has none.
pub(crate) fn compose(container: &Container) -> (&str, &str) {
    (compose_label(container, "project"), compose_label(container, "service"))
}

/// A label of Docker Compose, or of Podman Compose where that one is absent.
fn compose_label<'a>(container: &'a Container, name: &str) -> &'a str {
    ["com.docker.compose.", "io.podman.compose."]
        .iter()
        .map(|prefix| container.label(&format!("{prefix}{name}")))
        .find(|value| !value.is_empty())
        .unwrap_or("")
}

/// What containers of one line have in common, as JSON: the Compose project, service and number, else the name.
///
/// A one-off container (`docker compose run`) is not the service's and goes by its name; a container without a name by its id.
pub(crate) fn line_key(container: &Container) -> String {
    let (project, service) = compose(container);
    let is_one_off = compose_label(container, "oneoff").eq_ignore_ascii_case("true");
    let key = if !project.is_empty() && !service.is_empty() && !is_one_off {
        let number = compose_label(container, "container-number");
        serde_json::json!(["compose", project, service, if number.is_empty() { "1" } else { number }])
    } else if container.name.is_empty() {
        serde_json::json!(["id", container.id])
    } else {
        serde_json::json!(["name", container.name])
    };
    key.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, labels: &[(&str, &str)]) -> Container {
        let mut container = Container::new("0123456789abcdef", "docker".into());
        name.clone_into(&mut container.name);
        container.labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        container
    }

    #[test]
    fn a_line_goes_by_compose_service_then_name_then_id() {
        let project = ("com.docker.compose.project", "shop");
        let service = ("com.docker.compose.service", "web");
        for (name, labels, key) in [
            (
                "shop-web-2",
                &[project, service, ("com.docker.compose.container-number", "2")][..],
                r#"["compose","shop","web","2"]"#,
            ),
            ("shop-web-1", &[project, service], r#"["compose","shop","web","1"]"#),
            (
                "shop-web-run-1",
                &[project, service, ("com.docker.compose.oneoff", "True")],
                r#"["name","shop-web-run-1"]"#,
            ),
            (
                "shop_web_1",
                &[("io.podman.compose.project", "shop"), ("io.podman.compose.service", "web")],
                r#"["compose","shop","web","1"]"#,
            ),
            ("web", &[project], r#"["name","web"]"#),
            ("", &[], r#"["id","0123456789abcdef"]"#),
        ] {
            assert_eq!(line_key(&container(name, labels)), key);
        }
    }
}

//! What a scan found, as a table for people and as JSON for programs.

use std::fmt::Write as _;

use plimsoll_wire::census::inventory::{ContainerInventory, HostInventory, Via};
use serde_json::{Map, Value, json};

use super::scan::{Outcome, Scan, Scanned};
use crate::stats::format::binary_size;
use crate::stats::template::aligned;
use crate::text::printable;

/// What stands where nothing is known.
const NONE: &str = "--";

/// The table, and a line for each host that answered.
pub(super) fn table(scan: &Scan) -> String {
    let mut lines =
        String::from("HOST\tNAME\tIMAGE\tSIZE\tSTATE\tRESTARTS\tCPU %\tMEMORY\tNETWORKS\tVOLUMES\tPROJECT\n");
    for (scanned, host) in scan.found() {
        for container in &host.containers {
            let cells = row(&scanned.address, host, container).map(|cell| printable(&cell));
            lines.push_str(&cells.join("\t"));
            lines.push('\n');
        }
    }
    let mut out = aligned(&lines);
    out.push('\n');
    for (scanned, host) in scan.found() {
        let _ = writeln!(out, "{}", printable(&summary(scanned, host)));
    }
    out
}

fn row(address: &str, host: &HostInventory, container: &ContainerInventory) -> [String; 11] {
    let or_none =
        |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| NONE.to_owned());
    let size = container.image_size.or_else(|| host.images.get(&container.image).copied());
    [
        address.to_owned(),
        container.name.clone(),
        or_none(Some(container.image.clone())),
        or_none(size.map(binary_size)),
        or_none(Some(container.state.clone())),
        or_none(container.restart_count.map(|count| count.to_string())),
        or_none(container.cpu_percent.map(|percent| format!("{percent:.2}"))),
        or_none(container.memory_bytes.map(binary_size)),
        or_none(Some(container.networks.join(","))),
        or_none(Some(container.volumes.join(","))),
        or_none(container.compose_project.clone()),
    ]
}

fn summary(scanned: &Scanned, host: &HostInventory) -> String {
    let count = |state: &str| host.containers.iter().filter(|container| container.state == state).count();
    let agent = match &host.agent_version {
        Some(version) => format!(" (agent {version} on {})", host.name),
        None => String::new(),
    };
    format!(
        "{}{agent}: {} containers, {} running, {} exited, in {:.0?}",
        scanned.address,
        host.containers.len(),
        count("running"),
        count("exited"),
        scanned.took
    )
}

/// The scan as one JSON object. What is not known is left out.
pub(super) fn json(scan: &Scan) -> String {
    let hosts: Vec<Value> = scan.hosts.iter().map(host).collect();
    format!("{:#}\n", json!({ "hosts": hosts }))
}

fn host(scanned: &Scanned) -> Value {
    let mut object = Map::new();
    object.insert("address".to_owned(), scanned.address.clone().into());
    object.insert("seconds".to_owned(), scanned.took.as_secs_f64().into());
    match &scanned.outcome {
        Outcome::Failed(why) => object.insert("error".to_owned(), why.clone().into()),
        Outcome::Same(other) => object.insert("same_as".to_owned(), other.clone().into()),
        Outcome::Found(found) => {
            object.insert("name".to_owned(), found.name.clone().into());
            let via = if found.via == Via::Agent { "agent" } else { "engine" };
            object.insert("via".to_owned(), via.into());
            if let Some(version) = &found.agent_version {
                object.insert("agent_version".to_owned(), version.clone().into());
            }
            let containers: Vec<Value> =
                found.containers.iter().map(|container| self::container(found, container)).collect();
            object.insert("containers".to_owned(), containers.into())
        }
    };
    if let Some(trouble) = &scanned.trouble {
        object.insert("trouble".to_owned(), trouble.clone().into());
    }
    object.into()
}

fn container(host: &HostInventory, container: &ContainerInventory) -> Value {
    let mut object = json!({
        "id": container.id, "name": container.name, "image": container.image, "image_id": container.image_id,
        "state": container.state, "networks": container.networks, "volumes": container.volumes,
        "depends_on": container.depends_on,
    });
    let size = container.image_size.or_else(|| host.images.get(&container.image).copied());
    let known = [
        ("image_size", size.map(Value::from)),
        ("restart_count", container.restart_count.map(Value::from)),
        ("compose_project", container.compose_project.clone().map(Value::from)),
        ("cpu_percent", container.cpu_percent.map(Value::from)),
        ("memory_bytes", container.memory_bytes.map(Value::from)),
        ("memory_limit", container.memory_limit.map(Value::from)),
    ];
    for (key, value) in known {
        if let Some(value) = value {
            object[key] = value;
        }
    }
    object
}

//! What Podman says beyond Docker's API, under paths of its own (`/libpod`).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::lenient::{Text, scalar};
use crate::types::{elements, usable_id};

/// The version in the paths: the oldest that Podman 4 to 6 speak. Newer ones add nothing to what is asked for here, and
/// paths without a version do not exist.
const API: &str = "4.0.0";

/// A path of Podman's own.
pub(crate) fn path(path: &str) -> String {
    format!("/v{API}/libpod{path}")
}

/// To which pod a container belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodMembership {
    /// The pod's id.
    pub pod_id: String,
    /// The pod's name.
    pub pod_name: String,
    /// True if the container is the one that Podman itself made to hold the pod's namespaces.
    pub is_infra: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct MemberWire {
    #[serde(deserialize_with = "scalar")]
    id: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    pod: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    pod_name: Option<String>,
    #[serde(deserialize_with = "scalar")]
    is_infra: Option<bool>,
}

/// The pods' members by container id; `None` if it is no complete JSON array.
pub(crate) fn pods(body: &[u8]) -> Option<BTreeMap<String, PodMembership>> {
    let (members, _) = elements::<MemberWire>(body)?;
    let member = |wire: MemberWire| {
        let (id, pod_id) = (usable_id(wire.id)?, usable_id(wire.pod)?);
        let pod_name = wire.pod_name.unwrap_or_default();
        Some((id, PodMembership { pod_id, pod_name, is_infra: wire.is_infra.unwrap_or(false) }))
    };
    Some(members.into_iter().filter_map(member).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_pods() {
        for (body, pod_name, infra, others) in [
            (include_bytes!("../../../fixtures/engine/podman-4.3/libpod-list.json").as_slice(), "pod1", 1, 1),
            (include_bytes!("../../../fixtures/engine/podman-6.0/libpod-list.json").as_slice(), "pod1", 1, 1),
        ] {
            let pods = pods(body).unwrap();
            assert!(pods.values().all(|member| member.pod_name == pod_name && member.pod_id.len() == 64));
            let infras = pods.values().filter(|member| member.is_infra).count();
            assert_eq!((infras, pods.len() - infras), (infra, others));
        }
    }

    #[test]
    fn odd_members_do_not_take_the_others() {
        let good = r#"{"Id":"a","Pod":"p","PodName":"n"}"#;
        for odd in ["5", "{}", r#"{"Id":"b"}"#, r#"{"Id":"b","Pod":"../x"}"#, r#"{"Id":"b","Pod":"\ud800"}"#]
        {
            let pods = pods(format!("[{odd},{good}]").as_bytes()).unwrap();
            assert_eq!(pods.len(), 1, "{odd}");
            assert_eq!((pods["a"].pod_name.as_str(), pods["a"].is_infra), ("n", false));
        }
        assert_eq!(pods(b"{}"), None);
        assert_eq!(pods(b"["), None);
    }
}

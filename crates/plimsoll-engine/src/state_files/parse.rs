//! From the bytes of a state file to an identity.

use serde::Deserialize;

use crate::lenient::{Labels, Moment, Object, Scalar, Text, Texts, nested, scalar};
use crate::state_files::Identity;
use crate::types::{elements, usable_id, without_slash};

/// The labels by which Kubernetes names a container's pod, whatever the engine.
const CONTAINER: &str = "io.kubernetes.container.name";
const POD: &str = "io.kubernetes.pod.name";
const NAMESPACE: &str = "io.kubernetes.pod.namespace";
const UID: &str = "io.kubernetes.pod.uid";

/// What the kubelet calls the container that holds a pod's namespaces.
const SANDBOX: &str = "POD";

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct DockerWire {
    #[serde(deserialize_with = "scalar")]
    name: Option<String>,
    #[serde(deserialize_with = "scalar")]
    created: Option<Moment>,
    #[serde(deserialize_with = "nested")]
    config: DockerConfigWire,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct DockerConfigWire {
    #[serde(deserialize_with = "scalar")]
    image: Option<String>,
    labels: Labels,
}

/// Docker's `config.v2.json`. `None` if it says nothing.
pub(crate) fn docker(bytes: &[u8]) -> Option<Identity> {
    let wire: DockerWire = object(bytes)?;
    let identity = Identity {
        name: wire.name.map(|name| without_slash(&name).to_owned()),
        image: wire.config.image,
        labels: wire.config.labels.map,
        created: wire.created.map(|moment| moment.0),
    };
    (identity != Identity::default()).then_some(identity)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DockerRestartsWire {
    #[serde(rename = "ID", deserialize_with = "scalar")]
    id: Option<Text>,
    #[serde(rename = "RestartCount", deserialize_with = "scalar")]
    restarts: Option<u64>,
}

/// The restarts in Docker's `config.v2.json`, if it is this container's.
pub(crate) fn docker_restarts(bytes: &[u8], id: &str) -> Option<u64> {
    let wire: DockerRestartsWire = object(bytes)?;
    wire.restarts.filter(|_| wire.id.is_some_and(|own| own.as_str() == id))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct StorageWire {
    #[serde(deserialize_with = "scalar")]
    id: Option<Text>,
    names: Texts,
    #[serde(deserialize_with = "scalar")]
    created: Option<Moment>,
    /// JSON in a text, written by whoever uses the storage.
    #[serde(deserialize_with = "scalar")]
    metadata: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct MetadataWire {
    #[serde(deserialize_with = "scalar")]
    image_name: Option<String>,
    #[serde(deserialize_with = "scalar")]
    name: Option<String>,
}

/// The list that Podman and CRI-O have in common, `containers.json`: ids with what is known of each.
pub(crate) fn storage(bytes: &[u8]) -> Vec<(String, Identity)> {
    let (containers, _) = elements::<StorageWire>(bytes).unwrap_or_default();
    let identity = |wire: StorageWire| {
        let metadata: MetadataWire =
            wire.metadata.and_then(|text| object(text.as_bytes())).unwrap_or_default();
        let name = wire.names.items.into_iter().next().map(Text::into_string);
        let identity = Identity {
            name: name.or(metadata.name),
            image: metadata.image_name,
            created: wire.created.map(|moment| moment.0),
            ..Identity::default()
        };
        Some((usable_id(wire.id)?, identity))
    };
    containers.into_iter().filter_map(identity).collect()
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct BundleWire {
    annotations: Labels,
}

/// An OCI `config.json`, of which the annotations tell: CRI-O's, containerd's for Kubernetes, nerdctl's. `None` if they
/// do not.
pub(crate) fn bundle(bytes: &[u8]) -> Option<Identity> {
    let mut annotations = object::<BundleWire>(bytes)?.annotations.map;
    let mut take = |keys: &[&str]| {
        keys.iter().find_map(|&key| annotations.remove(key)).filter(|value| !value.is_empty())
    };
    let kind = take(&["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"]);
    let container = take(&[CONTAINER, "io.kubernetes.cri.container-name"]);
    let sandbox = (kind.as_deref() == Some("sandbox")).then(|| SANDBOX.to_owned());
    let container = sandbox.or(container);
    let pod = take(&[POD, "io.kubernetes.cri.sandbox-name"]);
    let namespace = take(&[NAMESPACE, "io.kubernetes.cri.sandbox-namespace"]);
    let uid = take(&[UID, "io.kubernetes.cri.sandbox-uid"]);
    let image = take(&["io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName"]);
    // Podman writes it under CRI-O's name too.
    let created = take(&["io.kubernetes.cri-o.Created"]).and_then(|text| moment(&text));
    let own = take(&["nerdctl/name"]);
    let labels = take(&["io.kubernetes.cri-o.Labels"]).and_then(|text| object::<LabelsWire>(text.as_bytes()));

    let name = match (&container, &pod, &namespace) {
        (Some(container), Some(pod), Some(namespace)) => {
            Text::from_text(&format!("k8s_{container}_{pod}_{namespace}")).map(Text::into_string)
        }
        _ => own.or_else(|| container.clone()),
    };
    let mut labels = labels.map(|labels| labels.0.map).unwrap_or_default();
    for (key, value) in [(CONTAINER, container), (POD, pod), (NAMESPACE, namespace), (UID, uid)] {
        if let Some(value) = value {
            labels.entry(key.to_owned()).or_insert(value);
        }
    }
    let identity = Identity { name, image, labels, created };
    (identity != Identity::default()).then_some(identity)
}

#[derive(Deserialize, Default)]
#[serde(transparent)]
struct LabelsWire(Labels);

fn object<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    serde_json::from_slice::<Object<T>>(bytes).ok()?.0
}

fn moment(text: &str) -> Option<u64> {
    Moment::from_text(text).map(|moment| moment.0)
}

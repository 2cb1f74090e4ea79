//! Files of every engine in temporary folders.

use super::*;
use proptest::prelude::*;
use tempfile::TempDir;

const ID: &str = "4e9cbdb5459bd37b25b5e16003c71dbe673852d5699c296980221b36d8d3c0be";

const POD_ANNOTATIONS: &str = r#"{"ociVersion":"1.0","annotations":{
    "io.kubernetes.cri.container-type":"container","io.kubernetes.cri.container-name":"web",
    "io.kubernetes.cri.image-name":"reg/web:1","io.kubernetes.cri.sandbox-name":"shop-1",
    "io.kubernetes.cri.sandbox-namespace":"default","io.kubernetes.cri.sandbox-uid":"u-1"}}"#;

fn host(files: &[(&str, &str)]) -> TempDir {
    let host = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = host.path().join(path.replace("ID", ID));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.replace("\"ID\"", &format!("{ID:?}"))).unwrap();
    }
    host
}

/// Name, image, creation, and labels as `key=value`.
type Known<'a> = (&'a str, &'a str, Option<u64>, &'a [&'a str]);

fn check(files: &[(&str, &str)], expected: Option<Known<'_>>) {
    let host = host(files);
    let found = StateFiles::usual(host.path(), [Path::new("/home/me")]).find(ID);
    let labels = |found: &Identity| found.labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
    let found = found.map(|found| {
        let labels = labels(&found);
        (found.name.unwrap_or_default(), found.image.unwrap_or_default(), found.created, labels)
    });
    let expected = expected.map(|(name, image, created, labels)| {
        (name.to_owned(), image.to_owned(), created, labels.iter().map(ToString::to_string).collect())
    });
    assert_eq!(found, expected, "{files:?}");
}

#[test]
fn docker() {
    let config = r#"{"ID":"ID","Name":"/web-1","Created":"2026-11-21T12:52:11.387456814Z","Image":"sha256:b8ed",
        "Config":{"Image":"nginx:1","Labels":{"a":"b"}},"State":{"Running":true}}"#;
    let known = ("web-1", "nginx:1", Some(1_795_265_531_387_456_814), &["a=b"][..]);
    for root in ["var/lib/docker", "home/me/.local/share/docker", "var/snap/docker/common/var-lib-docker"] {
        check(&[(&format!("{root}/containers/ID/config.v2.json"), config)], Some(known));
    }
    let elsewhere = "srv/docker/containers/ID/config.v2.json";
    check(&[(elsewhere, config)], None);
    let host = host(&[(elsewhere, config)]);
    let files = StateFiles { docker: vec![host.path().join("srv/docker")], ..StateFiles::default() };
    assert_eq!(files.find(ID).unwrap().name.as_deref(), Some("web-1"));
}

#[test]
fn podman() {
    let list = r#"[5,{"id":"../x","names":["evil"]},{"id":"ID","names":["web"],"image":"55a8",
        "metadata":"{\"image-name\":\"localhost/busybox:local\",\"name\":\"web\",\"created-at\":1795264326}",
        "created":"2026-11-21T12:32:06.66579795Z","flags":{}}]"#;
    let bundle = r#"{"annotations":{"io.container.manager":"libpod",
        "io.kubernetes.cri-o.Created":"2026-11-21T12:32:06.616189375Z","io.kubernetes.cri-o.TTY":"false"}}"#;
    let known = ("web", "localhost/busybox:local", Some(1_795_264_326_665_797_950), &[][..]);
    for path in [
        "var/lib/containers/storage/overlay-containers/containers.json",
        "home/me/.local/share/containers/storage/vfs-containers/containers.json",
        "run/containers/storage/overlay-containers/volatile-containers.json",
    ] {
        check(&[(path, list)], Some(known));
    }
    let folder = "var/lib/containers/storage/overlay-containers";
    let (list_path, bundle_path) =
        (format!("{folder}/containers.json"), format!("{folder}/ID/userdata/config.json"));
    let both = [(list_path.as_str(), list), (bundle_path.as_str(), bundle)];
    check(&both, Some(("web", "localhost/busybox:local", Some(1_795_264_326_616_189_375), &[])));
    let nameless = r#"[{"id":"ID","metadata":"{\"name\":\"web\"}"}]"#;
    check(&[(&list_path, nameless)], Some(("web", "", None, &[])));
    check(
        &[(&list_path, r#"[{"id":"ID","names":["web"],"metadata":"no JSON"}]"#)],
        Some(("web", "", None, &[])),
    );
}

#[test]
fn kubernetes() {
    let labels = [
        "io.kubernetes.container.name=web",
        "io.kubernetes.pod.name=shop-1",
        "io.kubernetes.pod.namespace=default",
        "io.kubernetes.pod.uid=u-1",
    ];
    for task in ["run/containerd", "run/k3s/containerd"] {
        let path = format!("{task}/io.containerd.runtime.v2.task/k8s.io/ID/config.json");
        check(&[(&path, POD_ANNOTATIONS)], Some(("k8s_web_shop-1_default", "reg/web:1", None, &labels)));
    }
    let task = "run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json";
    let sandbox = POD_ANNOTATIONS.replace(r#""container","#, r#""sandbox","#);
    let sandbox_labels = ["io.kubernetes.container.name=POD", labels[1], labels[2], labels[3]];
    check(&[(task, &sandbox)], Some(("k8s_POD_shop-1_default", "reg/web:1", None, &sandbox_labels)));

    let crio = r#"{"annotations":{"io.container.manager":"cri-o","io.kubernetes.container.name":"web",
        "io.kubernetes.pod.name":"shop-1","io.kubernetes.pod.namespace":"default","io.kubernetes.pod.uid":"u-1",
        "io.kubernetes.cri-o.ContainerType":"container","io.kubernetes.cri-o.ImageName":"reg/web:1",
        "io.kubernetes.cri-o.Created":"2026-11-21T12:32:06Z","io.kubernetes.cri-o.Labels":"{\"tier\":\"front\"}"}}"#;
    let list = r#"[{"id":"ID","names":["k8s_web_shop-1_default_u-1_0"],
        "metadata":"{\"pod-name\":\"shop-1\",\"image-name\":\"sha256:1\",\"metadata-name\":\"web\"}"}]"#;
    let all: Vec<&str> = labels.iter().copied().chain(["tier=front"]).collect();
    let created = Some(1_795_264_326_000_000_000);
    let bundle = ("run/containers/storage/overlay-containers/ID/userdata/config.json", crio);
    check(&[bundle], Some(("k8s_web_shop-1_default", "reg/web:1", created, &all)));
    let list = ("var/lib/containers/storage/overlay-containers/containers.json", list);
    check(&[bundle, list], Some(("k8s_web_shop-1_default_u-1_0", "reg/web:1", created, &all)));
}

#[test]
fn nerdctl_and_plain_bundles() {
    let task = "run/containerd/io.containerd.runtime.v2.task/default/ID/config.json";
    check(
        &[(task, r#"{"annotations":{"nerdctl/name":"web","nerdctl/namespace":"default"}}"#)],
        Some(("web", "", None, &[])),
    );
    // What Docker itself gives to containerd.
    check(&[(task, r#"{"ociVersion":"1.0","process":{}}"#)], None);
}

#[test]
fn what_cannot_be_used_is_not_there() {
    let path = "var/lib/docker/containers/ID/config.v2.json";
    let large = format!(r#"{{"Name":"/web","x":"{}"}}"#, "x".repeat(1024 * 1024));
    for content in ["", "5", "[]", "{", "{}", r#"{"Name":5,"Config":[]}"#, large.as_str()] {
        check(&[(path, content)], None);
    }
    check(&[(&format!("{path}/x"), "a folder in its place")], None);
    let half = r#"{"Name":"/web","Config":5,"Created":"0001-01-01T00:00:00Z"}"#;
    check(&[(path, half)], Some(("web", "", None, &[])));

    let host = host(&[("var/lib/docker/containers/config.v2.json", r#"{"Name":"/evil"}"#)]);
    let files = StateFiles::usual(host.path(), []);
    for id in ["", ".", "..", "../containers", "a/b", "/", "a\0b", &"a".repeat(300)] {
        assert_eq!(files.find(id), None, "{id:?}");
    }
}

#[test]
fn the_host_is_believed_before_its_users() {
    let config = |name: &str| format!(r#"{{"Name":"/{name}","Config":{{"Labels":{{"{name}":"1"}}}}}}"#);
    let list = |name: &str| format!(r#"[{{"id":"ID","names":["{name}"]}}]"#);
    let (host, user) = ("var/lib", "home/me/.local/share");
    let file = |root: &str| format!("{root}/docker/containers/ID/config.v2.json");
    let store = |root: &str| format!("{root}/containers/storage/overlay-containers/containers.json");
    check(
        &[(&file(user), &config("evil")), (&file(host), &config("web"))],
        Some(("web", "", None, &["web=1"])),
    );
    check(
        &[(&store(user), &list("evil")), (&file(host), &config("web"))],
        Some(("web", "", None, &["web=1"])),
    );
    check(&[(&store(user), &list("evil")), (&store(host), &list("web"))], Some(("web", "", None, &[])));
}

#[test]
fn several_at_once() {
    let list = r#"[{"id":"a1","names":["one"]},{"id":"b2","names":["two"]},{"id":"c3","names":["three"]}]"#;
    let host = host(&[
        ("var/lib/containers/storage/overlay-containers/containers.json", list),
        ("var/lib/docker/containers/d4/config.v2.json", r#"{"Name":"/four"}"#),
    ]);
    let found = StateFiles::usual(host.path(), []).find_all(["a1", "c3", "d4", "e5"]);
    let names: Vec<_> =
        found.iter().map(|(id, known)| (id.as_str(), known.name.as_deref().unwrap())).collect();
    assert_eq!(names, [("a1", "one"), ("c3", "three"), ("d4", "four")]);
}

proptest! {
    #[test]
    fn damaged_files(
        cut in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let list = format!("[{POD_ANNOTATIONS},{POD_ANNOTATIONS}]");
        for content in [POD_ANNOTATIONS, list.as_str()] {
            let mut bytes = content.as_bytes().to_vec();
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            let _ = (parse::docker(&bytes), parse::bundle(&bytes), parse::storage(&bytes));
        }
    }
}

#[test]
fn a_name_that_is_put_together_has_the_bound_of_any_other() {
    let long = "é".repeat(crate::MAX_TEXT / 4);
    let annotations: Vec<_> = ["container-name", "sandbox-name", "sandbox-namespace"]
        .map(|key| format!(r#""io.kubernetes.cri.{key}":"{long}""#))
        .into();
    let bundle = format!(r#"{{"annotations":{{{}}}}}"#, annotations.join(","));
    let name = parse::bundle(bundle.as_bytes()).unwrap().name.unwrap();
    assert!(name.starts_with("k8s_é") && name.len() <= crate::MAX_TEXT, "{} bytes", name.len());
}

#[test]
fn restarts_stand_in_the_file_of_that_container() {
    let root = tempfile::tempdir().unwrap();
    for (id, content) in [
        ("a", r#"{"ID":"a","RestartCount":22}"#),
        ("b", r#"{"ID":"other","RestartCount":1}"#),
        ("c", r#"{"ID":"c"}"#),
        ("d", "no JSON"),
    ] {
        let folder = root.path().join("containers").join(id);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.v2.json"), content).unwrap();
    }
    let told = docker_restarts(root.path(), ["a", "b", "c", "d", "e", "../a"]);
    assert_eq!(told, BTreeMap::from([("a".to_owned(), 22)]));
}

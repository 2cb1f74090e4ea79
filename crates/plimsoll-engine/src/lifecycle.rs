//! Creates, starts, stops and removes containers, and pulls images: everything that is no `GET`.
//!
//! An agent has no business here. So this stands behind the feature `lifecycle`, and in one type that has to be named:
//! [`ContainerControl`]. It does what it is asked and nothing else; what a failure means to whoever asked is for them to
//! find out, as engines use the same status for different things.
//!
//! ```no_run
//! use std::time::Duration;
//! use plimsoll_engine::Client;
//! use plimsoll_engine::lifecycle::{ContainerControl, ContainerSpec};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("unix:///var/run/docker.sock".parse()?);
//! client.version().await?;
//! let control = ContainerControl::new(client);
//! let spec = ContainerSpec { image: "busybox".to_owned(), ..ContainerSpec::default() };
//! let created = control.create("worker", &spec).await?;
//! control.start(&created.id).await?;
//! control.stop(&created.id, Duration::from_secs(10)).await?;
//! control.remove(&created.id, false).await?;
//! # Ok(())
//! # }
//! ```

mod pull;
mod spec;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::HeaderValue;
use hyper::{Method, Request, header};
use serde::Deserialize;

use crate::client::MAX_ANSWER;
use crate::lenient::{Text, Texts, scalar};
use crate::percent::percent_encode;
use crate::transport::shown;
use crate::types::usable_id;
use crate::{Client, Error, Result};

pub use pull::{MAX_PULL_LINE, PULL_SILENCE, Pull, PullProgress, reference};
pub use spec::{ContainerSpec, HostSpec, MountSpec, RestartSpec};

/// How long an engine may take to create, start or remove a container. Engines prepare file systems and run programs for
/// that: a busy disk makes seconds of it.
pub const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest time that a container is given to end by itself.
pub const MAX_GRACE: Duration = Duration::from_secs(3600);

/// What an engine made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Created {
    /// The container's full id.
    pub id: String,
    /// What the engine could not do as it was asked to, in its own words.
    pub warnings: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct CreatedWire {
    #[serde(deserialize_with = "scalar")]
    id: Option<Text>,
    warnings: Texts,
}

/// Changes containers of one engine. It shares connections and the negotiated version with the [`Client`] it is made of.
#[derive(Clone, Debug)]
pub struct ContainerControl {
    client: Client,
}

impl ContainerControl {
    /// Control over the containers of this client's engine.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Creates a container (`POST /containers/create`), without starting it.
    ///
    /// # Errors
    /// See [`Error`]. That there is no such image is a status of 404, that the name is taken one of 409 (of 500 from some
    /// versions of Podman).
    pub async fn create(&self, name: &str, spec: &ContainerSpec) -> Result<Created> {
        let path = format!("/containers/create?name={}", percent_encode(name, ""));
        // A structure of texts and numbers can always be written.
        let body = serde_json::to_vec(spec).unwrap_or_default();
        let (path, body) = self.change(Method::POST, &path, body, CHANGE_TIMEOUT).await?;
        let wire = self.client.object::<CreatedWire>(&path, &body)?;
        let id = usable_id(wire.id).ok_or_else(|| self.client.reply(&path, "it has no usable Id", &body))?;
        let warnings = wire.warnings.items.iter().map(|text| text.as_str().to_owned()).collect();
        Ok(Created { id, warnings })
    }

    /// Starts a container (`POST /containers/{id}/start`). One that runs already is as it should be.
    ///
    /// # Errors
    /// See [`Error`]. A status of 404 may also mean that a network, or the program to run, does not exist.
    pub async fn start(&self, id: &str) -> Result<()> {
        let path = format!("/containers/{}/start", percent_encode(id, ""));
        as_it_should_be(self.change(Method::POST, &path, Vec::new(), CHANGE_TIMEOUT).await)
    }

    /// Asks a container to end, and ends it by force after `grace`, rounded up to whole seconds and at most
    /// [`MAX_GRACE`] (`POST /containers/{id}/stop`). Returns when it has ended. One that does not run is as it should be.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn stop(&self, id: &str, grace: Duration) -> Result<()> {
        let grace = grace.min(MAX_GRACE);
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let path = format!("/containers/{}/stop?t={seconds}", percent_encode(id, ""));
        as_it_should_be(self.change(Method::POST, &path, Vec::new(), CHANGE_TIMEOUT + grace).await)
    }

    /// Removes a container and the anonymous volumes that came with it (`DELETE /containers/{id}`); with `force` also
    /// one that runs.
    ///
    /// # Errors
    /// See [`Error`]. That it runs is a status of 409 (of 500 from some versions of Podman).
    pub async fn remove(&self, id: &str, force: bool) -> Result<()> {
        let path = format!("/containers/{}?v=true&force={force}", percent_encode(id, ""));
        self.change(Method::DELETE, &path, Vec::new(), CHANGE_TIMEOUT).await.map(drop)
    }

    /// Has the engine pull an image from its registry (`POST /images/create`). Without a tag or digest in the reference
    /// it is `latest`. Dropping the answer before its end calls the pull off.
    ///
    /// # Errors
    /// See [`Error`]; what goes wrong later is an error of [`Pull::next`].
    pub async fn pull(&self, image: &str) -> Result<Pull> {
        let image = reference(image);
        let path = format!("/images/create?fromImage={}", percent_encode(&image, ""));
        let path = self.client.path(&path);
        let (request, told) = self.request(Method::POST, &path, Vec::new())?;
        let transport = &self.client.transport;
        // Some engines say nothing, not even a status, before the registry has answered them.
        let stream = transport.send_for_stream(request, &told, PULL_SILENCE).await;
        let stream = stream.map_err(|error| self.client.refused_version(&path, error))?;
        Ok(Pull::new(transport.clone(), image, told, stream))
    }

    async fn change(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<(String, Bytes)> {
        let path = self.client.path(path);
        let (request, told) = self.request(method, &path, body)?;
        match self.client.transport.send(request, &told, within, MAX_ANSWER).await {
            Ok(body) => Ok((path, body)),
            Err(error) => Err(self.client.refused_version(&path, error)),
        }
    }

    /// The request, and how it is named in errors.
    fn request(&self, method: Method, path: &str, body: Vec<u8>) -> Result<(Request<Full<Bytes>>, String)> {
        let told = format!("{method} {}", shown(path));
        let mut request = self.client.transport.request(path)?;
        if !body.is_empty() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        *request.method_mut() = method;
        *request.body_mut() = Full::from(body);
        Ok((request, told))
    }
}

/// 304 says that there was nothing to do.
fn as_it_should_be<T>(outcome: Result<T>) -> Result<()> {
    match outcome {
        Ok(_) | Err(Error::Status { status: 304, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

//! The calls, and what the paths to them look like.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use crate::api_version::{ApiVersion, DF_TYPES, NEWEST, OLDEST, ONE_SHOT};
use crate::error::excerpt;
use crate::events::{self, EventStream};
use crate::lenient::Object;
use crate::percent::percent_encode;
use crate::podman::{self, LibpodStatsStream, PodMembership};
use crate::stats::{MAX_LIBPOD_STATS, MAX_STATS, Stats, StatsStream};
use crate::transport::{Timeouts, Transport, doing};
use crate::types::{self, Details, Image, Info, Kept, Listing, Sizes, Version};
use crate::{Endpoint, Error, Result};

/// The largest container listing that is read, in bytes: some ten thousand containers with many labels.
pub const MAX_LISTING: usize = 32 * 1024 * 1024;

/// The largest other answer that is read, in bytes: a hundred times an ordinary inspection. A caller may have a dozen of
/// them under way, so this bounds memory, too.
pub const MAX_ANSWER: usize = 1024 * 1024;

/// A client of one engine. Clones share connections and the negotiated API version.
///
/// It only ever reads (`GET`), and it connects when the first call is made. All calls need a tokio runtime with I/O and
/// time enabled.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) transport: Arc<Transport>,
    /// Set by [`Client::version`]; before that, paths have no prefix and the engine answers in its own newest version.
    negotiated: Arc<Mutex<Option<ApiVersion>>>,
}

impl Client {
    /// A client of the engine at `endpoint`, with the ordinary [`Timeouts`]. This does not connect yet.
    pub fn new(endpoint: Endpoint) -> Self {
        Self::with_timeouts(endpoint, Timeouts::default())
    }

    /// As [`new`](Self::new), with other timeouts.
    pub fn with_timeouts(endpoint: Endpoint, timeouts: Timeouts) -> Self {
        Self { transport: Arc::new(Transport::new(endpoint, timeouts)), negotiated: Arc::default() }
    }

    /// Where the engine is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.transport.endpoint
    }

    /// From now on, requests of this client and its clones may take `times` as long as the [`Timeouts`] say. Podman runs
    /// half a dozen programs to answer [`version`](Self::version) and [`info`](Self::info), which takes seconds on a slow
    /// machine, and as long at the next try.
    pub fn set_patience(&self, times: u32) {
        self.transport.patience.store(times.max(1), Ordering::Relaxed);
    }

    /// Asks whether the engine answers at all (`GET /_ping`).
    ///
    /// # Errors
    /// Every [`Error`] but [`Error::Reply`]: what a ping answers is not looked at, only its status.
    pub async fn ping(&self) -> Result<()> {
        self.transport.get("/_ping", MAX_ANSWER).await.map(drop)
    }

    /// Asks for the engine's version (`GET /version`) and negotiates: from then on, this client and its clones speak the
    /// newest API version that both sides know. Worth calling at every reconnection, as an engine may have been upgraded.
    ///
    /// # Errors
    /// [`Error::ApiVersion`] if there is no common version, [`Error::Reply`] if the answer has no `ApiVersion` (and so
    /// does not come from an engine), else what the connection gave.
    pub async fn version(&self) -> Result<Version> {
        let path = "/version";
        let body = self.transport.get(path, MAX_ANSWER).await?;
        let version = Version::from(self.object::<types::VersionWire>(path, &body)?);
        let Ok(theirs) = version.api_version.parse::<ApiVersion>() else {
            return Err(self.reply(path, "it has no usable ApiVersion", &body));
        };
        let least = version.min_api_version.as_deref();
        let least = least.and_then(|least| least.parse::<ApiVersion>().ok());
        if theirs < OLDEST || least.is_some_and(|least| least > NEWEST) {
            let remedy = if theirs < OLDEST {
                "upgrade the engine (Docker 19.03 or newer, Podman 4.0 or newer)"
            } else {
                "upgrade this client"
            };
            let least = least.map(|least| format!("{least} to ")).unwrap_or_default();
            let message = format!("the engine speaks {least}{theirs}, {remedy}");
            return Err(Error::ApiVersion { endpoint: self.endpoint().clone(), message });
        }
        *self.negotiated.lock().unwrap_or_else(PoisonError::into_inner) = Some(theirs.min(NEWEST));
        Ok(version)
    }

    /// Asks for what the engine says about itself and its host (`GET /info`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn info(&self) -> Result<Info> {
        let (path, body) = self.get("/info", MAX_ANSWER).await?;
        Ok(self.object::<types::InfoWire>(&path, &body)?.into())
    }

    /// Lists all containers, in every state (`GET /containers/json?all=1`). An element of the listing that cannot be
    /// used is counted in [`Listing::broken`] and does not harm its neighbours; a listing that is cut off is an error.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn containers(&self) -> Result<Listing> {
        let (path, body) = self.get("/containers/json?all=1", MAX_LISTING).await?;
        types::listing(&body).ok_or_else(|| self.reply(&path, "it is no JSON array", &body))
    }

    /// Asks for the details of one container, by its id or name (`GET /containers/{id}/json`).
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) tells that there is no such container (any more).
    pub async fn inspect(&self, id: &str) -> Result<Details> {
        let (path, body) =
            self.get(&format!("/containers/{}/json", percent_encode(id, "")), MAX_ANSWER).await?;
        let details = types::details(self.object(&path, &body)?);
        details.ok_or_else(|| self.reply(&path, "it has no usable Id", &body))
    }

    /// Has the engine count what a container takes on disk (`GET /containers/{id}/json?size=1`). It looks at every file for
    /// that, so it may take long and costs the engine work.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) tells that there is no such container (any more).
    pub async fn sizes(&self, id: &str) -> Result<Sizes> {
        let path = format!("/containers/{}/json?size=1", percent_encode(id, ""));
        let (path, body) = self.get(&path, MAX_ANSWER).await?;
        Ok(self.object::<types::SizesWire>(&path, &body)?.into())
    }

    /// Asks what images and the build cache take on disk (`GET /system/df`). From API 1.42 on the engine is told that no more
    /// is wanted; older ones also count containers and volumes, which takes long where there is much in them.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn kept(&self) -> Result<Kept> {
        let only = if self.speaks(DF_TYPES) { "?type=image&type=build-cache" } else { "" };
        let (path, body) = self.get(&format!("/system/df{only}"), MAX_LISTING).await?;
        Ok(self.object::<types::KeptWire>(&path, &body)?.into())
    }

    /// Asks how many volumes there are (`GET /volumes`); absent where the answer has no list of them.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn volumes(&self) -> Result<Option<u64>> {
        let (path, body) = self.get("/volumes", MAX_LISTING).await?;
        Ok(self.object::<types::VolumesWire>(&path, &body)?.count())
    }

    /// Asks for one image, by its id or reference (`GET /images/{id}/json`).
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) tells that there is no such image (any more).
    pub async fn image(&self, id: &str) -> Result<Image> {
        let (path, body) =
            self.get(&format!("/images/{}/json", percent_encode(id, "/:@")), MAX_ANSWER).await?;
        let image = types::image(self.object(&path, &body)?);
        image.ok_or_else(|| self.reply(&path, "it has no usable Id", &body))
    }

    /// Follows what happens to containers and their networks (`GET /events`), on a connection of its own. When this
    /// returns, the engine has subscribed the stream: a listing made afterwards and the stream together miss nothing.
    ///
    /// With `since`, the [`time_nano`](crate::Event::time_nano) of the last event that was seen, the engine first sends
    /// again what happened after it, and a little of what was before it ([`RESUME_OVERLAP`](crate::RESUME_OVERLAP)): the
    /// caller drops what it has seen. That fills a gap but does not prove that there is none. Docker keeps the last 256
    /// events of every kind, health checks' included, in memory: a busy or restarted one has forgotten. Podman reads its
    /// log file or the journal, which is cut at a size, and has nothing at all with `events_logger = "none"`. So a
    /// listing is due in any case.
    ///
    /// # Errors
    /// See [`Error`]. The head of the answer is subject to the request timeout, the events are not.
    pub async fn events(&self, since: Option<u64>) -> Result<EventStream> {
        let path = self.path(&events::path(since));
        let stream =
            self.transport.stream(&path).await.map_err(|error| self.refused_version(&path, error))?;
        Ok(EventStream::new(self.transport.clone(), path, stream))
    }

    /// Follows one container's numbers, a sample a second (`GET /containers/{id}/stats`), on a connection of its own.
    ///
    /// A container that does not run gives samples with nothing in them. On Podman, whose Docker-compatible samples have
    /// zeroes for what it does not tell, [`libpod_stats`](Self::libpod_stats) is better.
    ///
    /// # Errors
    /// See [`Error`]. The head of the answer is subject to the request timeout, the samples are not.
    pub async fn stats(&self, id: &str) -> Result<StatsStream> {
        let path = self.path(&format!("/containers/{}/stats?stream=true", percent_encode(id, "")));
        let stream =
            self.transport.stream(&path).await.map_err(|error| self.refused_version(&path, error))?;
        Ok(StatsStream::new(self.transport.clone(), path, stream, MAX_STATS, Stats::parse))
    }

    /// Asks for one container's numbers once. From API 1.41 on the answer comes at once and has no
    /// [`precpu`](Stats::precpu), before that it has, and takes one to two seconds.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) tells that there is no such container (any more).
    pub async fn stats_once(&self, id: &str) -> Result<Stats> {
        let one_shot = if self.speaks(ONE_SHOT) { "&one-shot=true" } else { "" };
        let path = format!("/containers/{}/stats?stream=false{one_shot}", percent_encode(id, ""));
        let (path, body) = self.get(&path, MAX_STATS).await?;
        if body.is_empty() {
            // What Podman says of a container that does not run.
            return Ok(Stats::default());
        }
        Stats::parse(&body).ok_or_else(|| self.reply(&path, "it is no JSON object", &body))
    }

    /// Follows the numbers of all running containers in one stream, a sample every so many seconds
    /// (`GET /libpod/containers/stats`). Podman alone knows this path; Docker answers 404.
    ///
    /// # Errors
    /// See [`Error`]. A rootless Podman on cgroup v1 refuses with 409. The first sample is subject to the request
    /// timeout, as nothing comes before it; the others are not.
    pub async fn libpod_stats(&self, interval_seconds: u32) -> Result<LibpodStatsStream> {
        let path =
            podman::path(&format!("/containers/stats?stream=true&interval={}", interval_seconds.max(1)));
        let stream = self.transport.stream(&path).await?;
        Ok(LibpodStatsStream::new(self.transport.clone(), path, stream, MAX_LIBPOD_STATS, podman::sample))
    }

    /// Tells which containers belong to a pod (`GET /libpod/containers/json?all=true`). Podman alone knows this path;
    /// Docker answers 404.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn pods(&self) -> Result<BTreeMap<String, PodMembership>> {
        let path = podman::path("/containers/json?all=true");
        let body = self.transport.get(&path, MAX_LISTING).await?;
        podman::pods(&body).ok_or_else(|| self.reply(&path, "it is no JSON array", &body))
    }

    pub(crate) fn path(&self, path: &str) -> String {
        match *self.negotiated.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(version) => format!("/v{version}{path}"),
            None => path.to_owned(),
        }
    }

    /// True if the negotiated version is at least this one; without negotiation the engine's newest is spoken.
    fn speaks(&self, version: ApiVersion) -> bool {
        let negotiated = *self.negotiated.lock().unwrap_or_else(PoisonError::into_inner);
        negotiated.is_none_or(|negotiated| negotiated >= version)
    }

    pub(crate) async fn get(&self, path: &str, limit: usize) -> Result<(String, bytes::Bytes)> {
        let path = self.path(path);
        match self.transport.get(&path, limit).await {
            Ok(body) => Ok((path, body)),
            Err(error) => Err(self.refused_version(&path, error)),
        }
    }

    /// Recognizes the answer of an engine that refuses the version in the path.
    pub(crate) fn refused_version(&self, path: &str, error: Error) -> Error {
        match error {
            Error::Status { endpoint, status: 400, message, .. }
                if path.starts_with("/v1.") && message.to_ascii_lowercase().contains("version") =>
            {
                Error::ApiVersion { endpoint, message }
            }
            error => error,
        }
    }

    pub(crate) fn object<'de, T: Deserialize<'de>>(&self, path: &str, body: &'de [u8]) -> Result<T> {
        match serde_json::from_slice::<Object<T>>(body) {
            Ok(Object(Some(object))) => Ok(object),
            Ok(Object(None)) => Err(self.reply(path, "it is no JSON object", body)),
            Err(_) => Err(self.reply(path, "it is no valid JSON", body)),
        }
    }

    pub(crate) fn reply(&self, path: &str, problem: &'static str, body: &[u8]) -> Error {
        Error::Reply {
            endpoint: self.endpoint().clone(),
            doing: doing(path),
            problem,
            excerpt: excerpt(body),
        }
    }
}

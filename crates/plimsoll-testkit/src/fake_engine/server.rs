//! The fake engine's side of its connections.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;

use super::answer::{head_of, send, send_chunk};
use super::state::{since, split_version};
use super::{Behaviour, Shared, stats};
use crate::http::read_request;

pub(super) async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.state().connections += 1;
        let mut kick = shared.kick.subscribe();
        let shared = shared.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = kick.changed() => {}
                // An error means that the client has gone.
                _ = serve(stream, shared) => {}
            }
        });
    }
}

async fn serve(mut stream: UnixStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(head) = read_request(&mut stream, &mut buffer).await {
        let (version, path) = split_version(&head.path);
        // Subscribed before the request is noted, so that a test that has seen the request can emit at once.
        let (behaviour, (status, body), events) = {
            let mut state = shared.state();
            let events = (path == "/events").then(|| {
                let since = since(&head.path).unwrap_or(u64::MAX);
                let missed = state.history.iter().filter(|(time, _)| *time >= since);
                let missed: Vec<u8> = missed.flat_map(|(_, event)| event.clone()).collect();
                (missed, shared.events.subscribe())
            });
            state.requests.push((head.method.clone(), head.path.clone()));
            let behaviour = state.behaviours.iter().filter(|(prefix, _)| path.starts_with(prefix.as_str()));
            let behaviour =
                behaviour.max_by_key(|(prefix, _)| prefix.len()).map(|(_, behaviour)| behaviour.clone());
            (behaviour.unwrap_or(Behaviour::Normal), state.answer(&head, version, &path), events)
        };
        match (behaviour, events) {
            (Behaviour::Normal, _) if stats::is_stream(&path) => {
                return stats::stream(stream, &shared, &path).await;
            }
            (Behaviour::Normal, Some((missed, events))) if status == 200 => {
                return stream_events(stream, &missed, events).await;
            }
            (Behaviour::Normal, _) => send(&mut stream, status, body.as_bytes()).await?,
            (Behaviour::Status(status, body), _) => send(&mut stream, status, body.as_bytes()).await?,
            (Behaviour::Truncate(length), _) => {
                send(&mut stream, status, &body.as_bytes()[..length.min(body.len())]).await?;
            }
            (Behaviour::Garbage(bytes), _) => return stream.write_all(&bytes).await,
            (Behaviour::Hang, _) => return std::future::pending().await,
            (Behaviour::CloseMidBody, _) => {
                stream.write_all(head_of(status, Some(body.len())).as_bytes()).await?;
                return stream.write_all(&body.as_bytes()[..body.len() / 2]).await;
            }
            (Behaviour::Chunked(size), _) => {
                stream.write_all(head_of(status, None).as_bytes()).await?;
                for part in body.as_bytes().chunks(size) {
                    send_chunk(&mut stream, part).await?;
                }
                send_chunk(&mut stream, b"").await?;
            }
            (Behaviour::Drip(pause), _) => {
                let answer = [head_of(status, Some(body.len())).as_bytes(), body.as_bytes()].concat();
                for byte in answer {
                    tokio::time::sleep(pause).await;
                    stream.write_all(&[byte]).await?;
                }
            }
            (Behaviour::HalfClose, _) => {
                stream.shutdown().await?;
                // Until the client goes, too.
                while stream.read(&mut [0; 64]).await? > 0 {}
                return Ok(());
            }
            (Behaviour::Endless, _) => {
                stream.write_all(head_of(200, None).as_bytes()).await?;
                let part = vec![b'x'; 64 * 1024];
                loop {
                    send_chunk(&mut stream, &part).await?;
                }
            }
            (Behaviour::Huge(length), _) => {
                stream.write_all(head_of(200, None).as_bytes()).await?;
                send_chunk(&mut stream, b"[").await?;
                let blank = vec![b' '; 64 * 1024];
                let mut left = length.saturating_sub(2);
                while left > 0 {
                    let part = left.min(blank.len());
                    send_chunk(&mut stream, &blank[..part]).await?;
                    left -= part;
                }
                send_chunk(&mut stream, b"]").await?;
                send_chunk(&mut stream, b"").await?;
            }
        }
    }
    Ok(())
}

async fn stream_events(
    mut stream: UnixStream,
    missed: &[u8],
    mut events: broadcast::Receiver<Vec<u8>>,
) -> std::io::Result<()> {
    stream.write_all(head_of(200, None).as_bytes()).await?;
    if !missed.is_empty() {
        send_chunk(&mut stream, missed).await?;
    }
    let mut nothing = [0; 64];
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(bytes) => send_chunk(&mut stream, &bytes).await?,
                Err(error) => panic!("a subscriber of the fake engine is too slow: {error}"),
            },
            // A client that goes away is noticed at once, so that `subscribers` is right.
            read = stream.read(&mut nothing) => match read? {
                0 => return Ok(()),
                _ => continue,
            },
        }
    }
}

//! Reports on their way: to every endpoint at once, each with its key, two attempts, and an answer that decides.

use std::time::Duration;

use futures_util::future::join_all;
use plimsoll_deliver::client::{HttpClient, Question};
use plimsoll_deliver::config::Secret;

use crate::settings::census::Endpoint;
use crate::text::printable;

/// How long an attempt may take, as v1 has it.
const WITHIN: Duration = Duration::from_secs(15);

/// Attempts, as v1 has them.
const ATTEMPTS: u32 = 2;

/// The wait before the second attempt; shortened at random by up to a half, so that those that failed together do not come
/// back together.
const PAUSE: Duration = Duration::from_secs(10);

/// As much of an answer as is looked at, in bytes.
const MAX_ANSWER: usize = 4096;

/// As much of it as is shown, in characters.
const SHOWN: usize = 200;

/// What came of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// Its address, without what stands behind a question mark.
    pub(super) endpoint: String,
    /// The status of a success, or why there was none.
    pub(super) outcome: Result<u16, String>,
}

impl Sent {
    /// In a line.
    pub(super) fn told(&self) -> String {
        match &self.outcome {
            Ok(status) => format!("reported to {}: it answers {status}", self.endpoint),
            Err(why) => format!("could not report to {}: {why}", self.endpoint),
        }
    }
}

/// Why an attempt failed, and whether another one may do better.
struct Failed {
    why: String,
    is_final: bool,
}

/// Sends a report to endpoints, all at once.
pub(super) async fn send(endpoints: &[Endpoint], body: &str) -> Vec<Sent> {
    join_all(endpoints.iter().map(|endpoint| one(endpoint, body, PAUSE))).await
}

async fn one(endpoint: &Endpoint, body: &str, pause: Duration) -> Sent {
    let shown = endpoint.url.split('?').next().unwrap_or_default().to_owned();
    let client = match HttpClient::new(&endpoint.url, endpoint.ca.as_deref()) {
        Ok(client) => client,
        Err(error) => return Sent { endpoint: shown, outcome: Err(printable(&error.to_string())) },
    };
    let mut attempt = 1;
    loop {
        match post(&client, endpoint, body).await {
            Ok(status) => return Sent { endpoint: shown, outcome: Ok(status) },
            Err(failed) if failed.is_final || attempt == ATTEMPTS => {
                return Sent { endpoint: shown, outcome: Err(failed.why) };
            }
            Err(_) => tokio::time::sleep(super::shortened(pause)).await,
        }
        attempt += 1;
    }
}

async fn post(client: &HttpClient, endpoint: &Endpoint, body: &str) -> Result<u16, Failed> {
    let question = Question {
        token: endpoint.key.clone().map(Secret::File),
        body: Some(body.as_bytes().to_vec()),
        ..Question::get(&endpoint.url, WITHIN, MAX_ANSWER)
    };
    let reply = client.ask(&question).await.map_err(|fault| Failed {
        // A key that cannot be read now cannot be read in ten seconds.
        is_final: matches!(fault.reason, "secret" | "request"),
        why: printable(&fault.message),
    })?;
    match reply.status {
        status @ 200..=299 => Ok(status),
        status => {
            let answer = String::from_utf8_lossy(&reply.body);
            let answer: String = answer.trim().chars().take(SHOWN).collect();
            let redirect = if (300..400).contains(&status) {
                "; redirects are not followed: name the address that it leads to"
            } else {
                ""
            };
            Err(Failed {
                is_final: status < 500 && !matches!(status, 408 | 429),
                why: format!("it answers {status} {}{redirect}", printable(&answer)),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_testkit::sink::{Answer, Sink};

    use super::*;

    async fn send_to(sink: &Sink, key: Option<&str>) -> Sent {
        let url = format!("{}/api/ingest?x=secret", sink.url());
        let endpoint = Endpoint { url, key: key.map(Into::into), ca: None };
        one(&endpoint, "{}", Duration::ZERO).await
    }

    #[tokio::test]
    async fn answers_decide_whether_it_is_tried_again() {
        for (answers, attempts, outcome) in [
            (vec![Answer::new(201)], 1, Ok(201)),
            (vec![Answer::new(204)], 1, Ok(204)),
            (vec![Answer::new(503), Answer::new(201)], 2, Ok(201)),
            (vec![Answer::reset(), Answer::new(201)], 2, Ok(201)),
            (vec![Answer::new(429), Answer::new(500).body("no\ndisk")], 2, Err("it answers 500 no\\ndisk")),
            (vec![Answer::new(400).body("{}")], 1, Err("it answers 400 {}")),
            (vec![Answer::redirect(302, "http://127.0.0.1:1/")], 1, Err("redirects are not followed")),
        ] {
            let sink = Sink::start();
            sink.next(answers);
            let sent = send_to(&sink, None).await;
            match (&sent.outcome, outcome) {
                (Ok(status), Ok(expected)) => assert_eq!(*status, expected),
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                other => panic!("{other:?}"),
            }
            assert_eq!(sink.count(), attempts);
            assert!(!sent.told().contains("secret"), "{}", sent.told());
        }
    }

    #[tokio::test]
    async fn the_key_comes_from_its_file() {
        let sink = Sink::start();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "k1\n").unwrap();
        assert!(send_to(&sink, file.to_str()).await.outcome.is_ok());
        assert_eq!(sink.requests()[0].header("authorization"), Some("Bearer k1"));
        let missing = send_to(&sink, Some("/nowhere/key")).await.outcome.unwrap_err();
        assert!(missing.contains("/nowhere/key") && sink.count() == 1, "{missing}");
    }
}

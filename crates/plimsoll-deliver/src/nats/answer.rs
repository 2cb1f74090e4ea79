//! What JetStream answers, in the words of HTTP.

use std::error::Error as _;
use std::time::Duration;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{ConnectError, ConnectErrorKind};

use crate::error::chain;
use crate::tls;
use crate::verdict::{Answer, Fault};

/// What comes of an attempt.
pub(super) type Outcome = Result<Answer, Fault>;

/// The stream has it, now or since an earlier attempt.
pub(super) fn done() -> Answer {
    Answer { status: 204, ..Answer::default() }
}

pub(super) fn refused(status: u16, message: String) -> Answer {
    Answer { status, body: message.into_bytes(), ..Answer::default() }
}

/// There was no acknowledgement.
pub(super) fn late(timeout: Duration) -> Outcome {
    Err(Fault {
        reason: "timeout",
        may_have_arrived: true,
        message: format!("no acknowledgement within {timeout:?}"),
    })
}

/// What it means that publishing failed.
pub(super) fn of(error: &PublishError, subject: &str, timeout: Duration) -> Outcome {
    match error.kind() {
        PublishErrorKind::StreamNotFound => Ok(refused(404, no_stream(subject))),
        PublishErrorKind::MaxPayloadExceeded => Ok(refused(413, chain(error))),
        PublishErrorKind::TimedOut => late(timeout),
        _ => match error.source().and_then(|source| source.downcast_ref::<jetstream::Error>()) {
            Some(told) => Ok(of_jetstream(told)),
            None => Err(Fault { reason: "broken", may_have_arrived: true, message: chain(error) }),
        },
    }
}

fn no_stream(subject: &str) -> String {
    format!(
        "no stream takes the subject {subject}, or none of its servers is up; make one with `nats stream add`, or set subject to \
         that of another"
    )
}

/// JetStream refuses a message for the state of its stream, never for what is in it; so what is not known is tried again.
fn of_jetstream(error: &jetstream::Error) -> Answer {
    let status = match (error.error_code(), error.code()) {
        (ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM, _) => 413,
        (_, 401) => 401,
        (_, 403) => 403,
        (_, 404) => 404,
        _ => 503,
    };
    refused(status, error.to_string())
}

/// What it means that no server could be connected to.
pub(super) fn of_connecting(error: &ConnectError) -> Outcome {
    let text = chain(error);
    let failed = |reason, message| Err(Fault { reason, may_have_arrived: false, message });
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => Ok(refused(
            401,
            "the server refuses name, password or token (authorization violation)".to_owned(),
        )),
        // Nothing is signed here, so this is a secret that cannot be read; the source tells which.
        ConnectErrorKind::Authentication => {
            failed("secret", error.source().map_or(text, std::string::ToString::to_string))
        }
        kind => match tls::explain(&text) {
            Some(explained) => failed("tls", explained.message),
            None if kind == ConnectErrorKind::Tls => failed("tls", text),
            None => failed("connect", text),
        },
    }
}

/// The server does not allow what it takes to publish.
pub(super) fn denied(subject: &str, told: &str) -> Answer {
    let wanted = format!("publishing takes the permission to publish {subject} and to subscribe to _INBOX.>");
    refused(403, format!("{told}; {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TargetKind;
    use crate::verdict::{Verdict, judge};

    fn jetstream(code: usize, err_code: u64) -> jetstream::Error {
        let text = serde_json::json!({"code": code, "err_code": err_code, "description": "words"});
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn what_publishing_says_is_understood() {
        use PublishErrorKind::{MaxPayloadExceeded, Other, StreamNotFound, TimedOut};
        let told = |code, err_code| PublishError::with_source(Other, jetstream(code, err_code));
        let status = |error: PublishError| {
            of(&error, "s", Duration::from_secs(1)).map(|answer| answer.status).map_err(|fault| fault.reason)
        };
        for (error, expected) in [
            (PublishError::new(StreamNotFound), Ok(404)),
            (PublishError::new(MaxPayloadExceeded), Ok(413)),
            (PublishError::new(TimedOut), Err("timeout")),
            (PublishError::new(PublishErrorKind::BrokenPipe), Err("broken")),
            (PublishError::with_source(Other, "no JSON"), Err("broken")),
            (told(400, 10054), Ok(413)),
            (told(400, 10109), Ok(503)),
            (told(503, 10077), Ok(503)),
            (told(403, 1), Ok(403)),
            (told(404, 10059), Ok(404)),
        ] {
            assert_eq!(status(error), expected);
        }
    }

    #[test]
    fn nothing_that_nats_says_costs_a_point() {
        for code in (0..1000).filter(|code| *code != 200) {
            let verdict =
                judge(TargetKind::Nats, &of_jetstream(&jetstream(code, 0)), 7, std::time::SystemTime::now());
            assert!(matches!(verdict, Verdict::Hold { .. } | Verdict::Retry { .. }), "{code}: {verdict:?}");
        }
    }
}

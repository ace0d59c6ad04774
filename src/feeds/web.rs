//! Entries to a collector over HTTP: one POST for each batch, which counts once the collector answers that it has it.

use super::FeedError;
use super::entries::{Delivered, Line};
use super::settings::{FeedConfig, Format, address, secret};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use std::time::Duration;

/// Longest a collector is left alone because it asks for it.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// A collector.
pub struct Collector {
    name: String,
    to: reqwest::Url,
    kind: &'static str,
    authorization: Option<HeaderValue>,
    http: reqwest::Client,
}

impl Collector {
    pub(super) fn new(config: &FeedConfig) -> Result<Self, FeedError> {
        Ok(Self {
            name: config.name.clone(),
            to: address(&config.name, &config.to)?,
            kind: match config.format {
                Format::Json => "application/x-ndjson",
                Format::Cef => "text/plain; charset=utf-8",
            },
            authorization: bearer(secret(&config.name, config.token_file.as_deref())?)?,
            http: config.tls.http(&config.name)?,
        })
    }

    pub(super) async fn send(&self, batch: &[Line]) -> Result<Delivered, FeedError> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(Delivered::Confirmed) };
        let mut body = String::new();
        for line in batch {
            body.push_str(&line.text);
            body.push('\n');
        }
        let key = format!("{}/{}-{}", self.name, first.index, last.index);
        let request = self.http.post(self.to.clone()).header(CONTENT_TYPE, self.kind).header("Idempotency-Key", key);
        answered(authorized(request, self.authorization.as_ref()).body(body).send().await)?;
        Ok(Delivered::Confirmed)
    }
}

/// The header of a token, which no log shows.
pub(super) fn bearer(token: Option<String>) -> Result<Option<HeaderValue>, FeedError> {
    let Some(token) = token else { return Ok(None) };
    let mut value =
        HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| FeedError::Settings("a token is not one line of text".to_owned()))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

pub(super) fn authorized(request: reqwest::RequestBuilder, authorization: Option<&HeaderValue>) -> reqwest::RequestBuilder {
    match authorization {
        Some(value) => request.header(AUTHORIZATION, value.clone()),
        None => request,
    }
}

/// A good answer, or why there is none.
pub(super) fn answered(answer: Result<reqwest::Response, reqwest::Error>) -> Result<reqwest::Response, FeedError> {
    // an address can hold what the operator's log must not
    let answer = answer.map_err(|error| FeedError::Unreachable(error.without_url().to_string()))?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let wait = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    Err(FeedError::Refused { status: answer.status().as_u16(), wait: wait.map(|s: u64| Duration::from_secs(s).min(LONGEST_WAIT)) })
}

//! Watching a recording: opening a viewing, and its media by ranges (RFC 9110, section 14).

use crate::domain::access::PlayRecording;
use crate::domain::id::{ParticipantId, PlaybackId, RecordingId};
use crate::domain::participant::Role;
use crate::domain::time::Timestamp;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::recordings::RecordingView;
use crate::http::{Answer, State, caller};
use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ByteRangeSpec, Header, Range};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use std::io;
use utoipa::ToSchema;

/// About how many bytes are opened for one request; a player asks again for more.
const STEP: u64 = 1024 * 1024;
const WEBM: &str = "video/webm";

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/recordings/{id}/playbacks").route(web::post().to(open)))
        .service(web::resource("/playbacks/{id}/media/{index}").route(web::get().to(media)));
}

/// A viewing.
#[derive(Serialize, ToSchema)]
pub struct Viewing {
    #[schema(value_type = String)]
    playback_id: PlaybackId,
    recording: RecordingView,
    duration_ms: i64,
    #[schema(value_type = String)]
    expires_at: Timestamp,
    presentations: Vec<Presentation>,
}

/// One participant's picture and sound; all presentations share one timeline.
#[derive(Serialize, ToSchema)]
pub struct Presentation {
    #[schema(value_type = String)]
    participant_id: ParticipantId,
    name: String,
    #[schema(value_type = String)]
    role: Role,
    /// `camera` (with the microphone) or `screen`.
    source: &'static str,
    url: String,
    mime: &'static str,
    starts_at_ms: u64,
    has_video: bool,
    has_audio: bool,
}

/// Open a recording for viewing. Each viewing is recorded before anything can be seen.
#[utoipa::path(post, path = "/api/v1/recordings/{id}/playbacks", tag = "Recordings", params(("id" = String, Path)), responses((status = 201, body = Viewing), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody), (status = 410, body = ProblemBody)))]
pub async fn open(request: HttpRequest, state: web::Data<State>, id: web::Path<RecordingId>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (permit, recording) = state.services.permit_recording::<PlayRecording>(&caller, *id).await?;
    let viewing = state.services.start_playback(&permit, recording).await?.into_inner();
    let presentations = viewing.presented.into_iter().enumerate().map(|(index, p)| Presentation {
        participant_id: p.participant,
        name: p.name,
        role: p.role,
        source: p.source.as_str(),
        url: format!("/api/v1/playbacks/{}/media/{index}", viewing.id),
        mime: WEBM,
        starts_at_ms: 0,
        has_video: p.has_video,
        has_audio: p.has_audio,
    });
    Ok(HttpResponse::Created().json(Viewing {
        playback_id: viewing.id,
        duration_ms: viewing.recording.recording.duration_ms,
        expires_at: viewing.expires_at,
        presentations: presentations.collect(),
        recording: viewing.recording.into(),
    }))
}

/// A range of one presentation's WebM file.
#[utoipa::path(get, path = "/api/v1/playbacks/{id}/media/{index}", tag = "Recordings", params(("id" = String, Path), ("index" = usize, Path)), responses((status = 200, description = "WebM"), (status = 206, description = "A range of it"), (status = 404, body = ProblemBody), (status = 416, body = ProblemBody)))]
pub async fn media(request: HttpRequest, state: web::Data<State>, path: web::Path<(PlaybackId, usize)>) -> Answer {
    let (caller, _) = caller::staff(&request, &state).await?;
    let (id, index) = *path;
    let file = state.services.media_file(&caller, id, index).await?;
    let length = file.length();
    let ranged = request.headers().contains_key(header::RANGE);
    let (start, last) = wanted(&request, length)?;
    let end = (last + 1).min(file.good_end(start, STEP));
    // the first step is opened before anything is answered: what does not verify is refused, not cut off
    let bytes = state.services.read_media(&caller, file.clone(), start..end).await?;
    let mut answer = HttpResponse::build(if ranged { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
    answer.insert_header((header::CONTENT_TYPE, WEBM)).insert_header((header::ACCEPT_RANGES, "bytes"));
    if ranged {
        return Ok(answer.insert_header((header::CONTENT_RANGE, format!("bytes {start}-{}/{length}", end - 1))).body(bytes));
    }
    let rest = stream::unfold((state, caller, file, end), |(state, caller, file, at)| async move {
        if at >= file.length() {
            return None;
        }
        let end = file.good_end(at, STEP);
        let read = state.services.read_media(&caller, file.clone(), at..end).await;
        Some((read.map(web::Bytes::from).map_err(|e| io::Error::other(e.to_string())), (state, caller, file, end)))
    });
    let whole = stream::once(async move { Ok(web::Bytes::from(bytes)) }).chain(rest);
    Ok(answer.body(SizedStream::new(length, Box::pin(whole))))
}

/// First and last byte that the request asks for. What cannot be read as one range is answered from the start.
fn wanted(request: &HttpRequest, length: u64) -> Result<(u64, u64), Problem> {
    let Ok(Range::Bytes(ranges)) = Range::parse(request) else { return Ok((0, length - 1)) };
    let outside = || Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE", "The range lies outside of the recording.");
    match ranges.as_slice() {
        [only] => ByteRangeSpec::to_satisfiable_range(only, length).ok_or_else(outside),
        _ => Ok((0, length - 1)),
    }
}

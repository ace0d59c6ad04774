//! The signaling connection: `docs/signaling-protocol.md`, section Connection. Cookie and Origin are checked at the upgrade, the ticket
//! in the first message; whatever is not the protocol ends the connection and changes nothing.

use crate::domain::access::{Actor, Caller};
use crate::domain::id::{AccountId, ParticipantId};
use crate::gateway::conductor::{Outgoing, SocketId};
use crate::gateway::signaling::{Close, FromBrowser, MAX_MESSAGE, MAX_PER_SECOND, SUBPROTOCOL, parse};
use crate::http::problem::Problem;
use crate::http::{Answer, State, caller};
use crate::services::error::ServiceError;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, rt, web};
use actix_ws::{CloseCode, CloseReason, Message, MessageStream, Session};
use futures_util::StreamExt;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The first message must come within this.
const HELLO: Duration = Duration::from_secs(5);
/// How often the browser is asked whether it is there.
const PING: Duration = Duration::from_secs(5);
/// A browser that takes nothing for this long is taken as gone.
const STALLED: Duration = Duration::from_secs(10);
/// After this long without a word it is taken as gone.
const SILENCE: Duration = Duration::from_secs(15);

/// How long a connection whose credential is gone waits for the room to say why.
const LAST_WORD: Duration = Duration::from_millis(50);

/// Registers the route.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/signaling").route(web::get().to(open)));
}

/// Opens a signaling connection.
///
/// # Errors
/// 403 `ORIGIN`, 401 `UNAUTHENTICATED`.
pub async fn open(request: HttpRequest, body: web::Payload, state: web::Data<State>) -> Answer {
    let origin = request.headers().get(header::ORIGIN).and_then(|o| o.to_str().ok());
    if origin != Some(state.services.settings.public_origin.as_str()) {
        return Err(Problem::origin());
    }
    let callers = caller::everyone(&request, &state).await;
    if callers.is_empty() {
        return Err(ServiceError::Unauthenticated.into());
    }
    let (mut answer, session, messages) =
        actix_ws::handle(&request, body).map_err(|_| Problem::malformed("This address takes a WebSocket only."))?;
    let offered = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|p| p.to_str().ok());
    if offered.is_some_and(|all| all.split(',').any(|one| one.trim() == SUBPROTOCOL)) {
        answer.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    rt::spawn(converse(state, callers, session, messages.max_frame_size(MAX_MESSAGE + 1024)));
    Ok(answer)
}

async fn converse(state: web::Data<State>, callers: Vec<Caller>, mut session: Session, mut messages: MessageStream) {
    let close = match rt::time::timeout(HELLO, greet(&state, &callers, &mut messages)).await {
        Err(_) | Ok(Err(None)) => Some(Close::Refused),
        Ok(Err(close)) => close,
        Ok(Ok(admission)) => {
            let socket = state.gateway.new_socket();
            let (participant, account) = (admission.participant.participant.id, admission.participant.participant.account);
            let (out, outgoing) = unbounded_channel();
            state.gateway.arrived(socket, admission, out);
            let own = callers.into_iter().find(|caller| acts_as(caller, participant, account)).unwrap_or_else(Caller::system);
            let close = talk(&state, &own, socket, participant, &mut session, &mut messages, outgoing).await;
            state.gateway.lost(socket, participant);
            close
        }
    };
    if let Some(close) = close {
        let _ = session.close(Some(CloseReason { code: CloseCode::Other(close.code()), description: None })).await;
    }
}

/// Waits for `hello` and uses its ticket up.
async fn greet(
    state: &State,
    callers: &[Caller],
    messages: &mut MessageStream,
) -> Result<crate::services::participants::Admission, Option<Close>> {
    loop {
        match messages.next().await {
            Some(Ok(Message::Text(text))) => {
                let Some(FromBrowser::Hello { ticket }) = parse(&text) else { return Err(Some(Close::Malformed)) };
                return state.services.use_ticket(callers, &ticket).await.map_err(|error| match error {
                    ServiceError::ConsultationEnded => Some(Close::Ended),
                    _ => Some(Close::Refused),
                });
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            _ => return Err(Some(Close::Malformed)),
        }
    }
}

/// Whether this is the identity the ticket was used with.
fn acts_as(caller: &Caller, participant: ParticipantId, account: Option<AccountId>) -> bool {
    match caller.actor {
        Actor::Participant { id, .. } => id == participant,
        Actor::Account { id, .. } => account == Some(id),
        Actor::Anonymous | Actor::System => false,
    }
}

/// The credential behind a connection is gone: their media ends with it, at once and without waiting for them to come back. If that is because
/// they were put out, the room is about to say so, and says it better.
async fn revoked(state: &State, socket: SocketId, participant: ParticipantId, outgoing: &mut UnboundedReceiver<Outgoing>) -> Close {
    let said = async {
        loop {
            match outgoing.recv().await {
                Some(Outgoing::Close(close)) => return Some(close),
                Some(Outgoing::Message(_)) => {}
                None => return None,
            }
        }
    };
    if let Ok(Some(close)) = rt::time::timeout(LAST_WORD, said).await {
        return close;
    }
    state.gateway.message(socket, participant, FromBrowser::Leave);
    Close::Refused
}

async fn talk(
    state: &State,
    own: &Caller,
    socket: SocketId,
    participant: ParticipantId,
    session: &mut Session,
    messages: &mut MessageStream,
    mut outgoing: UnboundedReceiver<Outgoing>,
) -> Option<Close> {
    let mut pings = rt::time::interval(PING);
    let mut heard = Instant::now();
    let mut second = (Instant::now(), 0_u32);
    let mut ended = state.services.ended_sessions.subscribe();
    loop {
        tokio::select! {
            session = ended.recv() => match (session, own.actor) {
                (Ok(ended), Actor::Account { session, .. }) if ended == session => {
                    state.gateway.message(socket, participant, FromBrowser::Leave);
                    return Some(Close::Refused);
                }
                // too many ended at once to be told of each: look for oneself
                (Err(RecvError::Lagged(_)), _) if !state.services.still_good(own, participant).await => {
                    return Some(revoked(state, socket, participant, &mut outgoing).await);
                }
                _ => {}
            },
            out = outgoing.recv() => match out {
                Some(Outgoing::Message(message)) => {
                    let Ok(text) = serde_json::to_string(&message) else { return None };
                    // a browser that stopped reading must not hold the others' news in memory
                    if !matches!(rt::time::timeout(STALLED, session.text(text)).await, Ok(Ok(()))) {
                        return None;
                    }
                }
                Some(Outgoing::Close(close)) => return Some(close),
                None => return None,
            },
            message = messages.next() => {
                heard = Instant::now();
                if second.0.elapsed() >= Duration::from_secs(1) {
                    second = (Instant::now(), 0);
                }
                second.1 += 1;
                if second.1 > MAX_PER_SECOND {
                    return Some(Close::Flooded);
                }
                match message {
                    Some(Ok(Message::Text(text))) => match parse(&text) {
                        Some(message) => state.gateway.message(socket, participant, message),
                        None => return Some(Close::Malformed),
                    },
                    Some(Ok(Message::Ping(bytes))) => if session.pong(&bytes).await.is_err() { return None },
                    Some(Ok(Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_))) | None => return None,
                    _ => return Some(Close::Malformed),
                }
            }
            _ = pings.tick() => {
                // a call keeps its own clinician signed in; a credential that was ended ends the call
                if !state.services.still_good(own, participant).await {
                    return Some(revoked(state, socket, participant, &mut outgoing).await);
                }
                if heard.elapsed() > SILENCE || session.ping(b"").await.is_err() {
                    return None;
                }
            }
        }
    }
}

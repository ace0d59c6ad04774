//! People with browsers: each has cookies of their own.

use super::decisions;
use super::server::{PASSWORD, TestServer};
use futures_util::{SinkExt, StreamExt};
use reqwest::cookie::{CookieStore, Jar};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

/// One browser profile.
#[derive(Clone)]
pub struct Browser {
    pub client: reqwest::Client,
    jar: Arc<Jar>,
    origin: String,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
    pub text: String,
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The problem's stable code.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status.as_u16(), self.code()), (status, code), "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert!(!self.body["request_id"].as_str().unwrap_or_default().is_empty());
        self
    }

    pub fn str(&self, member: &str) -> String {
        self.body[member].as_str().unwrap_or_else(|| panic!("{member} in {}", self.text)).to_owned()
    }
}

impl Browser {
    pub fn new(server: &TestServer) -> Self {
        let jar = Arc::new(Jar::default());
        let client = reqwest::Client::builder()
            .cookie_provider(Arc::clone(&jar))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // before the server closes what is idle, so that no request meets a connection that is just ending
            .pool_idle_timeout(Duration::from_secs(2))
            .build()
            .expect("client");
        Self { client, jar, origin: server.origin.clone() }
    }

    /// A browser in which someone of the staff is signed in.
    pub async fn signed_in(server: &TestServer, username: &str) -> Self {
        let browser = Self::new(server);
        browser.post("/sign-in", json!({"username": username, "password": PASSWORD})).await.expect(200);
        browser
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/api/v1{path}", self.origin)).header("Origin", &self.origin)
    }

    pub async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        send(self.request(Method::PUT, path).json(&body)).await
    }

    pub fn cookies(&self) -> String {
        let url = self.origin.parse().expect("origin");
        self.jar.cookies(&url).map(|c| c.to_str().expect("text").to_owned()).unwrap_or_default()
    }

    /// Opens the signaling connection without saying anything yet.
    pub async fn socket(&self, origin: &str) -> Result<Socket, u16> {
        let mut request = format!("{}/api/v1/signaling", self.origin.replacen("http", "ws", 1)).into_client_request().expect("request");
        let headers = request.headers_mut();
        headers.insert("Origin", origin.parse().expect("origin"));
        headers.insert("Sec-WebSocket-Protocol", "bedside.v1".parse().expect("protocol"));
        if !self.cookies().is_empty() {
            headers.insert("Cookie", self.cookies().parse().expect("cookies"));
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Opens the signaling connection of a consultation and says hello.
    pub async fn join(&self, consultation: &str) -> Socket {
        let ticket = self.post(&format!("/consultations/{consultation}/join-tickets"), json!({})).await.expect(201).str("ticket");
        let mut socket = self.socket(&self.origin).await.expect("upgrade");
        socket.say(json!({"type": "hello", "ticket": ticket})).await;
        socket
    }
}

pub async fn send(request: RequestBuilder) -> Reply {
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.expect("a body").to_vec();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Reply { status, headers, body, text, bytes }
}

/// A signaling connection.
pub struct Socket(tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>);

const PATIENCE: Duration = Duration::from_secs(10);

impl Socket {
    pub async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("sent");
    }

    pub async fn send(&mut self, message: Message) {
        // the server may have closed already: what it says is read afterwards
        let _ = self.0.send(message).await;
    }

    /// The next message that fits; panics if none comes or the connection ends.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let message: Value = serde_json::from_str(&text).expect("JSON");
                        if fits(&message) {
                            return message;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => panic!("waiting for {what}: {other:?}"),
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    pub async fn snapshot(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.until(what, |m| m["type"] == "snapshot" && fits(m)).await
    }

    /// The close code with which the server ends the connection.
    pub async fn close_code(&mut self) -> u16 {
        let closed = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                    Some(Ok(Message::Close(None))) | None => return 1005,
                    Some(Ok(_)) => {}
                    Some(Err(_)) => return 1006,
                }
            }
        });
        closed.await.expect("the connection ends")
    }
}

/// A consultation in progress with its clinician's browser and a patient's link.
pub struct Visit {
    pub clinician: Browser,
    pub id: String,
    pub patient_id: String,
    pub invitation: String,
    pub secret: String,
}

impl Visit {
    pub async fn new(server: &TestServer) -> Self {
        Self::of(server, "ana").await
    }

    pub async fn of(server: &TestServer, username: &str) -> Self {
        let clinician = Browser::signed_in(server, username).await;
        let patient = json!({"identifier": "MRN-1001", "name": "Quillon Abernathy", "birth_date": "1971-02-03", "language": "en", "call_back_number": null});
        let patient_id = clinician.post("/patients", patient).await.expect(201).str("id");
        let id = clinician.post("/consultations", json!({"patient_id": patient_id, "starts_at": null})).await.expect(201).str("id");
        let made =
            clinician.post(&format!("/consultations/{id}/invitations"), json!({"role": "patient", "name_hint": null})).await.expect(201);
        let (invitation, secret) = parts(&made.str("link"));
        Self { clinician, id, patient_id, invitation, secret }
    }

    /// Someone who redeemed the link and gave a name.
    pub async fn patient(&self, server: &TestServer) -> Browser {
        let patient = self.undecided(server).await;
        decisions::answer(&patient, &self.id, decisions::CARE, &["care_by_video"]).await.expect(201);
        patient
    }

    /// The same, before they decided about care by video.
    pub async fn undecided(&self, server: &TestServer) -> Browser {
        guest(server, &self.id, &self.invitation, &self.secret, "Quillon").await
    }

    /// One more person, by an invitation of their own, who agrees to what is asked before the lobby.
    pub async fn another(&self, server: &TestServer, role: &str, name: &str) -> Browser {
        let guest = self.another_undecided(server, role, name).await;
        if role == "patient" || role == "related_person" {
            decisions::answer(&guest, &self.id, decisions::CARE, &["care_by_video"]).await.expect(201);
        }
        guest
    }

    /// The same, before they decided about anything.
    pub async fn another_undecided(&self, server: &TestServer, role: &str, name: &str) -> Browser {
        let made = self
            .clinician
            .post(&format!("/consultations/{}/invitations", self.id), json!({"role": role, "name_hint": null}))
            .await
            .expect(201);
        let (invitation, secret) = parts(&made.str("link"));
        guest(server, &self.id, &invitation, &secret, name).await
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/consultations/{}{rest}", self.id)
    }
}

async fn guest(server: &TestServer, consultation: &str, invitation: &str, secret: &str, name: &str) -> Browser {
    let browser = Browser::new(server);
    browser.post(&format!("/invitations/{invitation}/redeem"), json!({"secret": secret})).await.expect(200);
    browser.put(&format!("/consultations/{consultation}/participants/me"), json!({"name": name, "language": "en"})).await.expect(200);
    browser
}

/// Invitation id and secret of a link.
pub fn parts(link: &str) -> (String, String) {
    let (path, secret) = link.split_once('#').expect("a fragment");
    (path.rsplit('/').next().expect("an id").to_owned(), secret.to_owned())
}

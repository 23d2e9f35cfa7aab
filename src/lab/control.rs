//! The lab's HTTP door: mailboxes to list, read and wait for; metrics; health.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::mailboxes::{Mailboxes, Stored};
use crate::mail::Mailbox;
use crate::metrics::Metrics;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) mailboxes: Mailboxes,
    pub(super) metrics: Arc<Metrics>,
    pub(super) root_pem: Arc<str>,
}

/// Serves until the task is ended.
pub(super) async fn serve(listener: TcpListener, door: Door) {
    let router = Router::new()
        .route("/", get(help))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .route("/ca.pem", get(root))
        .route("/mailboxes", get(all))
        .route("/mailboxes/{address}", get(one))
        .route("/mailboxes/{address}/wait", get(wait))
        .route("/mailboxes/{address}/{id}", get(raw))
        .with_state(door);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the HTTP door stopped");
    }
}

async fn help() -> &'static str {
    "hybridmx lab\n\n\
     GET /mailboxes                        every mailbox with its messages\n\
     GET /mailboxes/ADDRESS                the messages of one mailbox\n\
     GET /mailboxes/ADDRESS/ID             one message as it arrived\n\
     GET /mailboxes/ADDRESS/wait?subject=WORDS&count=1&timeout=10\n\
     GET /metrics                          Prometheus\n\
     GET /healthz\n\
     GET /ca.pem                           the certificate authority that the lab trusts\n"
}

async fn metrics(State(door): State<Door>) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        door.metrics.render(),
    )
        .into_response()
}

async fn root(State(door): State<Door>) -> String {
    door.root_pem.to_string()
}

/// A message in a list.
#[derive(Serialize)]
struct Listed {
    server: String,
    address: String,
    id: String,
    subject: Option<String>,
    from: Option<String>,
    message_id: Option<String>,
    auth_as: Option<String>,
    return_path: Option<String>,
    received_by: Vec<String>,
    size_bytes: u64,
}

fn listed(stored: &Stored) -> Listed {
    let headers = stored.headers();
    Listed {
        server: stored.server.clone(),
        address: stored.address.clone(),
        id: stored.id.clone(),
        subject: headers.get("Subject"),
        from: headers.get("From"),
        message_id: headers.get("Message-ID"),
        auth_as: headers.get("X-MS-Exchange-Organization-AuthAs"),
        return_path: headers.get("Return-Path"),
        received_by: stored.received_by(),
        size_bytes: stored.size_bytes,
    }
}

async fn all(State(door): State<Door>) -> Json<Vec<Listed>> {
    Json(door.mailboxes.list(None).iter().map(listed).collect())
}

/// Why a request has no answer.
type Refusal = (StatusCode, String);

fn address(text: &str) -> Result<Mailbox, Refusal> {
    Mailbox::parse(text).map_err(|error| {
        (
            StatusCode::BAD_REQUEST,
            format!("`{text}` is not an address: {error}\n"),
        )
    })
}

async fn one(
    State(door): State<Door>,
    Path(text): Path<String>,
) -> Result<Json<Vec<Listed>>, Refusal> {
    let address = address(&text)?;
    Ok(Json(
        door.mailboxes
            .list(Some(&address))
            .iter()
            .map(listed)
            .collect(),
    ))
}

async fn raw(
    State(door): State<Door>,
    Path((text, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let address = address(&text)?;
    let found = door
        .mailboxes
        .list(Some(&address))
        .into_iter()
        .find(|stored| stored.id == id);
    match found.and_then(|stored| stored.raw()) {
        Some(raw) => {
            Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], raw).into_response())
        }
        None => Err((
            StatusCode::NOT_FOUND,
            format!("`{address}` has no message `{id}`\n"),
        )),
    }
}

#[derive(Deserialize)]
struct Wanted {
    subject: Option<String>,
    #[serde(default = "once")]
    count: usize,
    #[serde(default = "ten")]
    timeout: u64,
}

fn once() -> usize {
    1
}

fn ten() -> u64 {
    10
}

/// Waits until a mailbox has so many messages with these words in the subject.
async fn wait(
    State(door): State<Door>,
    Path(text): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Vec<Listed>>, Refusal> {
    let address = address(&text)?;
    let until = Instant::now() + Duration::from_secs(wanted.timeout.min(600));
    loop {
        let found: Vec<Listed> =
            door.mailboxes
                .list(Some(&address))
                .iter()
                .map(listed)
                .filter(|each| {
                    wanted.subject.as_ref().is_none_or(|words| {
                        each.subject.as_ref().is_some_and(|s| s.contains(words))
                    })
                })
                .collect();
        if found.len() >= wanted.count {
            return Ok(Json(found));
        }
        if Instant::now() >= until {
            let message = format!(
                "{} of {} messages after {} s\n",
                found.len(),
                wanted.count,
                wanted.timeout
            );
            return Err((StatusCode::REQUEST_TIMEOUT, message));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

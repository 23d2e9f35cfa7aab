//! The lab's HTTP door: mailboxes to list, read and wait for; metrics; health.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::mailboxes::{Mailboxes, Stored};
use crate::diag::did_you_mean;
use crate::mail::Mailbox;
use crate::metrics::Metrics;
use crate::model::{RecipientKind, Topology};

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) mailboxes: Mailboxes,
    pub(super) metrics: Arc<Metrics>,
    pub(super) root_pem: Arc<str>,
    pub(super) topology: Arc<Topology>,
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
        .with_state(door)
        .layer(middleware::from_fn(known_parameters));
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the HTTP door stopped");
    }
}

/// What may stand behind the `?` of a path.
fn parameters(path: &str) -> &'static [&'static str] {
    if path.starts_with("/mailboxes/") && path.ends_with("/wait") {
        &["count", "subject", "timeout"]
    } else {
        &[]
    }
}

/// Refuses what would be ignored otherwise: a misspelt parameter looks like an answer.
async fn known_parameters(request: Request, next: Next) -> Response {
    let known = parameters(request.uri().path());
    let query = request.uri().query().unwrap_or_default();
    let mut names = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split('=').next().unwrap_or_default());
    let Some(unknown) = names.find(|name| !known.contains(name)) else {
        return next.run(request).await;
    };
    let help = match did_you_mean(unknown, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "there are none here".to_owned(),
        None => format!("known: {}", known.join(", ")),
    };
    let message = format!("unknown parameter `{unknown}`: {help}\n");
    (StatusCode::BAD_REQUEST, message).into_response()
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

impl Door {
    /// The address of a mailbox, which may be empty.
    fn address(&self, text: &str) -> Result<Mailbox, Refusal> {
        let address = Mailbox::parse(text).map_err(|error| {
            (
                StatusCode::BAD_REQUEST,
                format!("`{text}` is not an address: {error}\n"),
            )
        })?;
        if self.has_mailbox(&address) || !self.mailboxes.list(Some(&address)).is_empty() {
            return Ok(address);
        }
        let message = format!("nobody has a mailbox with the address `{address}`\n");
        Err((StatusCode::NOT_FOUND, message))
    }

    /// Whether the world has a mailbox for an address, or a host that takes every address of its domain.
    fn has_mailbox(&self, address: &Mailbox) -> bool {
        let topology = &self.topology;
        topology.organizations().any(|(id, _)| {
            let takes_everything = topology
                .servers()
                .any(|(_, server)| server.organization == id && server.takes_every_address());
            if takes_everything {
                return topology.accepted_domain_for(id, &address.domain).is_some();
            }
            let mut recipients = topology.recipients_at(id, address).iter();
            recipients.any(|id| match topology.recipient(*id).kind {
                RecipientKind::Mailbox { .. } | RecipientKind::Group { .. } => true,
                RecipientKind::DistributionGroup(_)
                | RecipientKind::MailUser { .. }
                | RecipientKind::RemoteGroup { .. } => false,
            })
        })
    }
}

async fn one(
    State(door): State<Door>,
    Path(text): Path<String>,
) -> Result<Json<Vec<Listed>>, Refusal> {
    let address = door.address(&text)?;
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
    let address = door.address(&text)?;
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
    let address = door.address(&text)?;
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

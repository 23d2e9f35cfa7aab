//! The relay's HTTP door: metrics and health.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::health::Health;
use crate::metrics::Metrics;

/// Serves `/metrics` and `/healthz` until the task is ended.
pub async fn serve_metrics(listener: TcpListener, metrics: Arc<Metrics>, health: Arc<Health>) {
    let router = Router::new()
        .route("/metrics", get(show))
        .with_state(metrics)
        .route("/healthz", get(move || async move { tell(&health) }));
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the HTTP door stopped");
    }
}

fn tell(health: &Health) -> Response {
    match health.problem() {
        None => "ok\n".into_response(),
        Some(problem) => (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")).into_response(),
    }
}

async fn show(State(metrics): State<Arc<Metrics>>) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        metrics.render(),
    )
        .into_response()
}

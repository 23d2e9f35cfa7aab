//! Sites with costs, mail-flow rules and a gateway: single messages go where the documents say, and
//! live as predicted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hybridmx::config;
use hybridmx::lab::agree::{self, AgreeOptions};
use hybridmx::lab::{Lab, LabOptions};
use hybridmx::relay::Pace;
use hybridmx::verify;

use crate::files::now;
use crate::testnet;

const PACE: Pace = Pace(60_000);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/routes")
}

#[test]
fn messages_go_their_ways() {
    assert!(testnet::messages_of(&folder()) >= 10);
}

#[test]
fn every_way_is_the_same_live() {
    let (world, diagnostics) = config::load(&folder(), now());
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    let world = world.expect("a world without diagnostics is loaded");
    let rows = verify::flows(&world.topology, &world.zones);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let work = async {
        let options = LabOptions {
            pace: PACE,
            folder: None,
        };
        let lab = Lab::start(Arc::new(world.topology), &world.zones, &options)
            .await
            .expect("the lab starts");
        let agreement = agree::agree(&lab, &rows, &AgreeOptions::at(PACE, false))
            .await
            .expect("the lab can be asked");
        let results = agreement.results.iter();
        let wrong: Vec<_> = results.filter(|each| !each.agree()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(agreement.results.len() > 20, "{}", agreement.results.len());
        lab.stop().await;
    };
    let bounded = async { tokio::time::timeout(Duration::from_secs(100), work).await };
    runtime.block_on(bounded).expect("the test ends in time");
}

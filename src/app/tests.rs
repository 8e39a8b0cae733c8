//! The running gateway as a whole, where it does not go as it should.

use super::*;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::{self, Checks, Environment, Source};

#[tokio::test]
async fn a_part_that_panics_ends_the_process_with_an_error_instead_of_leaving_it_half_alive() {
    let folder = tempfile::tempdir().unwrap();
    let text = serde_json::json!({
        "server": {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"},
        "evolink": {"api_key": "k", "base_url": "http://127.0.0.1:1"},
        "images": {"store": "none"},
        "state": {"store": "memory", "path": folder.path()},
    });
    let checks = Checks { known_models: Catalog::model_ids(), allow_missing_secrets: false };
    let source = Source::Text(text.to_string());
    let loaded = config::load(&source, &Environment::default(), &checks).unwrap();
    let mut app = App::build(&loaded.settings, Clock::system()).unwrap();
    let listeners = Listeners::bind(&loaded.settings).await.unwrap();
    app.background.spawn(async { panic!("a bug") });
    let shutdown = Shutdown::new();
    let outcome = app.run(listeners, None, shutdown.clone()).await;
    assert!(matches!(outcome, Err(StartError::Broken)) && shutdown.is_draining());
}

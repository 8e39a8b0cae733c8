//! How soon a new gateway answers, and what it weighs when it has nothing to do.

use std::time::Duration;

use http::StatusCode;

use crate::Error;
use crate::load::Client;
use crate::report::{Report, median};
use crate::setup::Bench;

const STARTS: usize = 7;
/// Long enough for everything that starts late to have started.
const SETTLED: Duration = Duration::from_secs(2);
const FIRST_ANSWER_MS_MAX: f64 = 50.0;
const IDLE_MIB_MAX: f64 = 12.0;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<(), Error> {
    let upstream = bench.upstream("").await?;
    let mut first_answers = Vec::new();
    let mut weights = Vec::new();
    for start in 0..STARTS {
        let gateway = bench.gateway(&upstream, "max_tasks: 32").await?;
        let status = Client::connect(&gateway).await?.get("/v1/models").await?;
        first_answers.push(gateway.process.age().as_secs_f64() * 1000.0);
        if status != StatusCode::UNAUTHORIZED {
            return Err(format!("a request without a key was answered {status}").into());
        }
        if start + 1 == STARTS {
            tokio::time::sleep(SETTLED).await;
            weights.push(gateway.process.memory()?.now_mib);
        }
    }
    report.at_most("start to first answer", median(&first_answers), FIRST_ANSWER_MS_MAX, "ms");
    report.at_most("idle memory", median(&weights), IDLE_MIB_MAX, "MiB");
    Ok(())
}

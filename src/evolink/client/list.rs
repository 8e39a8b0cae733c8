//! The account's tasks, youngest first, page by page.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Client;
use crate::evolink::{CallError, TaskList, decode};
use crate::telemetry::Call;

/// Tasks on a page, by Evolink's page.
const PAGE_SIZE: usize = 50;
/// Pages read at most: a thousand tasks.
const PAGES_MAX: usize = 20;
/// Longest time for all of them.
const LIST_MAX: Duration = Duration::from_mins(1);

impl Client {
    /// Reads until a task is older than `since`, there are no more, or [`PAGES_MAX`].
    pub(super) async fn list(&self, model: &str, since: i64) -> Result<TaskList, CallError> {
        let deadline = Instant::now() + LIST_MAX;
        let (mut list, mut known, mut seen) = (TaskList::default(), HashSet::new(), 0);
        for page in 1..=PAGES_MAX {
            let found =
                timeout_at(deadline, self.page(model, page)).await.unwrap_or(Err(CallError::Timeout))?;
            seen += found.entries;
            let all = found.total.map_or(found.entries < PAGE_SIZE, |total| seen >= total);
            let older = found.tasks.iter().any(|task| task.created < since);
            // What is made meanwhile moves the others on, so that one may come twice; none is left out.
            list.tasks.extend(found.tasks.into_iter().filter(|task| known.insert(task.id.clone())));
            if all || older || found.entries == 0 {
                list.reaches_back = true;
                break;
            }
        }
        list.tasks.retain(|task| task.created >= since);
        Ok(list)
    }

    async fn page(&self, model: &str, page: usize) -> Result<decode::ListPage, CallError> {
        let mut url = self.list_url.clone();
        url.query_pairs_mut()
            .append_pair("model", model)
            .append_pair("page", &page.to_string())
            .append_pair("page_size", &PAGE_SIZE.to_string());
        decode::list(&self.query(Call::List, self.http.get(url)).await?)
    }
}

#[cfg(test)]
mod tests;

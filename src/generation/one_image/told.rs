//! What an answer about a task says of its image.

use super::super::model::{ImageResult, MadeImage};
use crate::evolink::{Task, TaskError, TaskStatus, task_fault};
use crate::fault::Fault;
use crate::money::Credits;

/// Whether a create's answer already says all there is to know; an end without links or reason is read once more.
pub(super) fn tells_its_end(task: &Task) -> bool {
    match task.status {
        TaskStatus::Completed => !task.links.is_empty(),
        TaskStatus::Failed => task.error.as_ref().is_some_and(|error| !error.message.is_empty()),
        status => status.is_terminal(),
    }
}

/// `expected`: what the create reserved, else the table's price; holds when the task itself names none.
pub(super) fn into_image(task: Task, expected: Credits) -> ImageResult {
    match task.status {
        TaskStatus::Completed => {
            let credits = task.usage.used.or(task.usage.reserved).unwrap_or(expected);
            // Without a link it is made and charged for all the same: whoever fetches it asks for today's link.
            let link = task.links.into_iter().next().unwrap_or_default();
            Ok(MadeImage { task: task.id, link, credits })
        }
        TaskStatus::Cancelled => Err(failed(&task, "request_cancelled")),
        _ => Err(failed(&task, "unknown_error")),
    }
}

/// Upstream's own error, or where it gives none the code that its status stands for.
fn failed(task: &Task, code: &str) -> Fault {
    let stated = task.error.clone();
    task_fault(&stated.unwrap_or_else(|| TaskError { code: code.to_owned(), message: String::new() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolink::{TaskId, TaskUsage};

    fn completed(links: Vec<String>, usage: TaskUsage) -> Task {
        Task {
            id: TaskId::new("task-unified-1-abcdefgh"),
            status: TaskStatus::Completed,
            progress: None,
            links,
            error: None,
            estimated: None,
            usage,
        }
    }

    #[test]
    fn what_was_made_without_a_link_is_charged_for_all_the_same() {
        let usage = TaskUsage { used: Some(Credits::from_micro(3)), reserved: None };
        let made = into_image(completed(Vec::new(), usage), Credits::ZERO).unwrap();
        assert_eq!((made.link.as_str(), made.credits.micro()), ("", 3));
    }

    #[test]
    fn a_task_that_names_no_price_costs_what_was_expected() {
        let credits = |micro| Some(Credits::from_micro(micro));
        let table = [
            (TaskUsage { used: credits(3), reserved: credits(4) }, 3),
            (TaskUsage { used: None, reserved: credits(4) }, 4),
            (TaskUsage::default(), 5),
        ];
        for (usage, expected) in table {
            let task = completed(vec!["https://media.test/a.png".to_owned()], usage);
            assert_eq!(
                into_image(task, Credits::from_micro(5)).unwrap().credits.micro(),
                expected,
                "{usage:?}"
            );
        }
    }
}

//! Whose the tasks in upstream's list are, as far as this process knows: by this alone can a create whose answer was
//! lost, and that may not be repeated, find its task. Sends nothing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::journal::PurchaseId;
use crate::evolink::{CreateBody, ListedTask, TaskId};

/// How far upstream's clock and this one may be apart, and how late a create may be worked off.
const MARGIN: Duration = Duration::from_secs(30);
/// Tasks remembered here; older ones are in the journal.
const TASKS_MAX: usize = 65_536;
/// Purchases remembered that were given up in doubt.
const GIVEN_UP_MAX: usize = 4_096;

/// What is known of all purchases. Cheap to clone; clones are the same books.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    /// Purchases that may have a task of which nobody knows.
    open: HashMap<PurchaseId, Wanted>,
    /// Those of them that nobody goes on with. Their tasks are still nobody else's: another that is looked for a moment
    /// longer may have been sent at the same time.
    given_up: VecDeque<PurchaseId>,
    tasks: HashSet<TaskId>,
    oldest_first: VecDeque<TaskId>,
    /// What earlier processes left is not read to its end yet: there may be other open purchases.
    reading: bool,
}

/// What a purchase's task would look like.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub model: String,
    /// When it was first sent, in milliseconds of Unix time.
    pub begun_ms: i64,
    pub body: CreateBody,
    /// No answer comes any more: when its task was made at the latest. None while it is being asked.
    pub unanswered_by_ms: Option<i64>,
}

/// What the list tells of one purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// Just this task can be its.
    Ours(TaskId),
    /// It has no task, or not yet.
    Nothing,
    /// These may be its, or those of others.
    Unclear(Vec<TaskId>),
}

/// A purchase in the books, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    id: PurchaseId,
}

impl Claims {
    pub(super) fn open(&self, id: PurchaseId, wanted: Wanted) -> Claim {
        self.books().open.insert(id.clone(), wanted);
        Claim { claims: self.clone(), id }
    }

    /// One that nobody here goes on with: it stays open for good.
    pub(super) fn leave_open(&self, id: PurchaseId, wanted: Wanted) {
        self.books().open.insert(id, wanted);
    }

    /// One that was given up in doubt: it stays open as long as there is room for it.
    pub(super) fn give_up(&self, id: PurchaseId, wanted: Wanted) {
        self.books().give_up(id, wanted);
    }

    pub(super) fn set_reading(&self, reading: bool) {
        self.books().reading = reading;
    }

    #[cfg(test)]
    fn note(&self, task: &TaskId) {
        self.books().note(task);
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn settle(&mut self, purchase: &PurchaseId, task: &TaskId) {
        self.note(task);
        self.open.remove(purchase);
    }

    fn give_up(&mut self, purchase: PurchaseId, wanted: Wanted) {
        // It looks for nothing any more, and prompts are long.
        self.open.insert(purchase.clone(), Wanted { body: CreateBody::new(), ..wanted });
        self.given_up.push_back(purchase);
        while self.given_up.len() > GIVEN_UP_MAX {
            let Some(oldest) = self.given_up.pop_front() else { break };
            self.open.remove(&oldest);
        }
    }

    fn candidates(&self, purchase: &PurchaseId, mut listed: Vec<ListedTask>) -> Vec<ListedTask> {
        let own = self.open.get(purchase);
        listed.retain(|task| !self.tasks.contains(&task.id) && own.is_some_and(|own| own.explains(task)));
        listed
    }

    fn note(&mut self, task: &TaskId) {
        if self.tasks.insert(task.clone()) {
            self.oldest_first.push_back(task.clone());
        }
        while self.tasks.len() > TASKS_MAX {
            let Some(oldest) = self.oldest_first.pop_front() else { break };
            self.tasks.remove(&oldest);
        }
    }
}

impl Wanted {
    /// The earliest second at which its task can have been made.
    pub(super) fn since(&self) -> i64 {
        (self.begun_ms - margin_ms()).div_euclid(1000)
    }

    /// Whether the task can be its.
    fn explains(&self, task: &ListedTask) -> bool {
        let until = self.unanswered_by_ms.map_or(i64::MAX, |until| until.saturating_add(margin_ms()) / 1000);
        (task.model.is_empty() || task.model == self.model) && (self.since()..=until).contains(&task.created)
    }
}

impl Claim {
    /// It has this task.
    pub(super) fn settle(&self, task: &TaskId) {
        self.claims.books().settle(&self.id, task);
    }

    /// No answer comes any more.
    pub(super) fn unanswered(&self, by_ms: i64) {
        if let Some(wanted) = self.claims.books().open.get_mut(&self.id) {
            wanted.unanswered_by_ms = Some(by_ms);
        }
    }

    /// Nobody looks for its task any more.
    pub(super) fn give_up(&self) {
        let mut books = self.claims.books();
        if let Some(wanted) = books.open.remove(&self.id) {
            books.give_up(self.id.clone(), wanted);
        }
    }

    pub(super) fn wanted(&self) -> Option<Wanted> {
        self.claims.books().open.get(&self.id).cloned()
    }

    /// Those of the listed tasks that can be its and that nobody here is known to have.
    pub(super) fn candidates(&self, listed: Vec<ListedTask>) -> Vec<ListedTask> {
        self.claims.books().candidates(&self.id, listed)
    }

    /// Judges the candidates of a whole list, of which no record tells whose they are. One is taken when no other
    /// purchase can have made any of them. Creates of one generation with the same bytes are each other's equals: any
    /// of their tasks is any one's, if there are no more tasks than creates.
    pub(super) fn judge(&self, candidates: Vec<ListedTask>) -> Finding {
        // One look at the books: what is taken here is not free for another that judges at the same time.
        let mut books = self.claims.books();
        let mut candidates = books.candidates(&self.id, candidates);
        candidates.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        let (Some(first), Some(own)) = (candidates.first(), books.open.get(&self.id)) else {
            return Finding::Nothing;
        };
        let is_equal = |id: &PurchaseId, other: &Wanted| {
            id.generation == self.id.generation && other.body == own.body && other.unanswered_by_ms.is_some()
        };
        let (equals, others): (Vec<_>, Vec<_>) =
            books.open.iter().partition(|(id, other)| is_equal(id, other));
        let has_rival = others
            .iter()
            .filter(|(id, _)| **id != self.id)
            .any(|(_, other)| candidates.iter().any(|task| other.explains(task)));
        if books.reading || has_rival || candidates.len() > equals.len().max(1) {
            return Finding::Unclear(candidates.into_iter().map(|task| task.id).collect());
        }
        let task = first.id.clone();
        books.settle(&self.id, &task);
        Finding::Ours(task)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut books = self.claims.books();
        if !books.given_up.contains(&self.id) {
            books.open.remove(&self.id);
        }
    }
}

fn margin_ms() -> i64 {
    i64::try_from(MARGIN.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::GenerationId;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn claim(claims: &Claims, generation: &str, image: u8, wanted: Wanted) -> Claim {
        claims
            .open(PurchaseId { generation: GenerationId::kept(generation.into()), image, attempt: 0 }, wanted)
    }

    /// In doubt, sent so many seconds after the start.
    fn doubtful(body: &'static str, second: i64) -> Wanted {
        let begun_ms = NOW_MS + second * 1000;
        let (model, body) = ("gpt-image-2".to_owned(), CreateBody::from_static(body.as_bytes()));
        Wanted { model, begun_ms, body, unanswered_by_ms: Some(begun_ms) }
    }

    fn listed(id: &str, second: i64) -> ListedTask {
        ListedTask { id: TaskId::new(id), model: "gpt-image-2".into(), created: NOW_MS / 1000 + second }
    }

    fn ids(ids: &[&str]) -> Vec<TaskId> {
        ids.iter().map(|id| TaskId::new(*id)).collect()
    }

    #[test]
    fn the_one_task_that_nobody_else_can_have_made_is_taken_once() {
        let claims = Claims::default();
        let fox = claim(&claims, "gen_1", 0, doubtful("fox", 0));
        claims.note(&TaskId::new("known"));
        let list = || {
            let other_model = ListedTask { model: "gpt-image-1".into(), ..listed("b", 1) };
            vec![listed("known", 0), listed("a", 1), other_model, listed("early", -31), listed("late", 31)]
        };
        assert_eq!(fox.judge(list()), Finding::Ours(TaskId::new("a")));
        let bear = claim(&claims, "gen_2", 0, doubtful("bear", 0));
        assert_eq!(bear.judge(list()), Finding::Nothing);
    }

    #[test]
    fn tasks_that_another_create_may_have_made_are_left_alone() {
        let claims = Claims::default();
        let fox = claim(&claims, "gen_1", 0, doubtful("fox", 0));
        assert_eq!(fox.judge(vec![listed("b", 2), listed("a", 1)]), Finding::Unclear(ids(&["a", "b"])));
        let being_asked = Wanted { unanswered_by_ms: None, ..doubtful("bear", 20) };
        let bear = claim(&claims, "gen_2", 0, being_asked);
        assert_eq!(fox.judge(vec![listed("a", 1)]), Finding::Unclear(ids(&["a"])));
        bear.settle(&TaskId::new("b"));
        assert_eq!(fox.judge(vec![listed("b", 2), listed("a", 1)]), Finding::Ours(TaskId::new("a")));
    }

    #[test]
    fn the_task_of_one_that_was_given_up_is_nobody_elses() {
        let claims = Claims::default();
        let given_up = claim(&claims, "gen_1", 0, doubtful("fox", 0));
        let bear = claim(&claims, "gen_2", 0, doubtful("bear", 20));
        given_up.give_up();
        drop(given_up);
        assert_eq!(bear.judge(vec![listed("a", 1)]), Finding::Unclear(ids(&["a"])));
        assert_eq!(bear.judge(vec![listed("b", 40)]), Finding::Ours(TaskId::new("b")));
        for number in 0..=GIVEN_UP_MAX {
            claim(&claims, &format!("gen_{number}"), 1, doubtful("fox", 0)).give_up();
        }
        assert_eq!(claims.books().open.len(), GIVEN_UP_MAX);
    }

    #[test]
    fn one_that_was_sent_much_later_is_no_rival() {
        let claims = Claims::default();
        let fox = claim(&claims, "gen_1", 0, doubtful("fox", 0));
        let _bear = claim(&claims, "gen_2", 0, doubtful("bear", 32));
        assert_eq!(fox.judge(vec![listed("a", 1)]), Finding::Ours(TaskId::new("a")));
    }

    #[test]
    fn equals_of_one_generation_share_what_there_is() {
        let claims = Claims::default();
        let pair = [0, 1].map(|image| claim(&claims, "gen_1", image, doubtful("fox", 0)));
        let list = |count| [listed("a", 1), listed("b", 1), listed("c", 1)][..count].to_vec();
        assert_eq!(pair[0].judge(list(3)), Finding::Unclear(ids(&["a", "b", "c"])));
        assert_eq!(pair[0].judge(list(2)), Finding::Ours(TaskId::new("a")));
        assert_eq!(pair[1].judge(list(2)), Finding::Ours(TaskId::new("b")));
        let third = claim(&claims, "gen_1", 2, doubtful("fox", 0));
        assert_eq!(third.judge(list(2)), Finding::Nothing);
    }

    #[test]
    fn equals_of_another_generation_or_still_being_asked_are_rivals() {
        let claims = Claims::default();
        let fox = claim(&claims, "gen_1", 0, doubtful("fox", 0));
        let other = claim(&claims, "gen_2", 0, doubtful("fox", 0));
        assert_eq!(fox.judge(vec![listed("a", 1)]), Finding::Unclear(ids(&["a"])));
        drop(other);
        let asked = claim(&claims, "gen_1", 1, Wanted { unanswered_by_ms: None, ..doubtful("fox", 0) });
        assert_eq!(fox.judge(vec![listed("a", 1)]), Finding::Unclear(ids(&["a"])));
        drop(asked);
        assert_eq!(fox.judge(vec![listed("a", 1)]), Finding::Ours(TaskId::new("a")));
    }

    #[test]
    fn nothing_is_taken_while_the_journal_is_being_read() {
        let claims = Claims::default();
        let fox = claim(&claims, "gen_1", 0, doubtful("fox", 0));
        claims.set_reading(true);
        assert_eq!(fox.judge(vec![listed("a", 1)]), Finding::Unclear(ids(&["a"])));
        claims.set_reading(false);
        assert_eq!(fox.judge(vec![listed("a", 1)]), Finding::Ours(TaskId::new("a")));
    }
}

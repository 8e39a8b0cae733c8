//! Who runs and who waits; always under the queue's lock, and never waiting for anything.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::holdings::Holdings;
use super::refusal::Forecast;
use super::{Queue, Slot};
use crate::quota::fair::{FairQueue, Ticket};
use crate::quota::{Account, Book, CallerLimits};

/// Whose images they are.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub team: Account,
    pub key: Account,
}

impl From<&CallerLimits> for Who {
    fn from(limits: &CallerLimits) -> Self {
        Self { team: limits.team.account.clone(), key: limits.key.account.clone() }
    }
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub who: Who,
    pub reply: oneshot::Sender<Slot>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub line: FairQueue<Account, Waiting>,
    pub running: usize,
    /// Images that run, of accounts that have any.
    by_account: HashMap<Account, u32>,
    holdings: Holdings,
}

/// Places given, to be handed over once the lock is let go.
pub(super) type Granted = Vec<(oneshot::Sender<Slot>, Slot)>;

impl State {
    /// Images of this account that have a place.
    pub(super) fn running_of(&self, account: &Account) -> u32 {
        self.by_account.get(account).copied().unwrap_or(0)
    }

    /// Whether an account has room for one more image.
    fn has_room(&self, book: &Book, account: &Account) -> bool {
        self.room(book, account) > 0
    }

    /// For how many more images an account has room now.
    fn room(&self, book: &Book, account: &Account) -> usize {
        let room = |most: u32| usize::try_from(most.saturating_sub(self.running_of(account)));
        book.concurrent_images(account).map_or(usize::MAX, |most| room(most).unwrap_or(usize::MAX))
    }

    /// Gives free places to those whose turn it is.
    pub(super) fn dispatch(&mut self, queue: &Queue, book: &Book) -> Granted {
        let mut granted = Vec::new();
        while self.running < queue.max_tasks() {
            let Some(Waiting { who, reply }) = self.next(book) else { break };
            let mut slot = self.grant(queue, who);
            // Not before its taker has it.
            slot.used = false;
            granted.push((reply, slot));
        }
        granted
    }

    fn next(&mut self, book: &Book) -> Option<Waiting> {
        let Self { line, by_account, .. } = self;
        let has_room = |account: &Account| {
            let running = by_account.get(account).copied().unwrap_or(0);
            book.concurrent_images(account).is_none_or(|most| running < most)
        };
        line.pop(has_room).map(|(_, waiting)| waiting)
    }

    /// A place that is free, taken without waiting: whoever waits may not have it, or would have it already.
    pub(super) fn take_free(&mut self, queue: &Queue, book: &Book, who: &Who) -> Option<Slot> {
        let free = self.running < queue.max_tasks();
        let may = free && [&who.team, &who.key].into_iter().all(|account| self.has_room(book, account));
        may.then(|| {
            self.line.count(&who.team, book.weight(&who.team));
            self.grant(queue, who.clone())
        })
    }

    pub(super) fn grant(&mut self, queue: &Queue, who: Who) -> Slot {
        self.running += 1;
        for account in [&who.team, &who.key] {
            *self.by_account.entry(account.clone()).or_default() += 1;
        }
        Slot { queue: queue.clone(), who, since: Instant::now(), used: true }
    }

    pub(super) fn release(&mut self, slot: &Slot) {
        self.running = self.running.saturating_sub(1);
        for account in [&slot.who.team, &slot.who.key] {
            if let Some(running) = self.by_account.get_mut(account) {
                *running = running.saturating_sub(1);
                if *running == 0 {
                    self.by_account.remove(account);
                }
            }
        }
        if slot.used {
            self.holdings.note(slot.since.elapsed());
        } else {
            self.line.give_back(&slot.who.team);
        }
    }

    /// How many turns come before one that waits; none when it waits no longer.
    pub(super) fn ahead(&self, team: &Account, ticket: Ticket) -> Option<usize> {
        self.line.ahead(team, ticket)
    }

    /// What one more image of theirs would have to expect. At least so long: of other teams, and of other keys of its
    /// own, only those are counted that have room for a place now, and nobody who comes later.
    pub(super) fn forecast(&self, max_tasks: usize, book: &Book, who: &Who) -> Forecast {
        let usual = self.holdings.usual().unwrap_or_default();
        let time = |before: usize, places: usize| match before.checked_div(places) {
            Some(rounds) => usual.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX)),
            None => Duration::MAX,
        };
        let weight = book.weight(&who.team);
        let room = |account: &Account| self.room(book, account);
        let ahead = self.line.ahead_of_next(&who.team, &who.key, weight, room);
        let all = Forecast { wait: time(ahead, max_tasks), own: None };
        let of_own = |account: &Account, before: usize| {
            let most = book.concurrent_images(account)?;
            let places = usize::try_from(most).unwrap_or(usize::MAX);
            Some(Forecast { wait: time(before, places), own: Some((account.clone(), most)) })
        };
        let own = [
            of_own(&who.key, self.line.of_key(&who.team, &who.key)),
            of_own(&who.team, self.line.ahead_in_team(&who.team, &who.key, room)),
        ];
        own.into_iter().flatten().fold(all, |most, own| if own.wait > most.wait { own } else { most })
    }

    /// What somebody is told who has waited in vain: the forecast, or the limit that it is at.
    pub(super) fn in_vain(&self, max_tasks: usize, book: &Book, who: &Who) -> Forecast {
        let mut forecast = self.forecast(max_tasks, book, who);
        if forecast.own.is_none() {
            let full = [&who.key, &who.team].into_iter().find(|account| !self.has_room(book, account));
            forecast.own = full.and_then(|account| Some((account.clone(), book.concurrent_images(account)?)));
        }
        forecast
    }
}

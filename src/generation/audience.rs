//! Who has an interest in a generation, and what that means for joining, buying and cancelling.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The interest in one generation.
#[derive(Debug, Default)]
pub(super) struct Audience(Mutex<Interest>);

#[derive(Debug, Default)]
struct Interest {
    waiting: usize,
    /// The answer has reached a client whole.
    delivered: bool,
    /// A client was told to ask again, and has not yet.
    expected: bool,
    claim: Claim,
    purchase: Purchase,
}

/// The interest of clients that are not waiting at the moment.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Claim {
    #[default]
    None,
    /// One was answered with 202: it will come for the answer by the generation's id.
    Promised,
    /// Taken back by its team while somebody else was waiting: nobody new may come, and when the last one leaves it is
    /// cancelled.
    Withdrawn,
    /// Taken back with nobody left: what is not bought yet is not bought, what is bought is to be cancelled.
    Cancelled,
    /// Likewise, since its last client went away; it answers again if it is made all the same.
    Abandoned,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Purchase {
    #[default]
    Open,
    /// A create has begun: from here on it runs to its end, awaited or not.
    Begun,
    /// Nobody had an interest when its turn came: nothing is bought.
    GivenUp,
}

/// How a waiter leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Its client has the whole answer.
    Answered,
    /// Its client was told that it goes on: to ask again, or where.
    Told,
    /// Its client went away.
    Gone,
}

/// What taking a generation back means for its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withdrawal {
    /// Others wait for them, or there are none.
    LetRun,
    /// Upstream is to be asked to cancel them.
    Cancel,
}

impl Audience {
    /// Of a generation that was taken up after a restart: nobody waits.
    pub(super) fn restored(promised: bool, begun: bool) -> Self {
        let claim = if promised { Claim::Promised } else { Claim::None };
        let purchase = if begun { Purchase::Begun } else { Purchase::Open };
        Self(Mutex::new(Interest { claim, purchase, ..Interest::default() }))
    }

    /// Of one that was forgotten for room, and so had reached somebody.
    pub(super) fn recalled(promised: bool) -> Self {
        let audience = Self::restored(promised, true);
        audience.lock().delivered = true;
        audience
    }

    /// One more waits. False when the generation was given up or taken back.
    pub(super) fn enter(&self) -> bool {
        let mut interest = self.lock();
        let open = interest.is_open();
        interest.waiting += usize::from(open);
        interest.expected &= !open;
        open
    }

    /// Whether one more may wait.
    pub(super) fn is_open(&self) -> bool {
        self.lock().is_open()
    }

    /// One less waits. True when the last one left.
    pub(super) fn leave(&self, how: Leaving) -> bool {
        let mut interest = self.lock();
        interest.waiting = interest.waiting.saturating_sub(1);
        interest.delivered |= how == Leaving::Answered;
        interest.expected |= how == Leaving::Told;
        interest.waiting == 0
    }

    /// The last client went away before the end: nothing more is to be bought, unless somebody will be back.
    pub(super) fn abandon(&self) -> Withdrawal {
        let mut interest = self.lock();
        if interest.waiting > 0 || interest.expected || interest.claim != Claim::None {
            return Withdrawal::LetRun;
        }
        interest.cancel(Claim::Abandoned)
    }

    /// It was made although it was abandoned: it is paid for, and answers again.
    pub(super) fn take_back_in(&self) {
        let mut interest = self.lock();
        if interest.claim == Claim::Abandoned {
            interest.claim = Claim::None;
        }
    }

    /// A client that leaves will be back.
    pub(super) fn promise(&self) {
        let mut interest = self.lock();
        if interest.claim == Claim::None {
            interest.claim = Claim::Promised;
        }
    }

    /// The team takes it back.
    pub(super) fn withdraw(&self) -> Withdrawal {
        let mut interest = self.lock();
        if interest.waiting > 0 {
            interest.claim = Claim::Withdrawn;
            return Withdrawal::LetRun;
        }
        interest.cancel(Claim::Cancelled)
    }

    /// What the leaving of a waiter means for a generation that was taken back before.
    pub(super) fn lapse(&self) -> Withdrawal {
        let withdrawn = {
            let interest = self.lock();
            interest.claim == Claim::Withdrawn && interest.waiting == 0
        };
        // Nobody enters what was withdrawn: in between nothing changes.
        if withdrawn { self.withdraw() } else { Withdrawal::LetRun }
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.lock().waiting > 0
    }

    pub(super) fn is_delivered(&self) -> bool {
        self.lock().delivered
    }

    /// Nobody has the answer or will come for it, so that a repetition of the request may take it.
    pub(super) fn is_orphan(&self) -> bool {
        let interest = self.lock();
        interest.waiting == 0 && !interest.delivered && interest.claim == Claim::None
    }

    /// A client comes by id, or nobody does any more: no repetition of the request will be answered with it.
    pub(super) fn is_claimed(&self) -> bool {
        self.lock().claim != Claim::None
    }

    /// Its team took it back.
    pub(super) fn is_withdrawn(&self) -> bool {
        matches!(self.lock().claim, Claim::Withdrawn | Claim::Cancelled)
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.lock().purchase == Purchase::GivenUp
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.lock().is_cancelled()
    }

    /// Asked before anything is done for a purchase. While nothing is bought and nobody has an interest, nothing ever
    /// will be.
    pub(super) fn is_wanted(&self) -> bool {
        let mut interest = self.lock();
        interest.give_up_without_interest();
        interest.purchase != Purchase::GivenUp && !interest.is_cancelled()
    }

    /// Asked before each create.
    pub(super) fn may_buy(&self) -> bool {
        let mut interest = self.lock();
        interest.give_up_without_interest();
        if interest.purchase == Purchase::Open {
            interest.purchase = Purchase::Begun;
        }
        interest.purchase == Purchase::Begun && !interest.is_cancelled()
    }

    fn lock(&self) -> MutexGuard<'_, Interest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interest {
    fn is_open(&self) -> bool {
        self.purchase != Purchase::GivenUp && self.claim != Claim::Withdrawn && !self.is_cancelled()
    }

    fn is_cancelled(&self) -> bool {
        matches!(self.claim, Claim::Cancelled | Claim::Abandoned)
    }

    fn cancel(&mut self, claim: Claim) -> Withdrawal {
        self.claim = claim;
        if self.purchase == Purchase::Begun {
            return Withdrawal::Cancel;
        }
        self.purchase = Purchase::GivenUp;
        Withdrawal::LetRun
    }

    fn give_up_without_interest(&mut self) {
        if self.purchase == Purchase::Open && self.waiting == 0 && self.claim != Claim::Promised {
            self.purchase = Purchase::GivenUp;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited() -> Audience {
        let audience = Audience::default();
        assert!(audience.enter());
        audience
    }

    #[test]
    fn what_nobody_waits_for_is_given_up_unless_it_was_promised() {
        let (left, promised) = (awaited(), awaited());
        promised.promise();
        assert!(left.leave(Leaving::Gone) && promised.leave(Leaving::Gone));
        assert!(!left.is_wanted() && !left.may_buy() && left.is_given_up() && !left.enter());
        assert!(promised.is_wanted() && promised.may_buy() && !promised.is_given_up());
    }

    #[test]
    fn what_was_promised_is_no_orphan() {
        let (left, promised) = (awaited(), awaited());
        promised.promise();
        left.leave(Leaving::Gone);
        promised.leave(Leaving::Gone);
        assert!(left.is_orphan() && !promised.is_orphan() && !promised.is_awaited());
        assert!(promised.enter(), "it can be waited for by its id");
    }

    #[test]
    fn what_is_taken_back_before_it_bought_anything_buys_nothing() {
        let audience = awaited();
        audience.promise();
        audience.leave(Leaving::Gone);
        assert_eq!(audience.withdraw(), Withdrawal::LetRun);
        assert!(audience.is_given_up() && !audience.may_buy() && !audience.enter());
    }

    #[test]
    fn what_its_last_client_left_is_abandoned_unless_somebody_will_be_back() {
        let (left, told, promised) = (awaited(), awaited(), awaited());
        assert!([&left, &told, &promised].iter().all(|audience| audience.may_buy()));
        assert_eq!(left.abandon(), Withdrawal::LetRun, "somebody waits");
        left.leave(Leaving::Gone);
        assert_eq!(left.abandon(), Withdrawal::Cancel);
        assert!(left.is_cancelled() && !left.may_buy() && !left.enter() && !left.is_orphan());
        left.take_back_in();
        assert!(left.is_orphan() && left.enter(), "it was made all the same");
        told.leave(Leaving::Told);
        assert_eq!(told.abandon(), Withdrawal::LetRun);
        assert!(told.enter() && told.leave(Leaving::Gone));
        assert_eq!(told.abandon(), Withdrawal::Cancel, "it was back, and left again");
        promised.promise();
        promised.leave(Leaving::Gone);
        assert_eq!(promised.abandon(), Withdrawal::LetRun);
    }

    #[test]
    fn what_is_abandoned_before_it_bought_anything_buys_nothing() {
        let audience = awaited();
        audience.leave(Leaving::Gone);
        assert_eq!(audience.abandon(), Withdrawal::LetRun);
        assert!(audience.is_given_up() && !audience.may_buy() && !audience.enter());
    }

    #[test]
    fn what_is_taken_back_is_cancelled_only_when_nobody_waits() {
        let (awaited, alone) = (awaited(), awaited());
        assert!(awaited.may_buy() && alone.may_buy());
        alone.leave(Leaving::Gone);
        assert_eq!(alone.withdraw(), Withdrawal::Cancel);
        assert!(alone.is_cancelled() && !alone.may_buy(), "its other pictures are not bought");
        assert_eq!(awaited.withdraw(), Withdrawal::LetRun);
        assert!(awaited.may_buy() && !awaited.enter());
        awaited.leave(Leaving::Gone);
        assert!(!awaited.is_cancelled() && !awaited.is_orphan());
    }
}

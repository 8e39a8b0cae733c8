//! Turns, and the places that are told.

use proptest::prelude::*;

use super::*;

type Teams = FairQueue<&'static str, u32>;

fn turns(queue: &mut Teams, count: usize) -> Vec<&'static str> {
    (0..count).map_while(|_| queue.pop(|_| true).map(|(team, _)| team)).collect()
}

/// So many of a team's one key.
fn fill(queue: &mut Teams, team: &'static str, weight: u32, count: u32) -> Vec<Ticket> {
    (0..count).map(|number| queue.push(&team, &"ci", weight, number)).collect()
}

#[test]
fn one_request_does_not_wait_behind_a_thousand_of_another_team() {
    let mut queue = Teams::default();
    fill(&mut queue, "busy", 1, 1000);
    assert_eq!(turns(&mut queue, 3), ["busy"; 3]);
    let ticket = queue.push(&"calm", &"ci", 1, 0);
    assert!(queue.ahead(&"calm", ticket).unwrap() <= 1);
    assert!(turns(&mut queue, 2).contains(&"calm"));
}

#[test]
fn turns_had_without_waiting_count_but_not_what_nobody_else_wanted() {
    let mut queue = Teams::default();
    (0..1000).for_each(|_| queue.count(&"busy", 1));
    fill(&mut queue, "busy", 1, 10);
    fill(&mut queue, "calm", 1, 10);
    assert_eq!(turns(&mut queue, 1), ["calm"], "who has had the places that were free is not next");
    let calm = turns(&mut queue, 10).iter().filter(|team| **team == "calm").count();
    assert_eq!(calm, 5, "and does not make good for all of them");
}

#[test]
fn turns_are_shared_by_weight() {
    let mut queue = Teams::default();
    fill(&mut queue, "three", 3, 100);
    fill(&mut queue, "one", 1, 100);
    let three = turns(&mut queue, 40).iter().filter(|team| **team == "three").count();
    assert!((29..=31).contains(&three), "{three}");
    queue.weigh(|_| 1);
    let three = turns(&mut queue, 40).iter().filter(|team| **team == "three").count();
    assert!((19..=21).contains(&three), "a changed weight holds for those who wait: {three}");
}

#[test]
fn who_was_away_has_saved_nothing_up() {
    let mut queue = Teams::default();
    fill(&mut queue, "there", 1, 100);
    turns(&mut queue, 50);
    fill(&mut queue, "back", 1, 10);
    let back = turns(&mut queue, 10).iter().filter(|team| **team == "back").count();
    assert!((5..=6).contains(&back), "{back}");
}

#[test]
fn a_team_that_may_not_is_passed_over_and_loses_nothing() {
    let mut queue = Teams::default();
    for _ in 0..2 {
        fill(&mut queue, "full", 1, 2);
        fill(&mut queue, "free", 1, 2);
    }
    for _ in 0..2 {
        assert_eq!(queue.pop(|name| *name != "full").map(|(team, _)| team), Some("free"));
    }
    assert_eq!(turns(&mut queue, 1), ["full"]);
    assert_eq!(queue.pop(|_| false), None);
}

#[test]
fn a_team_that_could_not_for_long_has_saved_nothing_up() {
    let mut queue = Teams::default();
    fill(&mut queue, "full", 1, 500);
    fill(&mut queue, "free", 1, 500);
    (0..400).for_each(|_| assert!(queue.pop(|name| *name != "full").is_some()));
    let free = turns(&mut queue, 20).iter().filter(|team| **team == "free").count();
    assert!((9..=11).contains(&free), "{free}");
}

#[test]
fn within_a_team_the_first_whose_key_may_goes() {
    let mut queue = Teams::default();
    for number in 0..4 {
        queue.push(&"a", if number % 2 == 0 { &"even" } else { &"odd" }, 1, number);
    }
    assert_eq!((queue.of_team(&"a"), queue.of_key(&"a", &"odd")), (4, 2));
    assert_eq!(queue.pop(|name| *name != "even"), Some(("a", 1)));
    assert_eq!(queue.pop(|_| true), Some(("a", 0)));
    assert_eq!(queue.pop(|_| true), Some(("a", 2)));
}

#[test]
fn what_leaves_is_gone_and_the_others_move_up() {
    let mut queue = Teams::default();
    let tickets = fill(&mut queue, "a", 1, 3);
    assert_eq!(queue.ahead(&"a", tickets[2]), Some(2));
    assert_eq!(queue.remove(&"a", &"ci", tickets[1]), Some(1));
    assert_eq!(queue.remove(&"a", &"ci", tickets[1]), None);
    assert_eq!((queue.ahead(&"a", tickets[2]), queue.len()), (Some(1), 2));
    assert_eq!(queue.ahead(&"a", tickets[1]), None);
}

#[test]
fn a_turn_that_was_not_used_is_given_back() {
    let mut queue = Teams::default();
    fill(&mut queue, "a", 1, 4);
    fill(&mut queue, "b", 1, 4);
    assert_eq!(turns(&mut queue, 1), ["a"]);
    queue.give_back(&"a");
    assert_eq!(turns(&mut queue, 3), ["a", "b", "a"]);
}

#[test]
fn nobody_is_remembered_when_all_is_done() {
    let mut queue = Teams::default();
    for team in ["a", "b", "c"] {
        fill(&mut queue, team, 1, 5);
    }
    while queue.pop(|_| true).is_some() {}
    (0..3).for_each(|_| queue.count(&"d", 1));
    assert!(queue.lines.len() <= 4, "{:?}", queue.lines.len());
    (0..20).for_each(|_| queue.count(&"d", 1));
    assert_eq!(queue.lines.len(), 1, "who had turns long ago is a stranger");
}

#[test]
fn a_turn_costs_no_more_however_many_wait() {
    let mut queue = Teams::default();
    for team in ["full", "free"] {
        fill(&mut queue, team, 1, 20_000);
    }
    let asked = std::cell::Cell::new(0);
    let may = |name: &&str| {
        asked.set(asked.get() + 1);
        *name != "full"
    };
    (0..1000).for_each(|_| assert!(queue.pop(may).is_some()));
    assert_eq!((asked.get(), queue.len()), (3 * 1000, 39_000), "two teams and the key of one are looked at");
}

const TEAMS: [&str; 4] = ["a", "b", "c", "d"];

proptest! {
    #[test]
    fn everyone_has_a_turn_in_the_order_of_the_own_line_and_places_are_told_right(
        pushes in proptest::collection::vec((0_usize..4, 1_u32..5), 1..60),
    ) {
        let weights: Vec<u32> = TEAMS.iter().enumerate().map(|(at, _)| {
            pushes.iter().find(|(team, _)| *team == at).map_or(1, |(_, weight)| *weight)
        }).collect();
        let mut queue = FairQueue::default();
        let mut tickets = Vec::new();
        for (number, (team, _)) in pushes.iter().enumerate() {
            let foretold = queue.ahead_of_next(&TEAMS[*team], &"ci", weights[*team], |_| usize::MAX);
            let ticket = queue.push(&TEAMS[*team], &"ci", weights[*team], number);
            prop_assert_eq!(queue.ahead(&TEAMS[*team], ticket), Some(foretold));
            tickets.push((TEAMS[*team], ticket));
        }
        let told: Vec<usize> =
            tickets.iter().map(|(team, ticket)| queue.ahead(team, *ticket).unwrap()).collect();
        let mut served = Vec::new();
        while let Some((_, number)) = queue.pop(|_| true) {
            served.push(number);
        }
        prop_assert_eq!(served.len(), pushes.len());
        prop_assert!(queue.is_empty());
        for team in 0..4 {
            let own: Vec<_> = served.iter().filter(|number| pushes[**number].0 == team).collect();
            prop_assert!(own.is_sorted());
        }
        for (number, told) in told.iter().enumerate() {
            let place = served.iter().position(|served| *served == number).unwrap();
            // Teams that have had the same are told apart by the ticket, and weights do not divide evenly.
            prop_assert!(place.abs_diff(*told) <= TEAMS.len(), "{place} told as {told}");
        }
    }

    #[test]
    fn whoever_may_have_a_turn_waits_no_longer_than_the_weights_of_the_others_explain(
        steps in proptest::collection::vec((0_usize..4, 0_u8..16, 0_u8..3), 1..400),
    ) {
        const WEIGHTS: [u32; 4] = [1, 2, 3, 4];
        // While a team of weight 1 waits, each of the others has its weight in turns, and one more for the rounding.
        const WAIT_MAX: u32 = 2 + 3 + 4 + 3;
        let mut queue = FairQueue::default();
        let mut passed = [0_u32; 4];
        for (team, allowed, what) in steps {
            if what < 2 {
                queue.push(&team, &10, WEIGHTS[team], ());
            }
            let may = |name: &usize| *name >= 10 || allowed & (1 << name) != 0;
            let Some((served, ())) = queue.pop(may) else { continue };
            for (team, passed) in passed.iter_mut().enumerate() {
                let waits = queue.of_team(&team) > 0 && may(&team) && team != served;
                *passed = if waits { *passed + 1 } else { 0 };
                prop_assert!(*passed <= WAIT_MAX, "team {team} was passed over {passed} times");
            }
        }
    }
}

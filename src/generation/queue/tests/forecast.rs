//! Who is told at once that there will be no place in time.

use super::*;

/// So many places were held for so long, one after the other.
async fn learn(house: &House, team: &str, count: usize, held: Duration) {
    for _ in 0..count {
        let slot = house.of(team).free().unwrap();
        tokio::time::advance(held).await;
        drop(slot);
    }
}

fn foreseen(house: &House, team: &str) -> Result<(), Option<u64>> {
    let one = house.of(team);
    house.queue.foresee(&one.standing(), 1).map_err(|fault| {
        assert_eq!((fault.status(), fault.code()), (429, "concurrency_limit_exceeded"));
        fault.retry_after_seconds()
    })
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_served_in_time_is_told_at_once_and_when_to_come_back() {
    let house = House::new(1, &[("a", None, 1)]);
    learn(&house, "a", 8, Duration::from_secs(25)).await;
    let _held = house.of("a").free().unwrap();
    let ones: Vec<_> = (0..5).map(|_| house.of("a")).collect();
    let mut line = Vec::new();
    for (waiting, expected) in [Ok(()), Ok(()), Ok(()), Err(Some(15)), Err(Some(40))].into_iter().enumerate()
    {
        assert_eq!(foreseen(&house, "a"), expected, "{waiting} turns of 25 s, and a minute of patience");
        line.extend(lined_up(&ones[waiting..=waiting]));
    }
    let crowd: Vec<_> = (0..100).map(|_| house.of("a")).collect();
    let _crowd = lined_up(&crowd);
    assert_eq!(foreseen(&house, "a"), Err(Some(60)), "clients take longer pauses for mistakes");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_foretold_from_nothing() {
    let house = House::new(1, &[("a", None, 1)]);
    let _held = house.of("a").free().unwrap();
    let crowd: Vec<_> = (0..1000).map(|_| house.of("a")).collect();
    let _crowd = lined_up(&crowd);
    assert_eq!(foreseen(&house, "a"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_crowd_of_another_team_sends_nobody_away() {
    let house = House::new(2, &[("busy", None, 1), ("calm", None, 1), ("full", Some(1), 1)]);
    learn(&house, "busy", 8, Duration::from_secs(40)).await;
    let (_one, _other) = (house.of("busy").free().unwrap(), house.of("full").free().unwrap());
    let crowd: Vec<_> = (0..500).map(|_| house.of("busy")).collect();
    let _crowd = lined_up(&crowd);
    assert_eq!((foreseen(&house, "busy"), foreseen(&house, "calm")), (Err(Some(60)), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn the_crowd_of_a_key_at_its_limit_sends_no_other_key_of_the_team_away() {
    let house = House::new(3, &[("a", Some(3), 1), ("b", None, 1)]);
    learn(&house, "a", 8, Duration::from_secs(40)).await;
    let _one = house.of_key("a", "narrow").free().unwrap();
    let others = [house.of("b").free().unwrap(), house.of("b").free().unwrap()];
    let crowd: Vec<_> = (0..100).map(|_| house.of_key("a", "narrow")).collect();
    let _crowd = lined_up(&crowd);
    let narrow = house.of_key("a", "narrow");
    assert_eq!(house.queue.foresee(&narrow.standing(), 1).unwrap_err().status(), 429);
    assert_eq!((foreseen(&house, "a"), foreseen(&house, "b")), (Ok(()), Ok(())));
    let ones = [house.of("a")];
    let mut place = lined_up(&ones);
    drop(others);
    assert!(served(&mut place).is_some(), "and it has the next place");
}

#[tokio::test(start_paused = true)]
async fn who_is_at_a_limit_of_its_own_is_told_so_and_counted() {
    let house = House::new(100, &[("full", Some(2), 1), ("shut", Some(0), 1)]);
    learn(&house, "full", 8, Duration::from_secs(35)).await;
    let _held = [house.of("full").free().unwrap(), house.of("full").free().unwrap()];
    let ones: Vec<_> = (0..4).map(|_| house.of("full")).collect();
    let _line = lined_up(&ones);
    let one = house.of("full");
    let fault = house.queue.foresee(&one.standing(), 1).unwrap_err();
    let told = "This team may have 2 images made at once (concurrent_images)";
    assert!(fault.message().starts_with(told), "{}", fault.message());
    assert_eq!(fault.retry_after_seconds(), Some(10), "two rounds of 35 s");
    assert_eq!(foreseen(&house, "shut"), Err(Some(60)), "whoever may have none waits for nothing");
    let counted =
        r#"evolink_gateway_quota_rejections_total{limit="concurrent_images",mode="enforce",team="full"} 1"#;
    assert!(house.metrics.render().contains(counted));
}

#[tokio::test(start_paused = true)]
async fn who_waited_in_vain_for_a_limit_of_its_own_is_told_so() {
    let house = House::new(100, &[("full", Some(1), 1)]);
    let _held = house.of("full").free().unwrap();
    let fault = house.of("full").place().await.unwrap_err();
    assert!(fault.message().contains("concurrent_images"), "{}", fault.message());
}

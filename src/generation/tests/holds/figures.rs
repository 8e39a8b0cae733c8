//! The daily figures: requests and hits as they come, images and credits with the settlement.

use super::super::super::*;
use super::super::fake::{after, options, plan, soon};
use super::bench::{Bench, SECOND, Store, World, of_team, per_day};
use super::price;
use crate::quota::Unit;

#[tokio::test(start_paused = true)]
async fn a_request_is_counted_once_and_joins_and_hits_cost_nothing() {
    for store in [Store::Embedded, Store::Memory] {
        let team = of_team([per_day(Unit::Images, 10)]);
        let bench = Bench::with(options(), store, [team.clone()]);
        let fox = plan("a fox", 2, &[]);
        let mut first = bench.ask(&fox, Sharing::default()).await.unwrap();
        let mut joined = bench.ask(&fox, Sharing::default()).await.unwrap();
        assert!(joined.joined() && first.finished(soon()).await.is_ok());
        joined.finished(soon()).await.unwrap();
        for waiter in [first, joined] {
            waiter.answered();
        }
        for _ in 0..3 {
            let hit = bench.ask(&fox, Sharing::default()).await.unwrap();
            assert!(matches!(hit.came(), Came::Hit { .. }));
        }
        let (requests, hits, images, credits) = bench.figures().await;
        assert_eq!((requests, hits, images), (5, 4, 2), "{store:?}");
        assert!((credits - 2.0 * price()).abs() < 1e-4);
        assert_eq!(bench.stands(&team, 0).await, (2.0, 0.0));
    }
}

#[test]
fn requests_are_written_within_a_second_and_what_is_left_at_the_end() {
    let world = World::new(options());
    world.life([], async |bench| {
        let _fox = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
        after(2 * SECOND).await;
    });
    world.life([], async |bench| {
        assert_eq!(bench.figures().await.0, 1, "what is taken up is not counted again");
        let _bear = bench.begin(&plan("a bear", 1, &[])).await.unwrap();
        bench.generations.put_away().await;
    });
    world.life([], async |bench| assert_eq!(bench.figures().await.0, 2));
}

use super::server::NOON;
use super::*;

const DAY: Duration = Duration::from_hours(24);
const HOUR: i64 = 3600;

fn now() -> Timestamp {
    Timestamp::from_second(NOON).unwrap()
}

fn bytes(sides: &[u32]) -> u64 {
    sides.iter().map(|side| u64::try_from(picture(*side).bytes().len()).unwrap()).sum()
}

/// An object as the store would have put it so many hours ago.
fn put(server: &Server, side: u32, hours: i64) {
    let picture = picture(side);
    server.write(&key(&picture), Object { put: NOON - hours * HOUR, ..Object::of(picture.bytes().to_vec()) });
}

fn left(server: &Server, sides: std::ops::Range<u32>) -> Vec<u32> {
    sides.filter(|side| server.object(&key(&picture(*side))).is_some()).collect()
}

#[tokio::test]
async fn objects_go_when_they_were_put_longer_ago_than_they_are_kept() {
    let server = Server::start().await;
    for (side, hours) in (40..50).zip([30, 24, 25, 1, 23, 100, 0, 5, 24, 26]) {
        put(&server, side, hours);
    }
    let bucket = server.bucket(u64::MAX);
    let swept = bucket.sweep(now(), DAY).await.unwrap();
    assert_eq!((swept.pictures, swept.for_room, swept.failed), (4, 0, 0));
    assert!(swept.round_ended && !swept.too_much, "all pages of the listing");
    assert_eq!(left(&server, 40..50), [41, 43, 44, 46, 47, 48]);
    assert_eq!(swept.bytes, bytes(&[40, 42, 45, 49]));
    assert_eq!(bucket.tally().held(), Some(bytes(&[41, 43, 44, 46, 47, 48])));
}

#[tokio::test]
async fn of_too_many_objects_the_oldest_go() {
    let server = Server::start().await;
    for (side, hours) in (40..46).zip([3, 6, 1, 5, 2, 4]) {
        put(&server, side, hours);
    }
    let bucket = server.bucket(bytes(&[40, 42, 44, 45]) * 10 / 9 + 1);
    let swept = bucket.sweep(now(), DAY).await.unwrap();
    assert_eq!((swept.pictures, swept.for_room, swept.too_much), (0, 2, false));
    assert_eq!(left(&server, 40..46), [40, 42, 44, 45]);
    assert_eq!(bucket.tally().held(), Some(bytes(&[40, 42, 44, 45])));
    bucket.put(picture(60)).await.unwrap();
    bucket.tally().pressed().await;
}

#[tokio::test]
async fn what_the_store_would_not_have_named_stays() {
    let server = Server::start().await;
    let name = place(&picture(40)).file_name();
    let foreign = [
        "a/b/notes.txt".to_owned(),
        format!("a/b/{name}"),
        format!("a/b/00/00/{name}"),
        format!("a/{}", key(&picture(40))),
        key(&picture(40)).replacen("a/b", "a/bc", 1),
        key(&picture(40)).replacen("a/b/", "", 1),
        format!("{}.gif", key(&picture(40))),
    ];
    for key in &foreign {
        server.write(key, Object { put: 0, ..Object::of(vec![0; 5000]) });
    }
    put(&server, 40, 48);
    let bucket = server.bucket(1);
    let swept = bucket.sweep(now(), DAY).await.unwrap();
    assert_eq!((swept.pictures, swept.for_room, bucket.tally().held()), (1, 0, Some(0)));
    let mut expected = foreign.to_vec();
    expected.sort_unstable();
    assert_eq!(server.keys(), expected);
    // in the whole bucket, the one without a prefix is the store's own
    let swept = server.bucket_at("", u64::MAX).sweep(now(), DAY).await.unwrap();
    assert_eq!((swept.pictures, server.keys().len()), (1, foreign.len() - 1));
}

#[tokio::test]
async fn an_object_put_again_after_it_was_listed_stays() {
    let server = Server::start().await;
    put(&server, 40, 48);
    // the removal's own look comes after the put
    server.put_before_next_look(Object::of(picture(40).bytes().to_vec()));
    let bucket = server.bucket(u64::MAX);
    assert_eq!(bucket.sweep(now(), DAY).await.unwrap().pictures, 0);
    assert_eq!(left(&server, 40..41), [40]);
}

#[tokio::test]
async fn a_listing_that_fails_is_told_and_goes_on_where_it_was() {
    let server = Server::start().await;
    for side in 40..48 {
        put(&server, side, 1);
    }
    let bucket = server.bucket(u64::MAX);
    server.always(Some(Trouble::Answer(403, "AccessDenied")));
    assert!(matches!(bucket.sweep(now(), DAY).await, Err(StoreFault::ReadOnly(_))));
    server.always(None);
    // the second page is missing
    server.fail_after(1, Trouble::Answer(403, "AccessDenied"));
    assert!(bucket.sweep(now(), DAY).await.is_err());
    let all: Vec<_> = (40..48).collect();
    assert!(bucket.sweep(now(), DAY).await.unwrap().round_ended);
    assert_eq!(bucket.tally().held(), Some(bytes(&all)), "each is counted once");
}

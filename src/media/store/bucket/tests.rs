//! The bucket against a server that does as a script says: failures, half answers, silence.

mod server;
mod sweeping;

use std::sync::atomic::Ordering::SeqCst;

use tokio::time::Instant;

use self::server::{Object, Server, Trouble};
use super::*;
use crate::image::{Format, Pixels};
use crate::media::picture::samples;

fn picture(side: u32) -> Picture {
    samples::picture(Format::Png, side, side)
}

fn place(picture: &Picture) -> Place {
    Place { content: ContentHash::of(picture.bytes()), format: picture.format() }
}

fn key(picture: &Picture) -> String {
    let name = place(picture).file_name();
    format!("a/b/{}/{}/{name}", &name[..2], &name[2..4])
}

async fn got(bucket: &Bucket, picture: &Picture) -> Option<Picture> {
    match bucket.get(place(picture)).await.unwrap() {
        Found::Whole(picture) => Some(picture),
        Found::Missing | Found::Damaged => None,
    }
}

#[tokio::test]
async fn a_picture_that_was_put_is_given_back_whole() {
    let server = Server::start().await;
    let bucket = server.bucket(u64::MAX);
    for format in Format::ALL {
        let picture = samples::picture(format, 20, 10);
        assert!(!bucket.contains(place(&picture)).await.unwrap());
        assert!(matches!(bucket.get(place(&picture)).await, Ok(Found::Missing)));
        let stored = bucket.put(picture.clone()).await.unwrap();
        let bytes = u64::try_from(picture.bytes().len()).unwrap();
        let content = place(&picture).content;
        assert_eq!(stored, StoredPicture { content, format, pixels: Pixels::new(20, 10), bytes });
        assert_eq!(server.object(&key(&picture)).unwrap().media_type, format.media_type());
        assert!(bucket.contains(place(&picture)).await.unwrap());
        assert_eq!(got(&bucket, &picture).await, Some(picture));
    }
    assert_eq!(server.keys().len(), 3, "and nothing else");
    assert!(server.signed.load(SeqCst), "with a signature");
}

#[tokio::test]
async fn what_the_server_refuses_is_told_as_what_it_is() {
    let server = Server::start().await;
    let bucket = server.bucket(u64::MAX);
    for (status, code, reason, said) in [
        (403, "AccessDenied", "read_only", "its server answered 403 AccessDenied"),
        (401, "", "read_only", "its server answered 401"),
        (507, "XMinioStorageFull", "full", "its server answered 507 XMinioStorageFull"),
        (403, "QuotaExceeded", "full", "its server answered 403 QuotaExceeded"),
        (404, "NoSuchBucket", "failing", "its server answered 404 NoSuchBucket"),
        (500, "InternalError", "failing", "its server answered 500 InternalError"),
        (503, "SlowDown", "failing", "its server answered 503 SlowDown"),
        (301, "PermanentRedirect", "failing", "its server redirects"),
    ] {
        server.always(Some(Trouble::Answer(status, code)));
        let fault = bucket.put(picture(8)).await.unwrap_err();
        assert_eq!(fault.reason(), reason, "{status} {code}: {fault:?}");
        let cause = std::error::Error::source(&fault).unwrap().to_string();
        assert!(cause.starts_with(said), "{cause}");
        assert!(!format!("{fault:?} {cause}").contains("quoted"), "the server's own words: {fault:?}");
        let read = bucket.get(place(&picture(8))).await.map(|_| ()).unwrap_err();
        assert_eq!(read.reason(), reason, "{status} {code}: {read:?}");
    }
    server.always(None);
    bucket.put(picture(8)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_told_at_once() {
    let server = Server::start().await;
    let bucket = server.bucket(u64::MAX);
    drop(server);
    let began = Instant::now();
    let fault = bucket.put(picture(8)).await.unwrap_err();
    let cause = std::error::Error::source(&fault).unwrap().to_string();
    assert!(matches!(&fault, StoreFault::Failing(_)) && cause.contains("cannot be reached"), "{fault:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn bad_weather_is_sailed_through() {
    let server = Server::start().await;
    let bucket = server.bucket(u64::MAX);
    server.next([Trouble::Answer(503, "SlowDown"), Trouble::Answer(500, "InternalError")]);
    bucket.put(picture(40)).await.unwrap();
    for trouble in [Trouble::Answer(503, "SlowDown"), Trouble::Cut] {
        server.next([trouble]);
        assert_eq!(got(&bucket, &picture(40)).await, Some(picture(40)), "{trouble:?}");
    }
    assert_eq!(bucket.damaged(), 0);
}

#[tokio::test]
async fn half_a_picture_is_never_given_and_never_there() {
    let server = Server::start().await;
    let bucket = server.bucket(u64::MAX);
    bucket.put(picture(40)).await.unwrap();
    server.always(Some(Trouble::Cut));
    assert!(
        bucket.get(place(&picture(40))).await.is_err(),
        "an answer that breaks off tells nothing of the object"
    );
    assert!(bucket.put(picture(41)).await.is_err());
    server.always(None);
    assert_eq!(server.keys(), [key(&picture(40))]);
    assert_eq!((got(&bucket, &picture(40)).await, bucket.damaged()), (Some(picture(40)), 0));
}

#[tokio::test]
async fn a_damaged_object_counts_as_missing_and_is_removed() {
    let server = Server::start().await;
    let bucket = server.bucket(u64::MAX);
    let whole = picture(40).bytes().to_vec();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let damages = [flipped, whole[..whole.len() / 2].to_vec(), Vec::new(), picture(41).bytes().to_vec()];
    for (damage, before) in damages.into_iter().zip(0..) {
        bucket.put(picture(40)).await.unwrap();
        server.write(&key(&picture(40)), Object::of(damage));
        assert_eq!(bucket.damaged(), before);
        assert!(matches!(bucket.get(place(&picture(40))).await, Ok(Found::Damaged)));
        assert_eq!((bucket.damaged(), server.keys().len()), (before + 1, 0));
    }
}

#[tokio::test]
async fn an_object_put_anew_while_a_damaged_one_is_removed_stays() {
    let server = Server::start().await;
    let bucket = server.bucket(u64::MAX);
    server.write(&key(&picture(40)), Object::of(b"rubbish".to_vec()));
    server.replace_next(Object::of(picture(40).bytes().to_vec()));
    assert!(matches!(bucket.get(place(&picture(40))).await, Ok(Found::Damaged)));
    assert_eq!(got(&bucket, &picture(40)).await, Some(picture(40)));
}

#[tokio::test]
async fn a_trial_leaves_nothing_behind() {
    let server = Server::start().await;
    let bucket = server.bucket(u64::MAX);
    bucket.trial(5000).await.unwrap();
    assert_eq!(server.keys(), Vec::<String>::new());
    server.always(Some(Trouble::Answer(507, "")));
    assert!(matches!(bucket.trial(0).await, Err(StoreFault::Full(_))));
}

#[tokio::test]
async fn a_picture_larger_than_the_whole_store_is_not_sent() {
    let server = Server::start().await;
    let bucket = server.bucket(10);
    assert!(matches!(bucket.put(picture(8)).await, Err(StoreFault::TooLarge(_))));
    assert_eq!(server.calls.load(SeqCst), 0);
}

/// On paused time, which goes on while everybody waits.
#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_for_a_silent_server_than_the_bound() {
    let server = Server::start().await;
    let bucket = server.bucket(u64::MAX);
    server.always(Some(Trouble::Silence));
    let began = Instant::now();
    assert!(matches!(bucket.get(place(&picture(8))).await, Err(StoreFault::Slow)));
    assert!(began.elapsed() <= READ_ANSWER_MAX, "{:?}", began.elapsed());
    let began = Instant::now();
    assert!(matches!(bucket.put(picture(8)).await, Err(StoreFault::Slow)));
    assert!(began.elapsed() <= PUT_ANSWER_MAX, "{:?}", began.elapsed());
    // more puts than there are places: their wait for one counts
    let began = Instant::now();
    let puts = (0..2 * JOBS_AT_ONCE).map(|_| bucket.put(picture(8)));
    let outcomes = futures_util::future::join_all(puts).await;
    assert!(outcomes.iter().all(|put| matches!(put, Err(StoreFault::Slow))));
    assert!(began.elapsed() <= PUT_ANSWER_MAX, "{:?}", began.elapsed());
}

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::picture::samples;
use super::*;
use crate::image::Format;

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/// A PNG of this length, told from others by its number.
fn picture(number: u64, length: usize) -> Picture {
    let file = samples::encoded(Format::Png, 1, 1);
    let (head, end) = file.split_at(file.len() - 12);
    let mut text = b"bulk".to_vec();
    text.extend(number.to_be_bytes());
    text.resize(length - file.len() - 8, 0);
    let size = u32::try_from(text.len() - 4).unwrap().to_be_bytes();
    let bytes: Vec<u8> = [head, &size, &text, &[0; 4], end].concat();
    assert_eq!(bytes.len(), length);
    Picture::read(bytes.into()).unwrap()
}

fn content(number: u64) -> ContentHash {
    ContentHash::of(&number.to_be_bytes())
}

fn free(memory: &PictureMemory) -> usize {
    memory.0.free.available_permits()
}

/// Takes room, and holds a picture of this length in it.
async fn held(memory: &PictureMemory, number: u64, length: usize) -> Held {
    let mut room = memory.room(length).await;
    room.hold(picture(number, length), Some(content(number)))
}

/// Reads it if it is not hot, as the gallery does.
async fn read(memory: &PictureMemory, number: u64, length: usize, reads: &AtomicUsize) -> Held {
    if let Some(hot) = memory.hot(&content(number)) {
        return hot;
    }
    let _turn = memory.reading(vec![content(number)]).await;
    if let Some(hot) = memory.hot(&content(number)) {
        return hot;
    }
    let mut room = memory.room(length).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    reads.fetch_add(1, Ordering::Relaxed);
    let held = room.hold(picture(number, length), Some(content(number)));
    memory.keep(&held);
    held
}

#[tokio::test]
async fn the_guess_follows_what_pictures_have_been() {
    let memory = PictureMemory::with(4 * MIB, 0, 0);
    let mut room = memory.room(memory.guess(1)).await;
    assert_eq!(free(&memory), 2048);
    room.settle(&[100 * KIB]);
    assert_eq!(free(&memory), 4096 - 100);
    drop(room);
    for _ in 0..100 {
        memory.room(memory.guess(1)).await.settle(&[100 * KIB]);
    }
    assert_eq!(memory.guess(2), 200 * KIB);
    memory.room(memory.guess(2)).await.settle(&[MIB, 3 * MIB]);
    assert_eq!(memory.guess(1), 2 * MIB, "larger ones count at once");
    assert_eq!(free(&memory), 4096);
}

#[tokio::test]
async fn one_small_picture_does_not_let_many_large_ones_in() {
    let memory = PictureMemory::with(64 * MIB, 0, 0);
    memory.room(memory.guess(1)).await.settle(&[1]);
    assert!(memory.guess(1) > MIB);
}

#[tokio::test]
async fn what_is_left_is_taken_when_pictures_are_larger_than_guessed() {
    let memory = PictureMemory::with(4 * MIB, 0, 0);
    let mut room = memory.room(2 * MIB).await;
    let other = memory.room(1000 * KIB).await;
    room.settle(&[10 * MIB]);
    assert_eq!(free(&memory), 0);
    drop(other);
    assert_eq!(free(&memory), 1000);
    drop(room);
    assert_eq!(free(&memory), 4096);
}

#[tokio::test]
async fn a_picture_larger_than_the_whole_memory_gets_in_alone() {
    let memory = PictureMemory::with(MIB, 0, 0);
    let held = held(&memory, 1, 2 * MIB).await;
    assert_eq!(free(&memory), 0);
    memory.keep(&held);
    assert_eq!(memory.hot_bytes(), 0, "it would leave no room for others");
    drop(held);
    assert_eq!(free(&memory), 1024);
}

#[tokio::test]
async fn with_no_memory_for_hot_pictures_answers_are_written_all_the_same() {
    let memory = PictureMemory::new(0);
    assert_eq!(free(&memory), 64 * KIB);
    let held = held(&memory, 1, MIB).await;
    memory.keep(&held);
    assert!(memory.hot(&content(1)).is_none());
    drop(held);
    assert_eq!(free(&memory), 64 * KIB);
}

#[tokio::test]
async fn the_picture_asked_for_longest_ago_leaves_first() {
    let memory = PictureMemory::with(8 * MIB, 0, 0);
    for number in 0..7 {
        memory.keep(&held(&memory, number, MIB).await);
    }
    assert_eq!((memory.hot_bytes(), free(&memory)), (7 * 1024 * 1024, 1024));
    assert!(memory.hot(&content(0)).is_some());
    memory.keep(&held(&memory, 7, MIB).await);
    let left: Vec<u64> = (0..8).filter(|number| memory.hot(&content(*number)).is_some()).collect();
    assert_eq!(left, [0, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn hot_pictures_that_nobody_reads_give_way_as_far_as_is_needed() {
    let memory = PictureMemory::with(8 * MIB, 0, 0);
    for number in 0..7 {
        memory.keep(&held(&memory, number, MIB).await);
    }
    let read = memory.hot(&content(0)).unwrap();
    (1..7).for_each(|number| drop(memory.hot(&content(number))));
    let room = memory.room(3 * MIB).now_or_never().expect("nobody waits while hot pictures can leave");
    let left: Vec<u64> = (0..7).filter(|number| memory.hot(&content(*number)).is_some()).collect();
    assert_eq!(left, [0, 3, 4, 5, 6]);
    drop((room, read));
}

#[tokio::test]
async fn an_evicted_picture_that_is_still_read_counts_until_it_is_out() {
    let memory = PictureMemory::with(8 * MIB, 0, 0);
    let read = held(&memory, 1, 4 * MIB).await;
    memory.keep(&read);
    let mut waiting = Box::pin(memory.room(6 * MIB));
    assert!((&mut waiting).now_or_never().is_none(), "4 of 8 MiB are read");
    assert!(memory.hot(&content(1)).is_none(), "it leaves all the same, so that the wait has an end");
    memory.keep(&read);
    assert_eq!(memory.hot_bytes(), 0, "and does not come back before");
    drop(read);
    drop(waiting.now_or_never().expect("its room is free"));
    assert_eq!(free(&memory), 8192);
    let again = held(&memory, 1, MIB).await;
    memory.keep(&again);
    assert_eq!(memory.hot_bytes(), 1024 * 1024, "nobody waits any more");
}

#[tokio::test]
async fn a_wait_that_is_given_up_holds_nothing_up() {
    let memory = PictureMemory::with(8 * MIB, 0, 0);
    let read = held(&memory, 1, 4 * MIB).await;
    assert!(memory.room(6 * MIB).now_or_never().is_none());
    memory.keep(&read);
    assert!(memory.hot(&content(1)).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_ask_at_once_share_one_copy_read_once() {
    let memory = PictureMemory::with(16 * MIB, 0, 0);
    let reads = AtomicUsize::new(0);
    let all = join_all((0..1000).map(|_| read(&memory, 1, 2 * MIB, &reads))).await;
    let first: &Bytes = all[0].bytes();
    assert!(all.iter().all(|held| held.bytes().as_ptr() == first.as_ptr()));
    assert_eq!((reads.load(Ordering::Relaxed), free(&memory)), (1, 14 * 1024));
    assert_eq!(memory.0.turns.count(), 0, "nothing is remembered of their turns");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_its_turn_leaves_nothing_behind() {
    let memory = PictureMemory::with(16 * MIB, 0, 0);
    let turn = memory.reading(vec![content(1), content(2), content(1)]).await;
    assert!(memory.reading(vec![content(2)]).now_or_never().is_none());
    drop(turn);
    assert_eq!(memory.0.turns.count(), 0);
    let long = memory.reading(vec![content(1)]).await;
    let mut waiting = Box::pin(memory.reading(vec![content(1)]));
    assert!((&mut waiting).now_or_never().is_none());
    drop((long, waiting));
    assert_eq!(memory.0.turns.count(), 0);
}

#[tokio::test]
async fn a_form_is_made_once_and_kept() {
    let memory = PictureMemory::with(16 * MIB, 0, 0);
    let converter = Converter::new(4, 1_000_000);
    let original = samples::picture(Format::Png, 64, 64);
    let mut room = memory.room(original.bytes().len()).await;
    let original = room.hold(original, Some(content(1)));
    memory.keep(&original);
    let form = Form { format: Format::Webp, compression: None, pixels: None };
    let all = join_all((0..20).map(|_| memory.formed(&original, form, &converter))).await;
    let all: Vec<Held> = all.into_iter().map(Result::unwrap).collect();
    assert!(all.iter().all(|held| held.bytes().as_ptr() == all[0].bytes().as_ptr()), "made once");
    assert_eq!(all[0].format(), Format::Webp);
    let other = Form { format: Format::Jpeg, ..form };
    assert_eq!(memory.formed(&original, other, &converter).await.unwrap().format(), Format::Jpeg);
    let same = Form { format: Format::Png, ..form };
    let same = memory.formed(&original, same, &converter).await.unwrap();
    assert_eq!(same.bytes().as_ptr(), original.bytes().as_ptr());
    let others = memory.formed(&original, other, &converter).await.unwrap();
    let units = original.units() + all[0].units() + others.units();
    assert_eq!(memory.0.hot.units(), units);
}

#[tokio::test]
async fn a_form_of_what_was_not_asked_for_again_does_not_stay() {
    let memory = PictureMemory::with(16 * MIB, 0, 0);
    let original = samples::picture(Format::Png, 64, 64);
    let original = memory.room(original.bytes().len()).await.hold(original, None);
    let form = Form { format: Format::Webp, compression: None, pixels: None };
    let formed = memory.formed(&original, form, &Converter::new(1, 1_000_000)).await.unwrap();
    assert_eq!((formed.format(), memory.hot_bytes()), (Format::Webp, 0));
    drop((formed, original));
    assert_eq!(free(&memory), 16 * 1024, "though it counted while it was there");
}

#[tokio::test]
async fn an_answer_asked_for_again_is_ready_in_one_piece_and_counts() {
    let memory = PictureMemory::with(16 * MIB, 0, MIB);
    let texts = || Some((Bytes::from_static(b"{\"b64_json\":\""), Bytes::from_static(b"\"}")));
    let others = || Some((Bytes::from_static(b"\"}"), Bytes::from_static(b"{\"b64_json\":\"")));
    let original = held(&memory, 1, 300 * KIB).await;
    memory.keep(&original);
    let ready = original.between(1, texts).unwrap();
    let encoded = base64_simd::STANDARD.encode_to_string(original.bytes());
    assert_eq!(ready, format!("{{\"b64_json\":\"{encoded}\"}}"));
    let again = memory.hot(&content(1)).unwrap().between(1, || unreachable!("it is ready")).unwrap();
    assert_eq!(again.as_ptr(), ready.as_ptr(), "made once");
    let other = original.between(2, others).unwrap();
    assert_eq!(other, format!("\"}}{encoded}{{\"b64_json\":\""), "another mark makes another answer");
    assert_eq!(original.between("1", texts).unwrap(), ready, "marks of other kinds are others");
    let units = 300 + (400 + 4);
    assert_eq!((memory.0.hot.units(), free(&memory)), (units, 16 * 1024 - units));
    let large = held(&memory, 2, MIB + 1).await;
    assert!(large.between(1, texts).is_none());
    let fresh = memory.room(MIB).await.hold(picture(3, KIB), None);
    assert!(fresh.between(1, texts).is_none(), "nobody has asked for it again");
}

#[tokio::test]
async fn without_room_for_its_answer_a_picture_is_held_all_the_same() {
    let memory = PictureMemory::with(MIB, 0, MIB);
    let other = memory.room(600 * KIB).await;
    let held = held(&memory, 1, 400 * KIB).await;
    assert!(held.between(1, || Some((Bytes::new(), Bytes::new()))).is_none());
    assert_eq!(free(&memory), 24);
    drop(other);
}

/// Readers with one to three pictures each, some slow, in a memory that has room for few: all are answered, and never
/// more is in memory than there is room for.
#[tokio::test(start_paused = true)]
async fn the_budget_holds_and_nobody_waits_for_ever_in_any_course() {
    for seed in 0..30 {
        let memory = PictureMemory::with(8 * MIB, 0, 0);
        let dice = std::cell::RefCell::new(StdRng::seed_from_u64(seed));
        let alive = std::cell::RefCell::new(Vec::<std::sync::Weak<Owned>>::new());
        let readers = (0..60).map(async |_| {
            for _ in 0..6 {
                let (count, first, pause) = {
                    let mut dice = dice.borrow_mut();
                    (dice.random_range(1..=3), dice.random_range(0..12_u64), dice.random_range(0..20))
                };
                let numbers: Vec<u64> = (0..count).map(|step| (first + 5 * step) % 12).collect();
                let answer = answer(&memory, &numbers).await;
                alive.borrow_mut().extend(answer.iter().map(|held| Arc::downgrade(&held.0)));
                let mut living = std::collections::HashMap::new();
                alive.borrow_mut().retain(|weak| weak.strong_count() > 0);
                for held in alive.borrow().iter().filter_map(std::sync::Weak::upgrade) {
                    living.insert(held.picture.bytes().as_ptr(), units(held.picture.bytes().len()));
                }
                let taken: usize = living.values().sum();
                assert!(taken <= 8 * 1024, "seed {seed}: {taken} units in memory");
                assert!(free(&memory) + taken <= 8 * 1024, "seed {seed}: something is not counted");
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        });
        let all = tokio::time::timeout(Duration::from_mins(10), join_all(readers));
        assert!(all.await.is_ok(), "seed {seed}: somebody waits for ever");
        let hot = memory.0.hot.units();
        assert_eq!(free(&memory) + hot, 8 * 1024, "seed {seed}");
        assert_eq!(memory.0.turns.count(), 0, "seed {seed}");
    }
}

/// As the gallery finds the pictures of an answer. A number's length is its own.
async fn answer(memory: &PictureMemory, numbers: &[u64]) -> Vec<Held> {
    let length = |number: u64| (usize::try_from(number).unwrap() % 4 + 1) * 300 * KIB;
    let look = || numbers.iter().map(|number| memory.hot(&content(*number))).collect::<Vec<_>>();
    let missing = |hot: &[Option<Held>]| -> usize {
        numbers.iter().zip(hot).filter(|(_, hot)| hot.is_none()).map(|(number, _)| length(*number)).sum()
    };
    let hot = look();
    if hot.iter().all(Option::is_some) {
        return hot.into_iter().flatten().collect();
    }
    drop(hot);
    let _turn = memory.reading(numbers.iter().map(|number| content(*number)).collect()).await;
    let mut hot = look();
    let mut room = if let Some(room) = memory.room_now(missing(&hot)) {
        room
    } else {
        hot.clear();
        let all = numbers.iter().map(|number| length(*number)).sum();
        let room = memory.room(all).await;
        hot = look();
        room
    };
    tokio::time::sleep(Duration::from_millis(3)).await;
    let held = numbers.iter().zip(hot).map(|(number, hot)| {
        hot.unwrap_or_else(|| {
            let held = room.hold(picture(*number, length(*number)), Some(content(*number)));
            memory.keep(&held);
            held
        })
    });
    held.collect()
}
